#!/bin/sh
# TestHostGatewayWithoutRoute: a ping out of an interface, without any route at first.
. "$(dirname "$0")/family.sh"

node host outside ns1 ns2
ip -n host link add br0 type bridge
ip -n host addr add "$(with 1 254)" dev br0
ip -n host link set br0 up
for i in 1 2; do
  ip link add eth0 netns "ns$i" type veth peer name "veth$i" netns host
  ip -n "ns$i" addr add "$(with 1 "$i")" dev eth0
  ip -n "ns$i" link set eth0 up
  ip -n host link set "veth$i" master br0
  ip -n host link set "veth$i" up
done
ip link add eth0 netns host type veth peer name eth0 netns outside
ip -n host addr add "$(with 9 1)" dev eth0
ip -n outside addr add "$(with 9 2)" dev eth0
ip -n host link set eth0 up
ip -n outside link set eth0 up
ip netns exec host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n outside route add "$(net 1)" via "$(addr 9 1)"
# Nobody has the outside address on the cable; the host has its own. IPv6 does
# not even ask.
if [ "$family" = IPv4 ]; then
  ping0 ns1 "$(addr 9 2)" -I eth0
  ping1 ns1 "$(addr 9 1)" -I eth0
fi
ip -n ns1 route add default via "$(addr 1 254)"
ping1 ns1 "$(addr 9 2)"
