#!/usr/bin/env bash
# One of the peers: the works as they are written with ip, iptables, ping and
# tcpdump. Reads lines "WORK SIZE REPETITIONS", answers each with
# "ok KEY=VALUE ...": seconds for all repetitions, and what was lost.
set -euo pipefail

address() { echo "10.0.$(($1 >> 8)).$(($1 & 255))"; }
seconds() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.6f", b - a }'; }

cable() { # NODE PORT NODE PORT
  ip link add "$2" netns "$1" type veth peer name "$4" netns "$3"
}

port() { # NODE PORT [ADDRESS]
  if [[ -n ${3:-} ]]; then ip -n "$1" address add "$3" dev "$2"; fi
  ip -n "$1" link set "$2" up
}

# ping_once NODE ADDRESS: one that is not answered is counted. Right after links
# have been set up that happens.
ping_once() {
  ip netns exec "$1" ping -n -q -c1 -W5 "$2" >/dev/null || lost=$((lost + 1))
}

pair() {
  ip netns add a
  ip netns add b
  cable a veth0 b veth1
  port a veth0 10.0.0.1/24
  port b veth1 10.0.0.2/24
  ping_once a 10.0.0.2
  ip netns del a
  ip netns del b
}

# record NODE FILE: tcpdump on every interface, running when this returns.
record() {
  mkfifo "$2.ready"
  # Immediately: what it has not been handed when it is ended, it never writes.
  ip netns exec "$1" tcpdump -i any --immediate-mode -U -Z root -w "$2" 2>"$2.ready" &
  recorders+=($!)
  local line
  exec {said}<"$2.ready"
  while read -r line <&"$said"; do
    if [[ $line == *"listening on"* ]]; then
      heard+=("$said")
      return
    fi
  done
  echo "shell.sh: tcpdump has not started in $1" >&2
  return 1
}

# until_written FOLDER: until no file in it grows any more.
until_written() {
  local before=-1 now
  now=$(du -sb "$1")
  while [[ $now != "$before" ]]; do
    sleep 0.5
    before=$now now=$(du -sb "$1")
  done
}

