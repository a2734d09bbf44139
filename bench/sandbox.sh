#!/bin/sh
# Runs a command in namespaces of its own (network, mount, PID), as root of
# them: whatever it does to links, mounts and processes ends with it.
#
#   sandbox.sh COMMAND ARGUMENTS...
#
# It ends with its standard input's other side: see the workers' loops.
set -eu
if [ "${NETRIG_BENCH_INSIDE:-}" != 1 ]; then
  user=
  [ "$(id -u)" = 0 ] || user=--map-root-user
  NETRIG_BENCH_INSIDE=1 exec unshare $user --net --mount --pid --fork --kill-child --mount-proc -- "$0" "$@"
fi
mount -t tmpfs tmpfs /run
mkdir /run/netns
# Of /proc/sys only what belongs to the network namespace can be written:
# Mininet raises limits of the machine when it starts.
mount --bind /proc/sys /proc/sys
mount --bind /proc/sys/net /proc/sys/net
mount -o remount,bind,ro /proc/sys
ip link set lo up
exec "$@"
