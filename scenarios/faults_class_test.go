package scenarios

// classFaults are about traffic control's filters at an interface.
func classFaults(f family) []*fault {
	known := func(l *planted) {
		l.node("ns0").AddNeighbor("veth0", f.addr(1, 2), l.node("ns1").MAC("veth1"))
		l.node("ns1").AddNeighbor("veth1", f.addr(1, 1), l.node("ns0").MAC("veth0"))
	}
	// A program of classic BPF that says TC_ACT_SHOT.
	shot := func(node, device, way string) func(l *planted) {
		return func(l *planted) {
			known(l)
			l.run(node, "tc", "qdisc", "add", "dev", device, "clsact")
			out, err := l.node(node).Command("tc", "filter", "add", "dev", device, way, "bpf", "da", "bytecode", "1,6 0 0 2").CombinedOutput()
			if err != nil {
				l.Skipf("this kernel's traffic control has no programs: %s", out)
			}
		}
	}
	tc := []string{"tc"}
	return []*fault{
		{
			name: "a filter of traffic control drops what leaves", in: "VethPair", at: "built", programs: tc,
			plant:  shot("ns0", "veth0", "egress"),
			packet: "echo request", node: "ns0", end: "filtered out (traffic control)", seen: "it never left ns0", cause: "ns0:veth0: clsact (tc) dropped",
		},
		{
			name: "a filter of traffic control drops what arrives", in: "VethPair", at: "built", programs: tc,
			plant:  shot("ns1", "veth1", "ingress"),
			packet: "echo request", node: "ns1", end: "filtered in (traffic control)", seen: entering("ns1:veth1", ttl64), cause: "ns1:veth1: clsact (tc) dropped",
		},
		{
			name: "a filter of traffic control drops the answer as it leaves", in: "VethPair", at: "built", programs: tc, reply: true,
			plant:  shot("ns1", "veth1", "egress"),
			packet: "echo reply", node: "ns1", end: "filtered out (traffic control)", seen: never("ns1", "echo request", "ns1:veth1", ttl64), cause: "ns1:veth1: clsact (tc) dropped",
		},
		{
			name: "a filter of traffic control drops the answer as it arrives", in: "VethPair", at: "built", programs: tc, reply: true,
			plant:  shot("ns0", "veth0", "ingress"),
			packet: "echo reply", node: "ns0", end: "filtered in (traffic control)", seen: entering("ns0:veth0", ttl64), cause: "ns0:veth0: clsact (tc) dropped",
		},
		{
			name: "a bucket that holds no whole packet", in: "VethPair", at: "built", programs: tc, reply: true,
			plant: func(l *planted) {
				known(l)
				l.run("ns1", "tc", "qdisc", "add", "dev", "veth1", "root", "tbf", "rate", "1kbit", "burst", "60", "limit", "1000")
			},
			packet: "echo reply", node: "ns1", end: "filtered out (traffic control)", seen: never("ns1", "echo request", "ns1:veth1", ttl64), cause: "ns1:veth1: tbf (tc) dropped",
		},
		{
			name: "an XDP program drops the answers", in: "VethPair", at: "built", reply: true,
			plant:  func(l *planted) { known(l); l.xdpDrop("ns0", "veth0") },
			packet: "echo reply", node: "ns0", end: "filtered in (XDP)", seen: leaving("ns1:veth1", ttl64), cause: "ns0:veth0 has an XDP program", about: []string{"ns1"},
		},
	}
}
