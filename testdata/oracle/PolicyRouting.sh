#!/bin/sh
# TestPolicyRouting: rules by mark, without the default route, and one that refuses.
# shellcheck source=testdata/oracle/twoways.sh
. "$(dirname "$0")/twoways.sh"

ip -n ns0 addr add "$(with 1 3)" dev eth0
ip -n server addr add "$(alone 8 1)" dev lo
ip -n edge route add "$(net 9)" via "$(addr 2 2)"
ip -n edge route add default via "$(addr 2 2)"
ip -n edge route add default via "$(addr 3 2)" table 100
ip -n edge route add "$(net 9)" via "$(addr 2 2)" table 200
# Without an address it is one of each family where IPv6 is on.
ip -n edge rule add priority 120 fwmark 0x10/0xf0 lookup 100
if [ "$family" = IPv6 ]; then rule edge add priority 120 fwmark 0x10/0xf0 lookup 100; fi
rule edge add priority 200 from "$(net 1)" lookup main suppress_prefixlength 0
rule edge add priority 210 from "$(net 1)" lookup 100
ping1 ns0 "$(addr 9 1)" -I "$(addr 1 2)"
ping1 ns0 "$(addr 8 1)" -I "$(addr 1 2)"
ping1 ns0 "$(addr 9 1)" -I "$(addr 1 3)"
rule edge add priority 10 from "$(addr 1 3)" prohibit
ping0 ns0 "$(addr 8 1)" -I "$(addr 1 3)"
