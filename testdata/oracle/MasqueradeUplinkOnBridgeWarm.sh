#!/bin/sh
# TestMasqueradeUplinkOnBridgeWarm: the uplink a port of the bridge with its address left on it, and the outside machine still known.
. "$(dirname "$0")/family.sh"

node host outside ns1
ip link add eth0 netns host type veth peer name eth0 netns outside
ip -n host addr add "$(with 9 1)" dev eth0
ip -n outside addr add "$(with 9 2)" dev eth0
ip -n host link set eth0 up
ip -n outside link set eth0 up
ping1 host "$(addr 9 2)"

ip -n host link add br0 type bridge
ip -n host addr add "$(with 10 254)" dev br0
ip -n host link set br0 up
ip link add eth0 netns ns1 type veth peer name veth1 netns host
ip -n ns1 addr add "$(with 10 1)" dev eth0
ip -n ns1 link set eth0 up
ip -n host link set veth1 master br0
ip -n host link set veth1 up
ip -n ns1 route add default via "$(addr 10 254)"
ip -n host link set eth0 master br0
ip netns exec host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ipt host -t nat -A POSTROUTING -s "$(net 10)" -j MASQUERADE
ping1 ns1 "$(addr 9 2)"
