#!/bin/sh
# TestVXLAN: two nodes in one network of a tunnel, and one in another.
. "$(dirname "$0")/family.sh"

node router ns1 ns2 ns3
for i in 1 2 3; do
  ip link add eth0 netns ns$i type veth peer name eth$i netns router
  ip -n ns$i addr add "$(with $i 2)" dev eth0
  ip -n router addr add "$(with $i 1)" dev eth$i
  ip -n ns$i link set eth0 up
  ip -n router link set eth$i up
  ip -n ns$i route add default via "$(addr $i 1)"
done
for i in 1 2 3; do ping1 ns$i "$(addr $i 1)"; done
ip netns exec router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for i in 1 2 3; do
  id=42
  if [ $i = 3 ]; then id=43; fi
  ip -n ns$i link add vxlan0 type vxlan id $id local "$(addr $i 2)" dev eth0 dstport 4789
  for j in 1 2 3; do
    if [ $i != $j ]; then bridge -n ns$i fdb append 00:00:00:00:00:00 dev vxlan0 dst "$(addr $j 2)"; fi
  done
  ip -n ns$i addr add "$(with 10 $i)" dev vxlan0
  ip -n ns$i link set vxlan0 up
done
ping1 ns1 "$(addr 10 2)"
