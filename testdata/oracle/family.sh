# shellcheck shell=sh
# What the scripts of the oracle share. Each types one network of the scenarios,
# in its end state, and starts with
#
#     . "$(dirname "$0")/family.sh"
#
# Its argument is the family, IPv4 or IPv6. TestOracle runs the scripts in
# namespaces of their own (internal/oracle); by hand:
#
#     unshare -n -m sh -c 'mount -t tmpfs tmpfs /run && sh testdata/oracle/Router.sh IPv4 && ip -n ns0 route'
set -eu
family=${1:-}

# addr SUBNET HOST is an address: `addr 1 2` is 192.168.1.2 or fd00:1::2.
# with SUBNET HOST is the same with its prefix length, as an interface takes it;
# alone SUBNET HOST with that of an address alone.
# at SUBNET HOST PORT is a port of the address: `at 1 2 80` is 192.168.1.2:80 or
# [fd00:1::2]:80.
# net SUBNET is a subnet's prefix: `net 1` is 192.168.1.0/24 or fd00:1::/64.
# own NAME is the family's own sysctl: `own conf.eth0.forwarding` is
# net.ipv4.conf.eth0.forwarding or net.ipv6.conf.eth0.forwarding.
# Subnets 10 and 172 are those of two articles, 10.1.1.0/24 and 172.16.0.0/24.
# The same as in scenarios/family_test.go, which a test holds them to.
case $family in
  IPv4)
    addr() {
      case $1 in
        10) echo "10.1.1.$2" ;;
        172) echo "172.16.0.$2" ;;
        *) echo "192.168.$1.$2" ;;
      esac
    }
    with() { echo "$(addr "$1" "$2")/24"; }
    alone() { echo "$(addr "$1" "$2")/32"; }
    at() { echo "$(addr "$1" "$2"):$3"; }
    net() { echo "$(addr "$1" 0)/24"; }
    own() { echo "net.ipv4.$1"; }
    ip=-4
    iptables=iptables
    ;;
  IPv6)
    addr() { echo "fd00:$1::$2"; }
    with() { echo "fd00:$1::$2/64"; }
    alone() { echo "fd00:$1::$2/128"; }
    at() { echo "[$(addr "$1" "$2")]:$3"; }
    net() { echo "fd00:$1::/64"; }
    own() { echo "net.ipv6.$1"; }
    ip=-6
    iptables=ip6tables
    ;;
  *)
    echo "usage: $0 IPv4|IPv6" >&2
    exit 2
    ;;
esac

# rule NODE ARGUMENTS... is `ip rule` for the family.
rule() {
  name=$1
  shift
  ip -n "$name" "$ip" rule "$@"
}

# ask has whoever runs the script see to something that is not typed: the
# sysctls of new nodes, cables that are ready. Without a runner it does nothing.
ask() {
  if [ -z "${NETRIG_ORACLE:-}" ]; then return; fi
  echo "$*" >&3
  read -r answer <&4
  if [ "$answer" != ok ]; then
    echo "$0: $*: $answer" >&2
    exit 1
  fi
}

# node NAME... makes namespaces, with lo up. They start with the sysctls that the
# nodes of netrig start with (harness.Baseline); by hand with those of the machine,
# but for duplicate address detection, which takes a second or two.
node() {
  if [ -z "${NETRIG_ORACLE:-}" ] && ip -o link show up | grep -qv '^[0-9]*: lo:'; then
    echo "$0: not on the machine itself: see $(dirname "$0")/family.sh" >&2
    exit 1
  fi
  for name in "$@"; do ip netns add "$name"; done
  ask node "$@"
  if [ -z "${NETRIG_ORACLE:-}" ]; then
    for name in "$@"; do
      ip netns exec "$name" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
    done
  fi
  for name in "$@"; do ip -n "$name" link set lo up; done
}

# ipt NODE ARGUMENTS... runs iptables or ip6tables in a node; where the node is
# entered already, `ipt` alone prints the program's name:
# `ip netns exec host "$(ipt)" -t nat ...`.
ipt() {
  case ${1:-} in
    '') echo "$iptables" ;;
    -*) "$iptables" "$@" ;;
    *)
      name=$1
      shift
      ip netns exec "$name" "$iptables" "$@"
      ;;
  esac
}

# ping1 NODE TARGET [OPTIONS] sends one ping, when the cables are ready, by hand one
# a second until one is answered; it fails when nothing comes back. The options are
# ping's.
if [ -n "${NETRIG_ORACLE:-}" ]; then patience=-W1; else patience=-w5; fi
ping1() {
  ask ready
  from=$1 target=$2
  shift 2
  if ! ip netns exec "$from" ping -n -c 1 "$patience" "$@" "$target" >/dev/null 2>&1; then
    echo "$0: $from cannot reach $target" >&2
    return 1
  fi
}

# ping0 NODE TARGET [OPTIONS] sends one ping that is to get no answer, for what
# it leaves behind on its way.
ping0() {
  ask ready
  from=$1 target=$2
  shift 2
  if ip netns exec "$from" ping -n -c 1 -W 0.2 "$@" "$target" >/dev/null 2>&1; then
    echo "$0: $from reaches $target" >&2
    return 1
  fi
}

# say1 NODE ADDRESS PORT sends one datagram from a new port, for what that leaves
# behind on its way: nobody has to answer.
say1() {
  ask ready
  ip netns exec "$1" bash -c "echo hello >/dev/udp/$2/$3" || :
}

# until1 COMMAND... runs a command over and over until it succeeds, for 5 s.
until1() {
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ]; then
      echo "$0: not so after 5 s: $*" >&2
      return 1
    fi
    sleep 0.05
  done
}

# call1 NODE ADDRESS PORT calls a TCP port once, for what that leaves behind on
# its way: nobody has to answer.
call1() {
  ask ready
  ip netns exec "$1" timeout 1 bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null || :
}
