#!/bin/sh
# An interface that can't be moved until its name is free.
# shellcheck source=testdata/oracle/family.sh
. "$(dirname "$0")/family.sh"

node host ns0
# An index for each end: with equal ones the kernel takes a second to see the carrier.
ip link add veth1 index 101 netns host type veth peer name veth0 index 102 netns ns0
ip -n host address add "$(with 1 1)" dev veth1
ip -n ns0 address add "$(with 1 2)" dev veth0
ip -n host link set veth1 up
ip -n ns0 link set veth0 up

ip -n host link add veth0 type veth peer name veth2
ip -n host address add "$(with 2 2)" dev veth0
ip -n host link set veth2 up
ip -n host link set veth0 up
if ip -n host link set veth0 netns ns0 2>/dev/null; then
  echo "veth0 went to ns0, where that name is taken" >&2
  exit 1
fi
# Kernels before 6.2 rename no interface that is up.
if ! ip -n ns0 link set veth0 name veth3 2>/dev/null; then
  ip -n ns0 link set veth0 down
  ip -n ns0 link set veth0 name veth3
  ip -n ns0 link set veth3 up
fi
ip -n host link set veth0 netns ns0
ip -n ns0 address add "$(with 2 2)" dev veth0
ip -n host address add "$(with 2 1)" dev veth2
ip -n ns0 link set veth0 up
ping1 host "$(addr 2 2)"
