#!/bin/sh
# TestVethPair: two namespaces on one cable, unplugged at one end.
. "$(dirname "$0")/family.sh"

node ns0 ns1
# An index for each end: with equal ones a lost carrier is noticed after a second.
ip link add veth0 index 101 netns ns0 type veth peer name veth1 index 102 netns ns1
ip -n ns0 addr add "$(with 1 1)" dev veth0
ip -n ns1 addr add "$(with 1 2)" dev veth1
ip -n ns0 link set veth0 up
ip -n ns1 link set veth1 up
ping1 ns0 "$(addr 1 2)"
ip -n ns1 link set veth1 down
