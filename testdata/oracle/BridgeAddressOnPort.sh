#!/bin/sh
# TestBridgeAddressOnPort: the host's address on a port of its bridge.
. "$(dirname "$0")/family.sh"

node host ns1 outside
ip link add eth0 netns host type veth peer name eth0 netns outside
ip -n host addr add "$(with 9 1)" dev eth0
ip -n outside addr add "$(with 9 2)" dev eth0
ip -n host link set eth0 up
ip -n outside link set eth0 up
ip -n host link add br0 type bridge
ip -n host link set br0 up
ip link add eth0 netns ns1 type veth peer name veth1 netns host
ip -n host addr add "$(with 1 254)" dev veth1
ip -n ns1 addr add "$(with 1 1)" dev eth0
ip -n host link set veth1 master br0
ip -n host link set veth1 up
ip -n ns1 link set eth0 up
case $family in
  IPv4) ip -n ns1 route add default dev eth0 ;;
  IPv6)
    ip -n host addr add fe80::1/64 dev br0
    ip -n ns1 route add default via fe80::1 dev eth0
    ;;
esac
ping0 host "$(addr 1 1)"
ip -n host neigh del "$(addr 1 1)" dev veth1
if [ "$family" = IPv4 ]; then
  ping1 host "$(addr 1 1)" -I br0
  # Without eth0's address it goes from veth1's.
  ip -n host addr del "$(with 9 1)" dev eth0
  ping1 host "$(addr 1 1)" -I br0
  ip -n host addr add "$(with 9 1)" dev eth0
  ip netns exec host sysctl -qw net.ipv4.conf.br0.rp_filter=1
fi
