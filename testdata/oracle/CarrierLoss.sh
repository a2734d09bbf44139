#!/bin/sh
# TestCarrierLoss: the left way after both its ends have been down, one after the
# other, and its route has been typed again.
# shellcheck source=testdata/oracle/twoways.sh
. "$(dirname "$0")/twoways.sh"

ip -n edge route add "$(net 9)" via "$(addr 2 2)" metric 10
ip -n edge route add "$(net 9)" via "$(addr 3 2)" metric 20
ip netns exec edge sysctl -qw "$(own conf.left0.ignore_routes_with_linkdown)=1"
ping1 ns0 "$(addr 9 1)"
ip -n left link set eth0 down
lost() { ip -n edge link show left0 | grep -q NO-CARRIER; }
until1 lost
ping1 ns0 "$(addr 9 1)"
ip -n left link set eth0 up
if [ "$family" = IPv6 ]; then ip -n left addr add "$(with 2 2)" dev eth0; fi
ip -n edge link set left0 down
ip -n edge link set left0 up
if [ "$family" = IPv6 ]; then ip -n edge addr add "$(with 2 1)" dev left0; fi
ping1 edge "$(addr 2 2)"
ip -n edge route add "$(net 9)" via "$(addr 2 2)" metric 10
ip -n edge route add "$(net 4)" via "$(addr 2 2)"
ping1 ns0 "$(addr 9 1)"
