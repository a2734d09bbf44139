package scenarios

import (
	"github.com/netrig/netrig/harness"
)

// filterFaults are about packets that somebody does not let through.
func filterFaults(f family) []*fault {
	echo := func(hook harness.Hook, kind uint8) harness.Filter {
		return harness.Filter{Hook: hook, Protocol: f.either("icmp", "icmpv6"), ICMPType: harness.ICMPType(kind)}
	}
	ask, answer := f.echo(), f.echoReply()
	var all []*fault
	for _, place := range []struct {
		node   string
		hook   harness.Hook
		kind   uint8
		packet string
		end    string
		seen   string
	}{
		{"router", harness.Prerouting, ask, "echo request", "filtered in (prerouting)", entering("router:veth1", ttl64)},
		{"router", harness.Forwarded, ask, "echo request", "filtered out (forward)", entering("router:veth1", ttl64)},
		{"router", harness.Postrouting, ask, "echo request", "filtered out (postrouting)", entering("router:veth1", ttl64)},
		{"ns1", harness.Prerouting, ask, "echo request", "filtered in (prerouting)", entering("ns1:veth2", ttl63)},
		{"ns1", harness.Input, ask, "echo request", "filtered in (input)", entering("ns1:veth2", ttl63)},
		{"ns0", harness.Output, ask, "echo request", "filtered out (output)", "it never left ns0"},
		{"ns0", harness.Postrouting, ask, "echo request", "filtered out (postrouting)", "it never left ns0"},
		{"ns1", harness.Output, answer, "echo reply", "filtered out (output)", never("ns1", "echo request", "ns1:veth2", ttl63)},
		{"ns1", harness.Postrouting, answer, "echo reply", "filtered out (postrouting)", never("ns1", "echo request", "ns1:veth2", ttl63)},
		{"router", harness.Prerouting, answer, "echo reply", "filtered in (prerouting)", entering("router:veth3", ttl64)},
		{"router", harness.Forwarded, answer, "echo reply", "filtered out (forward)", entering("router:veth3", ttl64)},
		{"router", harness.Postrouting, answer, "echo reply", "filtered out (postrouting)", entering("router:veth3", ttl64)},
		{"ns0", harness.Prerouting, answer, "echo reply", "filtered in (prerouting)", entering("ns0:veth0", ttl63)},
		{"ns0", harness.Input, answer, "echo reply", "filtered in (input)", entering("ns0:veth0", ttl63)},
	} {
		all = append(all, &fault{
			name: place.node + " drops the " + place.packet + " in " + string(place.hook), in: "Router", at: "forwarding", rules: true, reply: place.kind == answer,
			plant:  func(l *planted) { l.drop(place.node, echo(place.hook, place.kind)) },
			packet: place.packet, node: place.node, end: place.end, seen: place.seen, cause: "DROP counted 1",
		})
	}
	return append(all,
		&fault{
			name: "the router rejects", in: "Router", at: "forwarding", rules: true,
			plant:  func(l *planted) { l.reject("router", echo(harness.Forwarded, ask), harness.AnswerProhibited) },
			packet: "echo request", node: "router", end: "filtered out (forward)", seen: entering("router:veth1", ttl64), cause: "REJECT",
		},
		&fault{
			name: "the target rejects", in: "Router", at: "forwarding", rules: true,
			plant: func(l *planted) {
				l.reject("ns1", echo(harness.Input, ask), harness.AnswerPortUnreachable)
			},
			packet: "echo request", node: "ns1", end: "filtered in (input)", seen: entering("ns1:veth2", ttl63), cause: "REJECT",
		},
		&fault{
			name: "the policy of FORWARD is drop", in: "Router", at: "forwarding", rules: true,
			plant:  func(l *planted) { l.forwardPolicyDrop("router") },
			packet: "echo request", node: "router", end: "filtered out (forward)", seen: entering("router:veth1", ttl64), cause: "policy -t filter -P FORWARD DROP",
		},
		&fault{
			name: "echoes are ignored", in: "Router", at: "forwarding",
			plant: func(l *planted) {
				l.node("ns1").SetSysctl(f.either("net.ipv4.icmp_echo_ignore_all", "net.ipv6.icmp.echo_ignore_all"), 1)
			},
			packet: "echo request", node: "ns1", end: "accepted", seen: entering("ns1:veth2", ttl63), cause: "echo requests are not answered",
		},
		&fault{
			name: "a table without rules", in: "Router", at: "forwarding", programs: []string{"nft"},
			plant:  func(l *planted) { l.run("router", "nft", "add table inet empty") },
			passes: "nothing hangs on a table without chains",
		},
		&fault{
			name: "a rule that does not count", in: "Router", at: "forwarding", programs: []string{"nft"},
			plant: func(l *planted) {
				l.run("router", "nft", "add table inet mute; add chain inet mute forward { type filter hook forward priority 0; }; add rule inet mute forward drop")
			},
			packet: "echo request", node: "router", end: "filtered out (forward)", seen: entering("router:veth1", ttl64), cause: "which does not count",
		},
	)
}
