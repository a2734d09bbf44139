#!/bin/sh
# TestBridgeTwoGateways: two subnets, and a gateway address for each on the bridge between them.
. "$(dirname "$0")/family.sh"

node host ns1 ns2
ip -n host link add br0 type bridge
ip -n host addr add "$(with 1 254)" dev br0
ip -n host addr add "$(with 2 254)" dev br0
ip -n host link set br0 up
for i in 1 2; do
  ip link add eth0 netns "ns$i" type veth peer name "veth$i" netns host
  ip -n "ns$i" addr add "$(with "$i" 1)" dev eth0
  ip -n "ns$i" link set eth0 up
  ip -n host link set "veth$i" master br0
  ip -n host link set "veth$i" up
  ip -n "ns$i" route add default via "$(addr "$i" 254)"
done
ip netns exec host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
if [ "$family" = IPv4 ]; then
  ip netns exec host sysctl -qw net.ipv4.conf.all.send_redirects=0
  ip netns exec host sysctl -qw net.ipv4.conf.br0.send_redirects=1
fi
ping1 ns1 "$(addr 2 1)"
