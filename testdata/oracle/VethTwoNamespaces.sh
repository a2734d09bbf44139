#!/bin/sh
# Two namespaces on one cable.
# shellcheck source=testdata/oracle/family.sh
. "$(dirname "$0")/family.sh"

case $1 in
IPv6) one=fd00:16::1 two=fd00:16::2 bits=64 ;;
*) one=172.16.0.1 two=172.16.0.2 bits=16 ;;
esac
node ns0 ns1
# An index for each end: with equal ones the kernel takes a second to see the carrier.
ip link add veth0 index 101 netns ns0 type veth peer name veth1 index 102 netns ns1
ip -n ns0 address add "$one/$bits" dev veth0
ip -n ns1 address add "$two/$bits" dev veth1
ip -n ns0 link set veth0 up
ip -n ns1 link set veth1 up
ping1 ns0 "$two"
