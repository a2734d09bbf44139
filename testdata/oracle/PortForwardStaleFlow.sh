#!/bin/sh
# TestPortForwardStaleFlow: a port of the host leads to another machine than at first.
. "$(dirname "$0")/family.sh"

node client host wrong right
ip -n host link add br0 type bridge
ip -n host addr add "$(with 1 254)" dev br0
ip -n host link set br0 up
ip link add eth0 netns wrong type veth peer name veth1 netns host
ip -n wrong addr add "$(with 1 1)" dev eth0
ip -n wrong link set eth0 up
ip -n host link set veth1 master br0
ip -n host link set veth1 up
ip link add eth0 netns right type veth peer name veth2 netns host
ip -n right addr add "$(with 1 2)" dev eth0
ip -n right link set eth0 up
ip -n host link set veth2 master br0
ip -n host link set veth2 up
ip link add eth0 netns host type veth peer name eth0 netns client
ip -n host addr add "$(with 9 1)" dev eth0
ip -n client addr add "$(with 9 2)" dev eth0
ip -n host link set eth0 up
ip -n client link set eth0 up
ip -n wrong route add default via "$(addr 1 254)"
ip -n right route add default via "$(addr 1 254)"
ip netns exec host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

# The flow is all that leaves one socket of the client: a word for each line that
# its program reads. led NODE N waits until the node has got N datagrams, for which
# it has no listener; what that answers is the error of the next word, which is then
# said again.
mkfifo /run/words
ip netns exec client bash -c "exec 6<>/dev/udp/$(addr 9 1)/8088; while read -r word; do until echo \"\$word\" >&6; do :; done; done" </run/words 2>/dev/null &
exec 5>/run/words
got() { ip netns exec "$1" nstat -asz UdpNoPorts Udp6NoPorts | awk -v want="$2" '/NoPorts/ { n += $2 } END { exit n != want }'; }
led() {
  echo hello >&5
  until1 got "$1" "$2"
}

ask ready
ipt host -t nat -A PREROUTING ! -i br0 -p udp --dport 8088 -j DNAT --to-destination "$(at 1 1 80)"
led wrong 1
# The correction, which the flow that lives does not hear of.
ipt host -t nat -A PREROUTING ! -i br0 -p udp --dport 8088 -j DNAT --to-destination "$(at 1 2 80)"
ipt host -t nat -D PREROUTING ! -i br0 -p udp --dport 8088 -j DNAT --to-destination "$(at 1 1 80)"
led wrong 2
say1 client "$(addr 9 1)" 8088
until1 got right 1
ip netns exec host conntrack -F 2>/dev/null
led right 2
exec 5>&-
wait
