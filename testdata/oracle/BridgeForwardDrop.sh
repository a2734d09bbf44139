#!/bin/sh
# TestBridgeForwardDrop: a bridge that shows its packets to a packet filter which forwards only what comes in by br0.
. "$(dirname "$0")/family.sh"

node host ns1 ns2 ns3
ip -n host link add br0 type bridge
ip -n host addr add "$(with 1 254)" dev br0
ip -n host link set br0 up
for i in 1 2 3; do
  ip link add eth0 netns "ns$i" type veth peer name "veth$i" netns host
  ip -n "ns$i" addr add "$(with 1 "$i")" dev eth0
  ip -n "ns$i" link set eth0 up
  ip -n host link set "veth$i" master br0
  ip -n host link set "veth$i" up
done

# What is counted: questions for neighbours, echo requests and echo replies.
case $family in
  IPv4) protocol=icmp option=--icmp-type types='8 0' ;;
  IPv6) protocol=icmpv6 option=--icmpv6-type types='135 128 129' ;;
esac
for type in $types; do
  for hook in PREROUTING POSTROUTING; do
    ipt host -t mangle -A "$hook" -p "$protocol" "$option" "$type"
  done
  for hook in INPUT FORWARD OUTPUT; do
    ipt host -A "$hook" -p "$protocol" "$option" "$type"
  done
done

ip netns exec host iptables -P FORWARD DROP
ip netns exec host ip6tables -P FORWARD DROP
ip netns exec host sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
ip netns exec host iptables -A FORWARD -i br0 -j ACCEPT
case $family in
  IPv6) ip netns exec host ip6tables -A FORWARD -i br0 -j ACCEPT ;;
esac
for i in 1 2 3; do
  ping1 host "$(addr 1 "$i")"
  for j in 1 2 3; do
    if [ "$i" != "$j" ]; then ping1 "ns$i" "$(addr 1 "$j")"; fi
  done
done
