#!/bin/sh
# TestPortForwardWeb: a port of the host leads to a web server behind it, but not for
# those on its bridge.
. "$(dirname "$0")/family.sh"

node client host web ns2
ip -n host link add br0 type bridge
ip -n host addr add "$(with 1 254)" dev br0
ip -n host link set br0 up
ip link add eth0 netns web type veth peer name veth1 netns host
ip -n web addr add "$(with 1 1)" dev eth0
ip -n web link set eth0 up
ip -n host link set veth1 master br0
ip -n host link set veth1 up
ip link add eth0 netns ns2 type veth peer name veth2 netns host
ip -n ns2 addr add "$(with 1 2)" dev eth0
ip -n ns2 link set eth0 up
ip -n host link set veth2 master br0
ip -n host link set veth2 up
ip link add eth0 netns host type veth peer name eth0 netns client
ip -n host addr add "$(with 9 1)" dev eth0
ip -n client addr add "$(with 9 2)" dev eth0
ip -n host link set eth0 up
ip -n client link set eth0 up
ip -n web route add default via "$(addr 1 254)"
ip -n ns2 route add default via "$(addr 1 254)"
ip netns exec host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ipt host -t nat -A PREROUTING ! -i br0 -p tcp --dport 8088 -j DNAT --to-destination "$(at 1 1 80)"
call1 client "$(addr 9 1)" 8088
ping1 ns2 "$(addr 1 1)"
ping1 ns2 "$(addr 9 1)"
