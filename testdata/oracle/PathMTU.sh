#!/bin/sh
# TestPathMTU: a narrow link whose router tells nobody, and a route that knows.
. "$(dirname "$0")/family.sh"

node ns0 near far ns1
ip link add eth0 netns ns0 type veth peer name eth0 netns near
ip link add eth1 mtu 1400 netns near type veth peer name eth0 mtu 1400 netns far
ip link add eth1 netns far type veth peer name eth0 netns ns1
ip -n ns0 addr add "$(with 1 2)" dev eth0
ip -n near addr add "$(with 1 1)" dev eth0
ip -n near addr add "$(with 2 1)" dev eth1
ip -n far addr add "$(with 2 2)" dev eth0
ip -n far addr add "$(with 3 1)" dev eth1
ip -n ns1 addr add "$(with 3 2)" dev eth0
ip -n ns1 addr add "$(with 3 3)" dev eth0
for end in "ns0 eth0" "near eth0" "near eth1" "far eth0" "far eth1" "ns1 eth0"; do
  ip -n "${end% *}" link set "${end#* }" up
done
ip -n ns0 route add default via "$(addr 1 1)"
ip -n ns1 route add default via "$(addr 3 1)"
ip -n near route add "$(net 3)" via "$(addr 2 2)"
ip -n far route add "$(net 1)" via "$(addr 2 1)"
for name in near far; do
  ip netns exec $name sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
done
case $family in
  IPv4) ipt near -A OUTPUT -p icmp --icmp-type 3 -j DROP ;;
  IPv6) ipt near -A OUTPUT -p icmpv6 --icmpv6-type 2 -j DROP ;;
esac
ping1 ns0 "$(addr 3 2)"
ping1 ns0 "$(addr 3 3)"
ip -n ns0 route add "$(net 3)" via "$(addr 1 1)" mtu 1400
