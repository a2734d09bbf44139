#!/bin/sh
# TestBridge: three namespaces on a bridge of the host, which is set down.
. "$(dirname "$0")/family.sh"

node host ns1 ns2 ns3
ip -n host link add br0 type bridge
ip -n host addr add "$(with 1 254)" dev br0
ip -n host link set br0 up
for i in 1 2 3; do
  ip link add eth0 netns "ns$i" type veth peer name "veth$i" netns host
  ip -n "ns$i" addr add "$(with 1 "$i")" dev eth0
  ip -n "ns$i" link set eth0 up
  ip -n host link set "veth$i" master br0
  ip -n host link set "veth$i" up
done
ping1 ns1 "$(addr 1 2)"
ping1 ns1 "$(addr 1 3)"
ping1 ns2 "$(addr 1 3)"
for i in 1 2 3; do ping1 host "$(addr 1 "$i")"; done
ip -n host link set br0 down
