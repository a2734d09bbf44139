#!/bin/sh
# TestBridgeVLANs: two ports of VLAN 10, one of VLAN 20, one of both with tags, and
# the host in VLAN 10.
. "$(dirname "$0")/family.sh"

node host ns1 ns2 ns3 ns4
ip -n host link add br0 type bridge vlan_filtering 1
ip -n host link set br0 up
for i in 1 2 3 4; do
  ip link add eth0 netns ns$i type veth peer name veth$i netns host
  if [ $i != 4 ]; then ip -n ns$i addr add "$(with 1 $i)" dev eth0; fi
  ip -n host link set veth$i master br0
  ip -n ns$i link set eth0 up
  ip -n host link set veth$i up
  bridge -n host vlan del dev veth$i vid 1
done
bridge -n host vlan add dev veth1 vid 10 pvid untagged
bridge -n host vlan add dev veth2 vid 10 pvid untagged
bridge -n host vlan add dev veth3 vid 20 pvid untagged
bridge -n host vlan add dev veth4 vid 10
bridge -n host vlan add dev veth4 vid 20
bridge -n host vlan add dev br0 vid 10 self
for id in 10 20; do
  ip -n ns4 link add link eth0 name eth0.$id type vlan id $id
  ip -n ns4 link set eth0.$id up
done
ip -n ns4 addr add "$(with 1 4)" dev eth0.10
ip -n ns4 addr add "$(with 2 4)" dev eth0.20
ip -n ns3 addr add "$(with 2 3)" dev eth0
ip -n host link add link br0 name br0.10 type vlan id 10
ip -n host addr add "$(with 1 254)" dev br0.10
ip -n host link set br0.10 up
ping1 ns1 "$(addr 1 2)"
ping1 ns1 "$(addr 1 4)"
ping1 ns3 "$(addr 2 4)"
ping1 ns1 "$(addr 1 254)"
