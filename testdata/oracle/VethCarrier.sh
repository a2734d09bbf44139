#!/bin/sh
# A cable that has worked, with the host's end down.
# shellcheck source=testdata/oracle/family.sh
. "$(dirname "$0")/family.sh"

node host ns0
# An index for each end: with equal ones the kernel takes a second to see the
# carrier, and up to 6.1 has another name for the state without it.
ip link add veth0 index 101 netns host type veth peer name veth1 index 102 netns ns0
ip -n host address add "$(with 1 1)" dev veth0
ip -n ns0 address add "$(with 1 2)" dev veth1
ip -n host link set veth0 up
ip -n ns0 link set veth1 up
ping1 host "$(addr 1 2)"
ip -n host link set veth0 down
lost() { ip -n ns0 link show veth1 | grep -q NO-CARRIER; }
until1 lost
