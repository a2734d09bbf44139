package scenarios

import (
	"fmt"
	"strings"

	"github.com/netrig/netrig/harness"
)

// passFaults are about filters that are met by jumps, limits and states.
func passFaults(f family) []*fault {
	icmp := f.either("icmp", "ipv6-icmp")
	protocol := f.either("icmp", "icmpv6")
	nft := func(node string, words ...string) func(l *planted) {
		return func(l *planted) { l.run(node, "nft", strings.Join(words, "; ")) }
	}
	echo := func(hook harness.Hook, kind uint8) harness.Filter {
		return harness.Filter{Hook: hook, Protocol: protocol, ICMPType: harness.ICMPType(kind)}
	}
	table := "add table inet t"
	gate := func(hook, priority string) string {
		return "add chain inet t gate { type filter hook " + hook + " priority " + priority + "; }"
	}
	match := func(kind uint8) string { return "meta l4proto " + icmp + " " + protocol + " type " + fmt.Sprint(kind) }
	programs := []string{"nft"}
	return []*fault{
		{
			name: "a chain that is jumped to drops", in: "Router", at: "forwarding", programs: programs,
			plant:  nft("router", table, "add chain inet t deny", gate("forward", "0"), "add rule inet t gate jump deny", "add rule inet t deny "+match(f.echo())+" counter drop"),
			packet: "echo request", node: "router", end: "filtered out (forward)", seen: entering("router:veth1", ttl64), cause: "inet t deny:",
		},
		{
			name: "a chain that is jumped to drops the answers", in: "Router", at: "forwarding", reply: true, programs: programs,
			plant:  nft("router", table, "add chain inet t deny", gate("forward", "0"), "add rule inet t gate jump deny", "add rule inet t deny "+match(f.echoReply())+" counter drop"),
			packet: "echo reply", node: "router", end: "filtered out (forward)", seen: entering("router:veth3", ttl64), cause: "inet t deny:",
		},
		{
			name: "dropped before connections are tracked", in: "Router", at: "forwarding", programs: programs,
			plant:  nft("router", table, gate("prerouting", "-300"), "add rule inet t gate "+match(f.echo())+" counter drop"),
			packet: "echo request", node: "router", end: "filtered in (prerouting)", seen: entering("router:veth1", ttl64), cause: "inet t gate:",
		},
		{
			name: "new connections are dropped", in: "Router", at: "forwarding", rules: true,
			plant:  func(l *planted) { l.drop("router", harness.Filter{States: []string{"new"}, Protocol: protocol}) },
			packet: "echo request", node: "router", end: "filtered out (forward)", seen: entering("router:veth1", ttl64), cause: "NEW",
		},
		{
			name: "invalid answers are dropped", in: "Router", at: "forwarding", rules: true, reply: true,
			plant: func(l *planted) {
				l.node("router").NoTrack(echo(harness.Prerouting, f.echo()))
				l.drop("router", harness.Filter{States: []string{"invalid"}, Protocol: protocol})
			},
			packet: "echo reply", node: "router", end: "filtered out (forward)", seen: entering("router:veth3", ttl64), cause: "INVALID",
		},
		{
			name: "a limit is used up", in: "Router", at: "forwarding", programs: append(programs, "ping"),
			plant: func(l *planted) {
				nft("router", table, gate("forward", "0"), "add rule inet t gate "+match(f.echo())+" limit rate 1/hour burst 1 packets counter accept", "add rule inet t gate "+match(f.echo())+" counter drop")(l)
				l.run("ns0", "ping", "-n", "-c", "1", "-W", "2", f.addr(2, 2))
			},
			packet: "echo request", node: "router", end: "filtered out (forward)", seen: entering("router:veth1", ttl64), cause: "counted 1",
		},
		{
			name: "the sender rejects its own requests", in: "Router", at: "forwarding", rules: true,
			plant:  func(l *planted) { l.reject("ns0", echo(harness.Output, f.echo()), harness.AnswerProhibited) },
			packet: "echo request", node: "ns0", end: "filtered out (output)", seen: "it never left ns0", cause: "REJECT",
		},
		{
			name: "the target rejects its own answers", in: "Router", at: "forwarding", rules: true, reply: true,
			plant: func(l *planted) {
				l.reject("ns1", echo(harness.Output, f.echoReply()), harness.AnswerProhibited)
			},
			packet: "echo reply", node: "ns1", end: "filtered out (output)", seen: never("ns1", "echo request", "ns1:veth2", ttl63), cause: "REJECT",
		},
		{
			name: "the router rejects the answers", in: "Router", at: "forwarding", rules: true, reply: true,
			plant: func(l *planted) {
				l.reject("router", echo(harness.Forwarded, f.echoReply()), harness.AnswerProhibited)
			},
			packet: "echo reply", node: "router", end: "filtered out (forward)", seen: entering("router:veth3", ttl64), cause: "REJECT",
		},
		{
			name: "the sender rejects the answers", in: "Router", at: "forwarding", rules: true, reply: true,
			plant: func(l *planted) {
				l.reject("ns0", echo(harness.Input, f.echoReply()), harness.AnswerPortUnreachable)
			},
			packet: "echo reply", node: "ns0", end: "filtered in (input)", seen: entering("ns0:veth0", ttl63), cause: "REJECT",
		},
		{
			name: "the kernel was told to send few errors", in: "Router", at: "reached", programs: []string{"sysctl"},
			plant: func(l *planted) {
				l.node("router").SetSysctl(f.either("net.ipv4.icmp_ratelimit", "net.ipv6.icmp.ratelimit"), 60000)
				if f.v6 {
					l.run("router", "sysctl", "-qw", "net.ipv6.icmp.ratemask=0-1,3-127")
				} else {
					l.node("router").SetSysctl("net.ipv4.icmp_ratemask", 6168)
				}
				l.tired("ns0", f.addr(2, 2))
			},
			packet: "echo request", node: "router", end: "TTL exceeded", seen: entering("router:veth1", " (ttl 1)"), cause: "was not sent, since there had been many",
		},
	}
}
