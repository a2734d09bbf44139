package scenarios

// wayFaults are about ways that are longer than they seem: other gateways,
// other tables, other sources.
func wayFaults(f family) []*fault {
	one, two := f.addr(1, 2), f.addr(2, 2)
	host := f.either("/32", "/128")
	ip := f.either("-4", "-6")
	all := []*fault{
		{
			name: "a wide mask on a single subnet", in: "Bridge", at: "built",
			plant: func(l *planted) {
				l.node("ns1").DelAddress("eth0", f.with(1, 1))
				l.node("ns1").AddAddress("eth0", f.addr(1, 1)+f.either("/16", "/48"))
			},
			passes: "the subnet's own addresses are in the wider one, too",
		},
		{
			name: "the default route leads to a neighbour that is no router", in: "HostGateway", at: "each reached",
			plant:  func(l *planted) { l.node("ns1").ReplaceRoute("default", f.addr(1, 2)) },
			packet: "echo request", node: "ns2", end: "not forwarded", seen: entering("ns2:eth0", ttl64), cause: f.addr(9, 1) + " is no address of its own",
		},
		{
			name: "a policy rule leads astray", in: "Router", at: "forwarding",
			plant: func(l *planted) {
				l.run("router", "ip", ip, "route", "add", "default", "via", f.addr(1, 9), "table", "100")
				l.rule("router", f, "to", two, "lookup", "100")
			},
			packet: f.ask(), node: "ns0", end: "neighbour unreachable", seen: entering("ns0:veth0", f.neighborTTL()), cause: "nobody on the link of router:veth1 has " + f.addr(1, 9), about: []string{"router"},
		},
		{
			name: "a policy rule leads the answers astray", in: "Router", at: "forwarding", reply: true,
			plant: func(l *planted) {
				l.run("router", "ip", ip, "route", "add", "default", "via", f.addr(2, 9), "table", "100")
				l.rule("router", f, "from", two, "lookup", "100")
			},
			packet: f.ask(), node: "ns1", end: "neighbour unreachable", seen: entering("ns1:veth2", f.neighborTTL()), cause: "nobody on the link of router:veth3 has " + f.addr(2, 9), about: []string{"router"},
		},
		{
			name: "the target's policy rule prohibits answers", in: "Router", at: "forwarding", reply: true,
			plant:  func(l *planted) { l.rule("ns1", f, "to", one, "prohibit") },
			packet: "echo reply", node: "ns1", end: "null routed (prohibit route)", seen: never("ns1", "echo request", "ns1:veth2", ttl63), cause: "a rule decides before it",
		},
		{
			name: "the sender's route prefers an address that nobody knows", in: "Router", at: "forwarding", reply: true,
			plant: func(l *planted) {
				l.node("ns0").AddAddress("veth0", f.addr(7, 7)+host)
				l.run("ns0", "ip", ip, "route", "replace", f.net(2), "via", f.addr(1, 1), "src", f.addr(7, 7))
			},
			packet: "echo reply", node: "ns1", end: "no route", seen: never("ns1", "echo request", "ns1:veth2", ttl63), cause: "ns1 has no route to ns0 (" + f.addr(7, 7),
		},
		{
			name: "the target's address is not among its own routes", in: "Router", at: "forwarding",
			plant: func(l *planted) {
				l.run("ns1", "ip", ip, "route", "del", "local", two, "dev", "veth2", "table", "local")
			},
			packet: f.either(f.ask(), "echo request"), node: "ns1", end: "dropped by the stack (no local route)", seen: entering("ns1:veth2", f.either("", ttl63)), cause: "its routes do not say that it is its own", about: []string{"router"},
		},
		{
			name: "the router's route back leads to nobody", in: "Router", at: "forwarding", reply: true,
			plant:  func(l *planted) { l.node("router").AddRoute(one+host, f.addr(1, 9)) },
			packet: f.ask(), node: "ns0", end: "neighbour unreachable", seen: entering("ns0:veth0", f.neighborTTL()), cause: "nobody on the link of router:veth1 has " + f.addr(1, 9), about: []string{"router"},
		},
		{
			name: "the gateway has lost its private address", in: "Masquerade", at: "masquerade", reply: true,
			plant:  func(l *planted) { l.run("gateway", "ip", "address", "del", f.with(1, 1), "dev", "eth1") },
			packet: "echo reply", node: "gateway", end: "no route", seen: entering("gateway:eth0", ttl64), cause: "gateway has no route to client (" + f.addr(1, 2),
		},
	}
	if f.v6 {
		return append(all, &fault{
			name: "IPv6 is off on the target's interface", in: "Router", at: "forwarding",
			plant:  func(l *planted) { l.node("ns1").SetSysctl("net.ipv6.conf.veth2.disable_ipv6", 1) },
			packet: f.ask(), node: "ns1", end: "neighbour unreachable", seen: entering("ns1:veth2", f.neighborTTL()), cause: "net.ipv6.conf.veth2.disable_ipv6 = 1", about: []string{"router"},
		})
	}
	return append(all, &fault{
		name: "rp_filter at a sender that asks by another way", in: "HostGateway", at: "each reached",
		plant: func(l *planted) {
			l.run("host", "ip", "route", "add", f.addr(1, 1), "via", f.addr(9, 2))
			l.node("host").SetSysctl("net.ipv4.conf.br0.rp_filter", 1)
		},
		packet: "echo request", node: "host", end: "dropped by the stack (reverse path filter)", seen: entering("host:br0", ttl64), cause: "rp_filter = 1 on br0",
	})
}
