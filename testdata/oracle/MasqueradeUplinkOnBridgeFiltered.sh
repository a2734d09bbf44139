#!/bin/sh
# TestMasqueradeUplinkOnBridgeFiltered: the same, with a bridge that shows its packets to the packet filter.
. "$(dirname "$0")/family.sh"

node host outside ns1 ns2
ip link add eth0 netns host type veth peer name eth0 netns outside
ip -n host addr add "$(with 9 1)" dev eth0
ip -n outside addr add "$(with 9 2)" dev eth0
ip -n host link set eth0 up
ip -n outside link set eth0 up
ping1 host "$(addr 9 2)"

ip -n host link add br0 type bridge
ip -n host addr add "$(with 10 254)" dev br0
ip -n host link set br0 up
for i in 1 2; do
  ip link add eth0 netns "ns$i" type veth peer name "veth$i" netns host
  ip -n "ns$i" addr add "$(with 10 "$i")" dev eth0
  ip -n "ns$i" link set eth0 up
  ip -n host link set "veth$i" master br0
  ip -n host link set "veth$i" up
  ip -n "ns$i" route add default via "$(addr 10 254)"
done
ip -n host link set eth0 master br0
ip netns exec host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ipt host -t nat -A POSTROUTING -s "$(net 10)" -j MASQUERADE
ip -n host addr del "$(with 9 1)" dev eth0
ip -n host addr add "$(with 9 1)" dev br0
ip netns exec host sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
ping1 ns1 "$(addr 9 2)"
ping1 ns1 "$(addr 10 2)"
