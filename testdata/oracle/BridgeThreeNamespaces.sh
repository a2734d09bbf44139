#!/bin/sh
# TestBridgeThreeNamespaces: interfaces renamed eth0, on a bridge that gets its address last.
. "$(dirname "$0")/family.sh"

node host ns1 ns2 ns3
ip -n host link add br0 type bridge
ip -n host link set br0 up
for i in 1 2 3; do
  ip link add "veth-ns$i" netns "ns$i" type veth peer name "veth$i" netns host
  ip -n "ns$i" link set "veth-ns$i" name eth0
  ip -n "ns$i" addr add "$(with 1 "$i")" dev eth0
  ip -n "ns$i" link set eth0 up
  ip -n host link set "veth$i" master br0
  ip -n host link set "veth$i" up
done
ip -n host addr add "$(with 1 254)" dev br0
for i in 1 2 3; do
  for j in 1 2 3 254; do
    if [ "$i" != "$j" ]; then ping1 "ns$i" "$(addr 1 "$j")"; fi
  done
  ping1 host "$(addr 1 "$i")"
done
