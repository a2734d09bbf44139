#!/bin/sh
# TestBridgeTwoSubnets: two subnets on a bridge, default routes that name only a device.
. "$(dirname "$0")/family.sh"

node host ns1 ns2
ip -n host link add br0 type bridge
ip -n host link set br0 up
for i in 1 2; do
  ip link add eth0 netns "ns$i" type veth peer name "veth$i" netns host
  ip -n "ns$i" addr add "$(with "$i" 1)" dev eth0
  ip -n "ns$i" link set eth0 up
  ip -n host link set "veth$i" master br0
  ip -n host link set "veth$i" up
  ip "-${family#IPv}" -n "ns$i" route add default dev eth0
done
ping1 ns1 "$(addr 2 1)"
