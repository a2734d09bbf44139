#!/bin/sh
# TestRouterSwitch: a router of both families, which forwards the other one only.
. "$(dirname "$0")/family.sh"

node ns0 router ns1
# Both families, whichever is asked for: a node of an IPv4 network has IPv6 off.
for n in ns0 router ns1; do
  ip netns exec "$n" sysctl -qw net.ipv6.conf.all.accept_dad=0
  ip netns exec "$n" sysctl -qw net.ipv6.conf.all.disable_ipv6=0
done
ip link add veth0 netns ns0 type veth peer name veth1 netns router
ip link add veth2 netns ns1 type veth peer name veth3 netns router
ip -n ns0 addr add 192.168.1.2/24 dev veth0
ip -n ns0 addr add fd00:1::2/64 dev veth0
ip -n router addr add 192.168.1.1/24 dev veth1
ip -n router addr add fd00:1::1/64 dev veth1
ip -n router addr add 192.168.2.1/24 dev veth3
ip -n router addr add fd00:2::1/64 dev veth3
ip -n ns1 addr add 192.168.2.2/24 dev veth2
ip -n ns1 addr add fd00:2::2/64 dev veth2
ip -n ns0 link set veth0 up
ip -n router link set veth1 up
ip -n router link set veth3 up
ip -n ns1 link set veth2 up
ip -n ns0 route add default via 192.168.1.1
ip -n ns0 route add default via fd00:1::1
ip -n ns1 route add default via 192.168.2.1
ip -n ns1 route add default via fd00:2::1
# The router gets known before it is one.
ping0 ns0 192.168.2.2
ping0 ns0 fd00:2::2
ip netns exec router sysctl -qw net.ipv4.ip_forward=1
ip netns exec router sysctl -qw net.ipv6.conf.all.forwarding=1
ping1 ns0 192.168.2.2
ping1 ns0 fd00:2::2
case $family in
  IPv4) ip netns exec router sysctl -qw net.ipv4.ip_forward=0 ;;
  IPv6) ip netns exec router sysctl -qw net.ipv6.conf.all.forwarding=0 ;;
esac
