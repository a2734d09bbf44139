#!/bin/sh
# TestHostRouter: the host itself is the router between two cables.
. "$(dirname "$0")/family.sh"

node ns0 host ns1
ip link add veth0 netns ns0 type veth peer name veth1 netns host
ip link add veth2 netns ns1 type veth peer name veth3 netns host
ip -n ns0 addr add "$(with 1 2)" dev veth0
ip -n host addr add "$(with 1 1)" dev veth1
ip -n host addr add "$(with 2 1)" dev veth3
ip -n ns1 addr add "$(with 2 2)" dev veth2
ip -n ns0 link set veth0 up
ip -n host link set veth1 up
ip -n host link set veth3 up
ip -n ns1 link set veth2 up
ping1 host "$(addr 1 2)"
ping1 host "$(addr 2 2)"
ip -n ns0 route add default via "$(addr 1 1)"
ip -n ns1 route add default via "$(addr 2 1)"
ip netns exec host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ping1 ns1 "$(addr 1 2)"
