#!/bin/sh
# TestBridgeAddressOnPortRoute: the address gone from the port, and a route to the bridge in its place.
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
ip -n host addr del "$(with 1 254)" dev veth1
ip -n host route add "$(net 1)" dev br0
ping1 host "$(addr 1 1)"
