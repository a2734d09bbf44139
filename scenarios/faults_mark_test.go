package scenarios

// markFaults are about routes that are chosen by the mark of a packet, and not by
// what is seen of it on the wire.
func markFaults(f family) []*fault {
	two := f.addr(2, 2)
	ip := f.either("-4", "-6")
	table := f.either("ip", "ip6")
	nft := []string{"nft"}
	// marks has the router give a mark to what comes in by an interface.
	marks := func(in, rule string) func(l *planted) {
		return func(l *planted) {
			l.run("router", "nft", "add table "+table+" marks; add chain "+table+" marks in { type filter hook prerouting priority -150; }; add rule "+table+" marks in iifname "+in+" "+rule)
		}
	}
	elsewhere := func(l *planted, node string, route ...string) {
		l.run(node, append([]string{"ip", ip, "route", "add"}, append(route, "table", "100")...)...)
		l.rule(node, f, "fwmark", "2", "lookup", "100")
	}
	both := func(plants ...func(l *planted)) func(l *planted) {
		return func(l *planted) {
			for _, p := range plants {
				p(l)
			}
		}
	}
	refused := func(kind string) func(l *planted) {
		return func(l *planted) { elsewhere(l, "router", kind, "default") }
	}
	return []*fault{
		{
			name: "a mark leads to a gateway that nobody is", in: "Router", at: "forwarding", programs: nft,
			plant:  both(func(l *planted) { elsewhere(l, "router", "default", "via", f.addr(1, 9)) }, marks("veth1", "counter meta mark set 2")),
			packet: f.ask(), node: "ns0", end: "neighbour unreachable", seen: entering("ns0:veth0", f.neighborTTL()), cause: "router: the mark 0x2 led it by another route: ", about: []string{"router"},
		},
		{
			name: "a mark leads the answers to a gateway that nobody is", in: "Router", at: "forwarding", programs: nft, reply: true,
			plant:  both(func(l *planted) { elsewhere(l, "router", "default", "via", f.addr(2, 9)) }, marks("veth3", "counter meta mark set 2")),
			packet: f.ask(), node: "ns1", end: "neighbour unreachable", seen: entering("ns1:veth2", f.neighborTTL()), cause: "fwmark 0x2 lookup 100 selects it", about: []string{"router"},
		},
		{
			name: "a mark leads back to the sender", in: "Router", at: "forwarding", programs: nft,
			plant:  both(func(l *planted) { elsewhere(l, "router", "default", "via", f.addr(1, 2)) }, marks("veth1", "counter meta mark set 2")),
			packet: "echo request", node: "ns0", end: "loop", seen: entering("ns0:veth0", ttl63), cause: "router: the mark 0x2 led it by another route: ", about: []string{"router"},
		},
		{
			name: "a mark discards", in: "Router", at: "forwarding", programs: nft,
			plant:  both(refused("blackhole"), marks("veth1", "counter meta mark set 2")),
			packet: "echo request", node: "router", end: "null routed (blackhole route)", seen: entering("router:veth1", ttl64), cause: "meta mark set 0x2 set the mark, and counted ", // a report of multicast groups may pass it too
		},
		{
			name: "a mark makes the target unreachable", in: "Router", at: "forwarding", programs: nft,
			plant:  both(refused("unreachable"), marks("veth1", "counter meta mark set 2")),
			packet: "echo request", node: "router", end: "null routed (unreachable route)", seen: entering("router:veth1", ttl64), cause: "a rule decides before it",
		},
		{
			name: "a mark that is set by a mask, and looked at by one", in: "Router", at: "forwarding", programs: nft,
			plant: func(l *planted) {
				l.rule("router", f, "fwmark", "0x20/0xf0", "blackhole")
				marks("veth1", "counter meta mark set meta mark and 0xffffff0f or 0x20")(l)
			},
			packet: "echo request", node: "router", end: "null routed (blackhole route)", seen: entering("router:veth1", ttl64), cause: "fwmark 0x20/0xf0 blackhole selects it",
		},
		{
			name: "a mark by a rule that does not count", in: "Router", at: "forwarding", programs: nft,
			plant:  both(refused("prohibit"), marks("veth1", "meta mark set 2")),
			packet: "echo request", node: "router", end: "null routed (prohibit route)", seen: entering("router:veth1", ttl64), cause: "sets the mark, and does not count",
		},
		{
			name: "a mark that no rule looks at", in: "Router", at: "forwarding", programs: nft,
			plant:  both(refused("blackhole"), marks("veth1", "counter meta mark set 3")),
			passes: "the rule of policy routing is for another mark",
		},
		{
			name: "a mark of the other direction", in: "Router", at: "forwarding", programs: nft,
			plant: func(l *planted) {
				elsewhere(l, "router", "blackhole", "default")
				marks("veth1", "counter meta mark set 2")(l)
				l.rule("router", f, "to", two, "iif", "veth1", "lookup", "main")
			},
			passes: "a rule before it has the table main looked up for this very way",
		},
		{
			name: "the target's own mark leads its answers astray", in: "Router", at: "forwarding", programs: nft, reply: true,
			plant: func(l *planted) {
				elsewhere(l, "ns1", "default", "via", f.addr(2, 9))
				l.run("ns1", "nft", "add table "+table+" marks; add chain "+table+" marks out { type route hook output priority -150; }; add rule "+table+" marks out counter meta mark set 2")
			},
			packet: f.ask(), node: "router", end: "neighbour unreachable", seen: entering("router:veth3", f.neighborTTL()), cause: "ns1: the mark 0x2 led it by another route: ", about: []string{"ns1"},
		},
		{
			name: "a mark of iptables discards", in: "Router", at: "forwarding", programs: []string{"iptables-nft", "ip6tables-nft"},
			plant: func(l *planted) {
				elsewhere(l, "router", "blackhole", "default")
				l.run("router", f.either("iptables-nft", "ip6tables-nft"), "-t", "mangle", "-A", "PREROUTING", "-i", "veth1", "-j", "MARK", "--set-mark", "2")
			},
			packet: "echo request", node: "router", end: "null routed (blackhole route)", seen: entering("router:veth1", ttl64), cause: "-j MARK --set-xmark 0x2/0xffffffff set the mark, and counted ",
		},
		{
			name: "a rule of policy routing discards by the protocol", in: "Router", at: "forwarding",
			plant:  func(l *planted) { l.rule("router", f, "ipproto", f.either("icmp", "ipv6-icmp"), "blackhole") },
			packet: "echo request", node: "router", end: "null routed (blackhole route)", seen: entering("router:veth1", ttl64), cause: "ipproto " + f.either("icmp", "ipv6-icmp") + " blackhole selects it",
		},
		{
			name: "a rule of policy routing leads a port astray", in: "Masquerade", at: "pinged",
			plant: func(l *planted) {
				l.run("gateway", "ip", ip, "route", "add", "default", "via", f.addr(1, 9), "table", "100")
				l.rule("gateway", f, "ipproto", "tcp", "dport", "80", "lookup", "100")
			},
			packet: f.ask(), node: "client", end: "neighbour unreachable", seen: entering("client:eth0", f.neighborTTL()), cause: "ipproto tcp dport 80 lookup 100 selects it", about: []string{"gateway"},
		},
		{
			name: "the sender's rule of policy routing refuses a port", in: "Masquerade", at: "pinged",
			plant:  func(l *planted) { l.rule("client", f, "ipproto", "tcp", "dport", "80-90", "unreachable") },
			packet: "TCP SYN", node: "client", end: "null routed (unreachable route)", seen: "it never left client", cause: "ipproto tcp dport 80-90 unreachable selects it",
		},
		{
			name: "the server's rule of policy routing loses its answers", in: "Masquerade", at: "pinged", reply: true,
			plant:  func(l *planted) { l.rule("server", f, "ipproto", "tcp", "sport", "80", "blackhole") },
			packet: "TCP SYN-ACK", node: "server", end: "null routed (blackhole route)", seen: never("server", "TCP SYN", "server:eth0", ttl63), cause: "ipproto tcp sport 80 blackhole selects it",
		},
		{
			name: "a rule of policy routing about another port", in: "Masquerade", at: "pinged",
			plant:  func(l *planted) { l.rule("gateway", f, "ipproto", "tcp", "dport", "81", "blackhole") },
			passes: "nobody calls that port",
		},
		{
			name: "a mark is well, and the target filters", in: "Router", at: "forwarding", programs: nft,
			plant: func(l *planted) {
				elsewhere(l, "router", two+f.either("/32", "/128"), "dev", "veth3")
				marks("veth1", "counter meta mark set 2")(l)
				l.run("ns1", "nft", "add table "+table+" t; add chain "+table+" t in { type filter hook input priority 0; }; add rule "+table+" t in meta l4proto "+f.either("icmp", "ipv6-icmp")+" "+f.either("icmp", "icmpv6")+" type echo-request counter drop")
			},
			packet: "echo request", node: "ns1", end: "filtered in (input)", seen: entering("ns1:veth2", ttl63), cause: "drop counted 1",
		},
	}
}
