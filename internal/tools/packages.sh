#!/usr/bin/env bash
# Installs the Debian packages whose programs are missing. An argument is a
# package:program, or a set of them by name (test, lint, race, stress, vm, bench).
#
# It asks for programs and not for packages, so that it has nothing to do on a
# machine of another distribution where the programs are there.
set -euo pipefail

# Debian's ordinary users do not have these in PATH, but the programs are there.
PATH=$PATH:/usr/sbin:/sbin

wanted=()
for arg in "$@"; do
  case $arg in
    # dnsmasq-base has the program only; the package dnsmasq would start a daemon.
    test) wanted+=(iproute2:ip bridge-utils:brctl iptables:iptables nftables:nft conntrack:conntrack
      iputils-ping:ping iputils-arping:arping traceroute:traceroute procps:sysctl tcpdump:tcpdump tshark:tshark
      dnsmasq-base:dnsmasq graphviz:dot chromium:chromium) ;;
    lint) wanted+=(shellcheck:shellcheck) ;;
    race) wanted+=(gcc:gcc libc6-dev:/usr/include/stdlib.h) ;;
    stress) wanted+=(stress-ng:stress-ng) ;;
    vm) wanted+=(qemu-system-x86:qemu-system-x86_64) ;;
    # The contenders of make bench. Of Mininet it takes the library, started by Debian's own python3.
    bench) wanted+=(mininet:mn bridge-utils:brctl iperf3:iperf3 tcpdump:tcpdump iptables:iptables iproute2:ip
      iputils-ping:ping procps:sysctl) ;;
    *:*) wanted+=("$arg") ;;
    *)
      echo "packages.sh: unknown set '$arg' (test, lint, race, stress, vm, bench or package:program)" >&2
      exit 2
      ;;
  esac
done

missing=()
for pair in "${wanted[@]}"; do
  what=${pair#*:}
  [[ -e $what ]] || command -v "$what" >/dev/null || missing+=("${pair%%:*}")
done
((${#missing[@]} == 0)) && exit 0

give_up() {
  echo "packages.sh: $1: install these packages by hand: ${missing[*]}" >&2
  exit 1
}

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || give_up "not root, and there is no sudo"
  sudo -n true 2>/dev/null || give_up "not root, and sudo asks for a password"
  as_root=(sudo -n)
fi
command -v apt-get >/dev/null || give_up "there is no apt-get here"

echo "installing ${missing[*]}"
apt() {
  # The lock timeout is for a machine whose own updates run at boot.
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" </dev/null >/dev/null
}
apt update || echo "packages.sh: apt-get update failed; trying with the lists that are there" >&2
apt install -y --no-install-recommends "${missing[@]}" || give_up "apt-get install failed"
