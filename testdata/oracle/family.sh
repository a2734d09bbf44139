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
# with SUBNET HOST is the same with its prefix length, as an interface takes it.
# net SUBNET is a subnet's prefix: `net 1` is 192.168.1.0/24 or fd00:1::/64.
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
    net() { echo "$(addr "$1" 0)/24"; }
    iptables=iptables
    ;;
  IPv6)
    addr() { echo "fd00:$1::$2"; }
    with() { echo "fd00:$1::$2/64"; }
    net() { echo "fd00:$1::/64"; }
    iptables=ip6tables
    ;;
  *)
    echo "usage: $0 IPv4|IPv6" >&2
    exit 2
    ;;
esac

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
# nodes of netrig start with (harness.Baseline).
node() {
  for name in "$@"; do ip netns add "$name"; done
  ask node "$@"
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

# ping1 NODE TARGET [OPTIONS] sends one ping, when the cables are ready; it fails
# when nothing comes back. The options are ping's.
ping1() {
  ask ready
  from=$1 target=$2
  shift 2
  if ! ip netns exec "$from" ping -n -c 1 -W 1 "$@" "$target" >/dev/null 2>&1; then
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

# call1 NODE ADDRESS PORT calls a TCP port once, for what that leaves behind on
# its way: nobody has to answer.
call1() {
  ask ready
  ip netns exec "$1" timeout 1 bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null || :
}
