#!/bin/sh
# TestHostGateway: namespaces on a bridge, the host behind it, and a machine
# beyond the host that has no way back.
. "$(dirname "$0")/family.sh"

node host outside ns1 ns2
ip -n host link add br0 type bridge
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
ping1 ns1 "$(addr 1 2)"
ip -n host addr add "$(with 1 254)" dev br0
for i in 1 2; do
  ip -n "ns$i" route add default via "$(addr 1 254)"
  ping1 "ns$i" "$(addr 9 1)"
done
ip netns exec host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ping0 ns1 "$(addr 9 2)"
