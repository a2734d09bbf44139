#!/bin/sh
# TestPortForwardUDP: a port of the host leads datagrams to a server behind it.
. "$(dirname "$0")/family.sh"

node client host server
ip -n host link add br0 type bridge
ip -n host addr add "$(with 1 254)" dev br0
ip -n host link set br0 up
ip link add eth0 netns server type veth peer name veth1 netns host
ip -n server addr add "$(with 1 1)" dev eth0
ip -n server link set eth0 up
ip -n host link set veth1 master br0
ip -n host link set veth1 up
ip link add eth0 netns host type veth peer name eth0 netns client
ip -n host addr add "$(with 9 1)" dev eth0
ip -n client addr add "$(with 9 2)" dev eth0
ip -n host link set eth0 up
ip -n client link set eth0 up
ip -n server route add default via "$(addr 1 254)"
ip netns exec host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
say1 client "$(addr 9 1)" 8088
ipt host -t nat -A PREROUTING ! -i br0 -p udp --dport 8088 -j DNAT --to-destination "$(at 1 1 80)"
call1 client "$(addr 9 1)" 8088
say1 client "$(addr 9 1)" 8088
say1 server "$(addr 9 1)" 8088
