#!/bin/sh
# TestECMP: a route with two next hops, whose flows are told apart by ports, too; the
# left one has lost its carrier and has it back.
# shellcheck source=testdata/oracle/twoways.sh
. "$(dirname "$0")/twoways.sh"

ping1 edge "$(addr 2 2)"
ping1 edge "$(addr 3 2)"
ping1 left "$(addr 4 2)"
ping1 right "$(addr 5 2)"
ip -n edge route add "$(net 9)" nexthop via "$(addr 2 2)" nexthop via "$(addr 3 2)" dev right0
if [ "$family" = IPv6 ]; then
  ip netns exec ns0 sysctl -qw net.ipv6.auto_flowlabels=0
  ip netns exec edge sysctl -qw net.ipv6.auto_flowlabels=0
fi
ping1 ns0 "$(addr 9 1)"
ip netns exec edge sysctl -qw "$(own fib_multipath_hash_policy)=1" \
  "$(own conf.left0.ignore_routes_with_linkdown)=1" "$(own conf.right0.ignore_routes_with_linkdown)=1"
ip -n left link set eth0 down
lost() { ip -n edge link show left0 | grep -q NO-CARRIER; }
until1 lost
ip -n left link set eth0 up
if [ "$family" = IPv6 ]; then ip -n left addr add "$(with 2 2)" dev eth0; fi
ping1 edge "$(addr 2 2)"
