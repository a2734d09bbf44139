#!/bin/sh
# TestHostAsJump: a namespace behind the host and a machine before it, without a way to each other.
. "$(dirname "$0")/family.sh"

node outside host ns1
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
ping1 host "$(addr 1 1)"
ping1 host "$(addr 9 2)"
