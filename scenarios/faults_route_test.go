package scenarios

import (
	"github.com/netrig/netrig/harness"
)

// routeFaults are about routes and forwarding.
func routeFaults(f family) []*fault {
	one, two := f.addr(1, 2), f.addr(2, 2)
	host := f.either("/32", "/128")
	forwarding := f.either("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")
	reply := never("ns1", "echo request", "ns1:veth2", ttl63)
	all := []*fault{
		{
			name: "the sender has no route", in: "Router", at: "forwarding",
			plant:  func(l *planted) { l.node("ns0").DelRoute(f.net(2), f.addr(1, 1)) },
			packet: "echo request", node: "ns0", end: "no route", seen: "it never left ns0", cause: "ns0 has no route to ns1 (" + two,
		},
		{
			name: "the target has no way back", in: "Router", at: "forwarding", reply: true,
			plant:  func(l *planted) { l.node("ns1").DelRoute(f.net(1), f.addr(2, 1)) },
			packet: "echo reply", node: "ns1", end: "no route", seen: reply, cause: "ns1 has no route to ns0 (" + one,
		},
		{
			name: "the target's mask is too wide", in: "Router", at: "forwarding", reply: true,
			plant: func(l *planted) {
				l.node("ns1").DelRoute(f.net(1), f.addr(2, 1))
				l.node("ns1").AddRoute(f.net(1), "", harness.Device("veth2"))
			},
			packet: f.ask(), node: "router", end: "neighbour unreachable", seen: entering("router:veth3", f.neighborTTL()), cause: one + " belongs to ns0:veth0", about: []string{"ns1"},
		},
		{
			name: "the sender's mask is too wide", in: "Router", at: "forwarding",
			plant: func(l *planted) {
				l.node("ns0").DelRoute(f.net(2), f.addr(1, 1))
				l.node("ns0").AddRoute(f.net(2), "", harness.Device("veth0"))
			},
			packet: f.ask(), node: "router", end: "neighbour unreachable", seen: entering("router:veth1", f.neighborTTL()), cause: two + " belongs to ns1:veth2", about: []string{"ns0"},
		},
		{
			name: "forwarding is off", in: "Router", at: "forwarding",
			plant:  func(l *planted) { l.node("router").DisableForwarding() },
			packet: "echo request", node: "router", end: "not forwarded", seen: entering("router:veth1", ttl64), cause: forwarding + " = 0",
		},
		{
			name: "forwarding of the other family only", in: "Router", at: "forwarding",
			plant:  func(l *planted) { l.node("router").SetSysctl(forwarding, 0) },
			packet: "echo request", node: "router", end: "not forwarded", seen: entering("router:veth1", ttl64), cause: forwarding + " = 0",
		},
		{
			name: "a loop", in: "Router", at: "forwarding",
			plant: func(l *planted) {
				l.node("ns0").EnableForwarding()
				l.node("router").AddRoute(two+host, one)
			},
			// IPv4 knows its own source when it comes back, IPv6 sends it round and round.
			packet: "echo request", node: "ns0", end: "loop", seen: entering("ns0:veth0", f.either(ttl63, " (ttl 1)")), cause: "router: the route to " + two, about: []string{"router"},
		},
		{
			name: "a policy rule that discards", in: "Router", at: "forwarding",
			plant:  func(l *planted) { l.rule("router", f, "to", two, "blackhole") },
			packet: "echo request", node: "router", end: "null routed (blackhole route)", seen: entering("router:veth1", ttl64), cause: "a rule decides before it",
		},
		{
			name: "a policy rule that discards the answers", in: "Router", at: "forwarding", reply: true,
			plant:  func(l *planted) { l.rule("router", f, "from", two, "blackhole") },
			packet: "echo reply", node: "router", end: "null routed (blackhole route)", seen: entering("router:veth3", ttl64), cause: "a rule decides before it",
		},
		{
			name: "forwarding was never switched on", in: "Masquerade", at: "masquerade",
			plant:  func(l *planted) { l.node("gateway").DisableForwarding() },
			packet: "echo request", node: "gateway", end: "not forwarded", seen: entering("gateway:eth1", ttl64), cause: forwarding + " = 0",
		},
		{
			name: "the host's other address is unreachable", in: "HostGateway", at: "each reached",
			plant:  func(l *planted) { l.node("ns1").DelRoute("default", f.addr(1, 254)) },
			packet: "echo request", node: "ns1", end: "no route", seen: "it never left ns1", cause: "ns1 has no route to host (" + f.addr(9, 1),
		},
		{
			name: "the host has no way back", in: "HostGateway", at: "each reached", reply: true,
			plant: func(l *planted) {
				l.node("host").DelRoute(f.net(1), "", harness.Device("br0"))
			},
			packet: "echo reply", node: "host", end: "no route", seen: never("host", "echo request", "host:br0", ttl64), cause: "host has no route to ns1 (" + f.addr(1, 1),
		},
	}
	for _, kind := range []string{"blackhole", "unreachable", "prohibit"} {
		end := "null routed (" + kind + " route)"
		all = append(all,
			&fault{
				name: "the router's route says " + kind, in: "Router", at: "forwarding",
				plant:  func(l *planted) { l.node("router").AddRoute(two+host, "", harness.RouteType(kind)) },
				packet: "echo request", node: "router", end: end, seen: entering("router:veth1", ttl64), cause: kind,
			},
			&fault{
				name: "the router's route back says " + kind, in: "Router", at: "forwarding", reply: true,
				plant:  func(l *planted) { l.node("router").AddRoute(one+host, "", harness.RouteType(kind)) },
				packet: "echo reply", node: "router", end: end, seen: entering("router:veth3", ttl64), cause: kind,
			},
			&fault{
				name: "the sender's route says " + kind, in: "Router", at: "forwarding",
				plant:  func(l *planted) { l.node("ns0").AddRoute(two+host, "", harness.RouteType(kind)) },
				packet: "echo request", node: "ns0", end: end, seen: "it never left ns0", cause: kind,
			},
			&fault{
				name: "the target's route says " + kind, in: "Router", at: "forwarding", reply: true,
				plant:  func(l *planted) { l.node("ns1").AddRoute(one+host, "", harness.RouteType(kind)) },
				packet: "echo reply", node: "ns1", end: end, seen: reply, cause: kind,
			})
	}
	if f.v6 {
		return all
	}
	return append(all,
		&fault{
			name: "the near interface does not forward", in: "Router", at: "forwarding",
			plant:  func(l *planted) { l.node("router").SetSysctl("net.ipv4.conf.veth1.forwarding", 0) },
			packet: "echo request", node: "router", end: "not forwarded", seen: entering("router:veth1", ttl64), cause: "net.ipv4.conf.veth1.forwarding = 0",
		},
		&fault{
			name: "the far interface does not forward", in: "Router", at: "forwarding", reply: true,
			plant:  func(l *planted) { l.node("router").SetSysctl("net.ipv4.conf.veth3.forwarding", 0) },
			packet: "echo reply", node: "router", end: "not forwarded", seen: entering("router:veth3", ttl64), cause: "net.ipv4.conf.veth3.forwarding = 0",
		},
		&fault{
			name: "rp_filter where the way back is another", in: "Router", at: "forwarding",
			plant: func(l *planted) {
				l.node("router").AddRoute(one+host, two)
				l.node("router").SetSysctl("net.ipv4.conf.veth1.rp_filter", 1)
			},
			packet: "echo request", node: "router", end: "dropped by the stack (reverse path filter)", seen: entering("router:veth1", ttl64), cause: "rp_filter = 1 on veth1",
		},
		&fault{
			name: "rp_filter on a symmetric path", in: "Router", at: "forwarding",
			plant:  func(l *planted) { l.node("router").SetSysctl("net.ipv4.conf.all.rp_filter", 1) },
			passes: "the way back is the way that it came",
		},
	)
}

// rule adds a policy rule.
func (p *planted) rule(node string, f family, words ...string) {
	p.run(node, append([]string{"ip", f.either("-4", "-6"), "rule", "add"}, words...)...)
}