# until_pinged FOLDER: until each file has an echo and its reply, which it has
# not where a ping was lost. What tcpdump has not read when it is ended, it never
# writes.
until_pinged() {
  local file
  for file in "$1"/*.pcap; do
    while ((lost == 0 && $(stat -c %s "$file") < 24 + 2 * (16 + 20 + 84))); do sleep 0.001; done
  done
}

# recorded: ends them, and adds up what they say that they captured.
recorded() {
  local i fd line
  kill -INT "${recorders[@]}"
  captured=0
  for i in "${!recorders[@]}"; do
    fd=${heard[i]}
    while read -r line; do
      case $line in
        *" captured") captured=$((captured + ${line%% *})) ;;
      esac
    done <&"$fd"
    exec {fd}<&-
    wait "${recorders[i]}"
  done
  recorders=() heard=()
}
recorders=() heard=()

masquerade() {
  local n files
  files=$(mktemp -d /run/record.XXXXXX)
  for n in client gateway server; do ip netns add $n; done
  cable client veth0 gateway veth1
  cable server veth2 gateway veth3
  port client veth0 10.1.0.2/24
  port gateway veth1 10.1.0.1/24
  port gateway veth3 10.2.0.1/24
  port server veth2 10.2.0.2/24
  ip -n client route add default via 10.1.0.1
  ip netns exec gateway sysctl -qw net.ipv4.ip_forward=1
  ip netns exec gateway iptables -t nat -A POSTROUTING -s 10.1.0.0/24 -o veth3 -j MASQUERADE
  for n in client gateway server; do record $n "$files/$n.pcap"; done
  ping_once client 10.2.0.2
  until_pinged "$files"
  recorded
  for n in client gateway server; do ip netns del $n; done
  rm -r "$files"
}

bridge_up() { # NODES
  local i
  ip netns add switch
  ip -n switch link add br0 type bridge
  ip -n switch link set br0 up
  for ((i = 1; i <= $1; i++)); do
    ip netns add "h$i"
    cable switch "p$i" "h$i" eth0
    ip -n switch link set "p$i" master br0 up
    port "h$i" eth0 "$(address "$i")/16"
  done
}

bridge_down() {
  local i
  for ((i = 1; i <= $1; i++)); do ip netns del "h$i"; done
  ip netns del switch
}

bridge() {
  bridge_up "$1"
  ping_once h1 "$(address "$1")"
  bridge_down "$1"
}

# matrix NODES: every node pings every node; counts those without an answer.
matrix() {
  local i j
  for ((i = 1; i <= $1; i++)); do
    for ((j = 1; j <= $1; j++)); do
      if ((i != j)); then ping_once "h$i" "$(address "$j")"; fi
    done
  done
}

permanent_neighbours() { # NODES
  local i j macs=()
  for ((i = 1; i <= $1; i++)); do macs[i]=$(ip netns exec "h$i" cat /sys/class/net/eth0/address); done
  for ((i = 1; i <= $1; i++)); do
    for ((j = 1; j <= $1; j++)); do
      if ((i != j)); then echo "neighbour replace $(address "$j") lladdr ${macs[j]} dev eth0 nud permanent"; fi
    done | ip -n "h$i" -batch -
  done
}

chain() { # ROUTERS
  local i n=$1
  for ((i = 0; i <= n + 1; i++)); do ip netns add "r$i"; done
  for ((i = 0; i <= n; i++)); do
    cable "r$i" right "r$((i + 1))" left
    port "r$i" right "10.0.$i.1/24"
    port "r$((i + 1))" left "10.0.$i.2/24"
  done
  ip -n r0 route add default via 10.0.0.2
  ip -n "r$((n + 1))" route add default via "10.0.$n.1"
  for ((i = 1; i <= n; i++)); do
    ip netns exec "r$i" sysctl -qw net.ipv4.ip_forward=1
    if ((i < n)); then ip -n "r$i" route add default via "10.0.$i.2"; fi
    if ((i > 1)); then ip -n "r$i" route add 10.0.0.0/24 via "10.0.$((i - 1)).1"; fi
  done
  ping_once r0 "10.0.$n.2"
  for ((i = 0; i <= n + 1; i++)); do ip netns del "r$i"; done
}

# capture BYTES COUNT: so many frames over a cable, recorded at both ends.
capture() {
  local files from
  files=$(mktemp -d /run/record.XXXXXX)
  ip netns add a
  ip netns add b
  cable a veth0 b veth1
  port a veth0
  port b veth1
  record a "$files/a.pcap"
  record b "$files/b.pcap"
  from=$EPOCHREALTIME
  ip netns exec a env NETRIG_BENCH_ROLE="send veth0 $1 $2" "$NETRIG_BENCH_SELF"
  took=$(seconds "$from")
  until_written "$files"
  recorded
  memory=$(du -sk "$files" | cut -f1)
  rm -r "$files"
  ip netns del a
  ip netns del b
}

# throughput SECONDS: TCP between two bare namespaces.
throughput() {
  local server line
  ip netns add a
  ip netns add b
  cable a veth0 b veth1
  port a veth0 10.0.0.1/24
  port b veth1 10.0.0.2/24
  mkfifo /run/iperf3
  ip netns exec b iperf3 -s -1 --forceflush >/run/iperf3 &
  server=$!
  exec {said}</run/iperf3
  while read -r line <&"$said"; do
    if [[ $line == *"Server listening"* ]]; then break; fi
  done
  bits=$(ip netns exec a iperf3 -c 10.0.0.2 -t "$1" -J | sed -n '/"sum_received"/,/}/s/.*"bits_per_second":[[:space:]]*\([0-9.e+]*\).*/\1/p')
  wait "$server"
  exec {said}<&-
  rm /run/iperf3
  ip netns del a
  ip netns del b
}

while read -r work size times; do
  if [[ $(</proc/self/setgroups) == deny && $work =~ ^(masquerade|capture)$ ]]; then
    # It gives up its user and its groups, also for "-Z root".
    echo "no tcpdump wants root"
    continue
  fi
  from=$EPOCHREALTIME lost=0
  case $work in
    pair | masquerade | bridge | chain)
      for ((k = 0; k < times; k++)); do "$work" "$size"; done
      echo "ok seconds=$(seconds "$from") lost=$lost"
      ;;
    learned | permanent)
      bridge_up "$size"
      if [[ $work == permanent ]]; then permanent_neighbours "$size"; fi
      from=$EPOCHREALTIME
      matrix "$size"
      took=$(seconds "$from")
      bridge_down "$size"
      echo "ok seconds=$took lost=$lost"
      ;;
    capture)
      capture "$size" "$times"
      echo "ok seconds=$took lost=$((2 * times - captured)) kilobytes=$memory"
      ;;
    throughput)
      throughput "$size"
      echo "ok seconds=$(seconds "$from") bits=$bits"
      ;;
    *) echo "no it does not know the work $work" ;;
  esac
done
