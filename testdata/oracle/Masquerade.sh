#!/bin/sh
# TestMasquerade: a private subnet behind a gateway that lends it its address.
. "$(dirname "$0")/family.sh"

node client gateway server
ip link add eth0 netns client type veth peer name eth1 netns gateway
ip link add eth0 netns gateway type veth peer name eth0 netns server
ip -n client addr add "$(with 1 2)" dev eth0
ip -n gateway addr add "$(with 1 1)" dev eth1
ip -n gateway addr add "$(with 9 1)" dev eth0
ip -n server addr add "$(with 9 2)" dev eth0
ip -n client link set eth0 up
ip -n gateway link set eth1 up
ip -n gateway link set eth0 up
ip -n server link set eth0 up
ip -n client route add default via "$(addr 1 1)"
ip netns exec gateway sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ipt gateway -t nat -A POSTROUTING -s "$(net 1)" -o eth0 -j MASQUERADE
ping1 client "$(addr 9 2)"
