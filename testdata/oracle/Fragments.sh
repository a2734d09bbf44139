#!/bin/sh
# TestFragments: a receiver that waits a second for a fragment that is missing.
. "$(dirname "$0")/family.sh"

node ns0 router ns1
ip link add eth0 netns ns0 type veth peer name eth0 netns router
ip link add eth1 netns router type veth peer name eth0 netns ns1
ip -n ns0 addr add "$(with 1 2)" dev eth0
ip -n router addr add "$(with 1 1)" dev eth0
ip -n router addr add "$(with 2 1)" dev eth1
ip -n ns1 addr add "$(with 2 2)" dev eth0
for end in "ns0 eth0" "router eth0" "router eth1" "ns1 eth0"; do
  ip -n "${end% *}" link set "${end#* }" up
done
ip -n ns0 route add default via "$(addr 1 1)"
ip -n ns1 route add default via "$(addr 2 1)"
ip netns exec router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
case $family in
  IPv4) ip netns exec ns1 sysctl -qw net.ipv4.ipfrag_time=1 ;;
  IPv6) ip netns exec ns1 sysctl -qw net.ipv6.ip6frag_time=1 ;;
esac
ping1 ns0 "$(addr 2 2)" -s 3000
