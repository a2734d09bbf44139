#!/bin/sh
# TestBridgeAgeing: a bridge that has forgotten ns2, and does not learn at its port.
. "$(dirname "$0")/family.sh"

node host ns1 ns2 ns3
ip -n host link add br0 type bridge
ip -n host link set br0 up
for i in 1 2 3; do
  ip link add eth0 netns "ns$i" type veth peer name "veth$i" netns host
  ip -n "ns$i" addr add "$(with 1 "$i")" dev eth0
  ip -n host link set "veth$i" master br0
done
for i in 1 2 3; do
  ip -n "ns$i" link set eth0 up
  ip -n host link set "veth$i" up
done
ping1 ns1 "$(addr 1 2)"
ip -n host link set veth2 type bridge_slave learning off
ping1 ns1 "$(addr 1 2)"
# In hundredths of a second. Entries that are permanent are the port's own.
ip -n host link set br0 type bridge ageing_time 20
forgotten() { ! bridge -n host fdb show brport veth2 | grep -qv permanent; }
until1 forgotten
ip -n host link set br0 type bridge ageing_time 30000
ping1 ns1 "$(addr 1 2)"
ping1 ns3 "$(addr 1 1)"
