#!/bin/sh
# TestHostGatewayOutside: a namespace reaches the network behind the host, which has a route back.
. "$(dirname "$0")/family.sh"

node ns1 host outside
ip -n host link add br0 type bridge
ip -n host addr add "$(with 1 254)" dev br0
ip -n host link set br0 up
ip link add eth0 netns ns1 type veth peer name veth1 netns host
ip -n ns1 addr add "$(with 1 1)" dev eth0
ip -n ns1 link set eth0 up
ip -n host link set veth1 master br0
ip -n host link set veth1 up
ip link add eth0 netns host type veth peer name eth0 netns outside
ip -n host addr add "$(with 9 1)" dev eth0
ip -n outside addr add "$(with 9 2)" dev eth0
ip -n host link set eth0 up
ip -n outside link set eth0 up
ip -n ns1 route add default via "$(addr 1 254)"
ping1 ns1 "$(addr 9 1)"
ping1 host "$(addr 9 2)"
ip netns exec host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n outside route add "$(net 1)" via "$(addr 9 1)"
ping1 ns1 "$(addr 9 2)"
ping1 outside "$(addr 1 1)"
