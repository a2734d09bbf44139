# shellcheck shell=sh
# The network of scenarios/twoways_test.go, which several scripts begin with: two
# ways from a subnet to a server, whose answers take the right one. edge has no
# route to the server yet.
#
#                        left0 --- eth0 left eth1 --- left0
#     ns0 eth0 --- eth0 edge                            server lo
#                       right0 --- eth0 right eth1 --- right0
# shellcheck source=testdata/oracle/family.sh
. "$(dirname "$0")/family.sh"

# wire NODE INTERFACE SUBNET HOST NODE INTERFACE HOST joins two nodes by a cable, with
# an index for each end: with equal ones the kernel takes a second to see a carrier.
index=100
wire() {
  index=$((index + 2))
  ip link add "$2" index "$index" netns "$1" type veth peer name "$6" index $((index + 1)) netns "$5"
  ip -n "$1" addr add "$(with "$3" "$4")" dev "$2"
  ip -n "$5" addr add "$(with "$3" "$7")" dev "$6"
  ip -n "$1" link set "$2" up
  ip -n "$5" link set "$6" up
}

node ns0 edge left right server
wire ns0 eth0 1 2 edge eth0 1
wire edge left0 2 1 left eth0 2
wire edge right0 3 1 right eth0 2
wire left eth1 4 1 server left0 2
wire right eth1 5 1 server right0 2
ip -n server addr add "$(alone 9 1)" dev lo
ip -n ns0 route add default via "$(addr 1 1)"
ip -n edge route add "$(net 4)" via "$(addr 2 2)"
ip -n edge route add "$(net 5)" via "$(addr 3 2)"
ip -n left route add default via "$(addr 4 2)"
ip -n left route add "$(net 1)" via "$(addr 2 1)"
ip -n right route add default via "$(addr 5 2)"
ip -n right route add "$(net 1)" via "$(addr 3 1)"
ip -n right route add "$(net 2)" via "$(addr 3 1)"
ip -n server route add default via "$(addr 5 1)"
for name in edge left right; do
  ip netns exec $name sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
done
