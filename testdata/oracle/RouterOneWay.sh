#!/bin/sh
# TestRouterOneWay: a route on one side, and later on the other.
. "$(dirname "$0")/family.sh"

node ns0 router ns1
ip link add veth0 netns ns0 type veth peer name veth1 netns router
ip link add veth2 netns ns1 type veth peer name veth3 netns router
ip -n ns0 addr add "$(with 1 2)" dev veth0
ip -n router addr add "$(with 1 1)" dev veth1
ip -n router addr add "$(with 2 1)" dev veth3
ip -n ns1 addr add "$(with 2 2)" dev veth2
ip -n ns0 link set veth0 up
ip -n router link set veth1 up
ip -n router link set veth3 up
ip -n ns1 link set veth2 up
ip netns exec router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n ns0 route add "$(net 2)" via "$(addr 1 1)"
# No reply, but whoever passes the request on gets known on its way.
ping0 ns0 "$(addr 2 2)"
ip -n ns1 route add "$(net 1)" via "$(addr 2 1)"
ping1 ns0 "$(addr 2 2)"
ping1 ns1 "$(addr 1 2)"
