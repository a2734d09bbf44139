#!/bin/sh
# TestBridgeWideGateway: two subnets, and one gateway address whose prefix holds both.
. "$(dirname "$0")/family.sh"

node host ns1 ns2
ip -n host link add br0 type bridge
ip -n host addr add "$(addr 0 254)/16" dev br0
ip -n host link set br0 up
for i in 1 2; do
  ip link add eth0 netns "ns$i" type veth peer name "veth$i" netns host
  ip -n "ns$i" addr add "$(with "$i" 1)" dev eth0
  ip -n "ns$i" link set eth0 up
  ip -n host link set "veth$i" master br0
  ip -n host link set "veth$i" up
done
ip netns exec host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ping0 host "$(addr 2 1)"
for i in 1 2; do
  ip -n "ns$i" route add default via "$(addr 0 254)" dev eth0 onlink
  ping1 "ns$i" "$(addr 0 254)"
  ping1 host "$(addr "$i" 1)"
done
ping1 ns1 "$(addr 2 1)"
for i in 1 2; do ip -n "ns$i" addr add "$(addr "$i" 2)/16" dev eth0; done
ping1 ns1 "$(addr 2 2)"
