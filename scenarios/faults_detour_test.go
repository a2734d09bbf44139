package scenarios

import (
	"fmt"

	"github.com/netrig/netrig/harness"
)

// detourFaults are about what changes a packet's addresses past connection tracking,
// and what sends it elsewhere past the routes and the bridges.
func detourFaults(f family) []*fault {
	two := f.addr(2, 2)
	table, field := f.either("ip", "ip6"), f.either("ip", "ip6")
	nft, tc := []string{"nft"}, []string{"tc"}
	echoes := func(kind string) string { return f.either("icmp", "icmpv6") + " type " + kind + " counter " }
	at := func(node, family, hook, rule string) func(l *planted) {
		return func(l *planted) {
			l.run(node, "nft", fmt.Sprintf("add table %s detour; add chain %s detour c { type filter hook %s; }; add rule %s detour c %s", family, family, hook, family, rule))
		}
	}
	const nobody = "02:00:00:00:00:77"
	// What u32 compares: all bytes of the network header's protocol field.
	mirred := func(node, device, way, to string) func(l *planted) {
		return func(l *planted) {
			l.run(node, "tc", "qdisc", "add", "dev", device, "clsact")
			l.run(node, "tc", "filter", "add", "dev", device, way, "protocol", f.either("ip", "ipv6"), "u32",
				"match", f.either("ip", "ip6"), "protocol", f.either("1", "58"), "0xff", "action", "mirred", "egress", "redirect", "dev", to)
		}
	}
	known := func(l *planted) {
		l.node("router").AddNeighbor("veth3", two, l.node("ns1").MAC("veth2"))
		l.node("router").AddNeighbor("veth1", f.addr(1, 2), l.node("ns0").MAC("veth0"))
	}
	all := []*fault{
		{
			name: "the destination is changed to one that nobody has", in: "Router", at: "forwarding", programs: nft,
			plant:  at("router", table, "prerouting priority -150", echoes("echo-request")+field+" daddr set "+f.addr(2, 77)),
			packet: f.ask(), node: "ns1", end: "neighbour unreachable", seen: entering("ns1:veth2", f.neighborTTL()), cause: "router: made " + f.addr(2, 77) + " out of " + two + ": the rule ", about: []string{"router"},
		},
		{
			name: "the destination is changed behind the routes", in: "Router", at: "forwarding", programs: nft,
			plant:  at("router", table, "postrouting priority 0", echoes("echo-request")+field+" daddr set "+f.addr(2, 77)),
			packet: f.ask(), node: "ns1", end: "neighbour unreachable", seen: entering("ns1:veth2", f.neighborTTL()), cause: "daddr set " + f.addr(2, 77) + " counted 1", about: []string{"router"},
		},
		{
			name: "the destination is changed by a rule that does not count", in: "Router", at: "forwarding", programs: nft,
			plant:  at("router", table, "prerouting priority -150", f.either("icmp", "icmpv6")+" type echo-request "+field+" daddr set "+f.addr(2, 77)),
			packet: f.ask(), node: "ns1", end: "neighbour unreachable", seen: entering("ns1:veth2", f.neighborTTL()), cause: "daddr set " + f.addr(2, 77) + ", which does not count", about: []string{"router"},
		},
		{
			name: "the destination is changed to the router", in: "Router", at: "forwarding", programs: nft, reply: true,
			plant:  at("router", table, "prerouting priority -150", "iifname veth1 "+echoes("echo-request")+field+" daddr set "+f.addr(1, 1)),
			packet: "echo reply", node: "ns0", end: "wrong host", seen: entering("ns0:veth0", ttl64), cause: "router: made " + f.addr(1, 1) + " out of " + two, about: []string{"router"},
		},
		{
			name: "the source is changed to one that nobody has a route to", in: "Router", at: "forwarding", programs: nft, reply: true,
			plant:  at("router", table, "postrouting priority 0", "oifname veth3 "+echoes("echo-request")+field+" saddr set "+f.addr(7, 7)),
			packet: "echo reply", node: "ns1", end: "no route", seen: never("ns1", "echo request", "ns1:veth2", ttl63), cause: "router: made " + f.addr(7, 7) + " > " + two + " out of ", about: []string{"router"},
		},
		{
			name: "the sender changes where it sends to", in: "Router", at: "forwarding", programs: nft,
			plant:  at("ns0", table, "postrouting priority 0", echoes("echo-request")+field+" daddr set "+f.addr(7, 7)),
			packet: "echo request", node: "router", end: "no route", seen: entering("router:veth1", ttl64), cause: "ns0: made " + f.addr(1, 2) + " > " + f.addr(7, 7) + " out of ", about: []string{"ns0"},
		},
		{
			name: "the frame is addressed to nobody as it leaves", in: "Router", at: "forwarding", programs: nft,
			plant:  afterThat(known, at("router", "netdev", "egress device veth3 priority 0", echoes("echo-request")+"ether daddr set "+nobody)),
			packet: "echo request", node: "ns1", end: "wrong host", seen: entering("ns1:veth2", ttl63), cause: "router: addressed the frame to " + nobody + ": the rule netdev detour c: ", about: []string{"router"},
		},
		{
			name: "a bridge changes whom the frame is for", in: "Bridge", at: "learned", programs: nft,
			plant:  at("host", "bridge", "prerouting priority -300", "iifname veth1 "+f.either("ether type ip", "ether type ip6")+" "+echoes("echo-request")+"ether daddr set "+nobody),
			packet: "echo request", node: "ns2", end: "wrong host", seen: entering("ns2:eth0", ttl64), cause: "host: sent the frame on to ", about: []string{"host"},
		},
		{
			name: "a bridge's rule of ebtables sends frames to another node", in: "Bridge", at: "learned", programs: []string{"ebtables-nft"},
			plant: func(l *planted) {
				out, err := l.node("host").Command("ebtables-nft", "-t", "nat", "-A", "PREROUTING", "-p", f.either("IPv4", "IPv6"), f.either("--ip-proto", "--ip6-proto"), f.either("1", "58"),
					"-d", l.node("ns2").MAC("eth0").String(), "-j", "dnat", "--to-destination", l.node("ns3").MAC("eth0").String()).CombinedOutput()
				if err != nil {
					l.Skipf("this kernel's bridges have no such rules: %s", out)
				}
			},
			packet: "echo request", node: "ns3", end: "not forwarded", seen: entering("ns3:eth0", ttl64), cause: "host: sent the frame on to ns3:eth0 (", about: []string{"host"},
		},
		{
			name: "a rule forwards the frame past the routes", in: "Router", at: "forwarding", programs: nft,
			plant:  at("router", "netdev", "ingress device veth1 priority 0", echoes("echo-request")+"fwd to veth3"),
			packet: "echo request", node: "ns1", end: "wrong host", seen: entering("ns1:veth2", ttl64), cause: "fwd to \"veth3\" counted 1", about: []string{"router"},
		},
		{
			name: "a rule forwards the answer past the routes", in: "Router", at: "forwarding", programs: nft, reply: true,
			plant:  at("router", "netdev", "ingress device veth3 priority 0", echoes("echo-reply")+"fwd to veth1"),
			packet: "echo reply", node: "ns0", end: "wrong host", seen: entering("ns0:veth0", ttl64), cause: "router: the frame that came in by veth3 left by veth1 as it was", about: []string{"router"},
		},
		{
			name: "a copy goes elsewhere, and a filter drops the packet", in: "Router", at: "forwarding", programs: nft,
			plant: func(l *planted) {
				at("router", "netdev", "ingress device veth1 priority 0", echoes("echo-request")+"dup to veth3")(l)
				l.node("router").Drop(harness.Filter{Protocol: f.either("icmp", "icmpv6"), ICMPType: harness.ICMPType(f.echo())})
			},
			packet: "echo request", node: "router", end: "filtered out (forward)", seen: entering("router:veth1", ttl64), cause: "DROP counted 1",
		},
		{
			name: "traffic control sends what arrives elsewhere", in: "Router", at: "forwarding", programs: tc,
			plant:  afterThat(known, mirred("router", "veth1", "ingress", "veth3")),
			packet: "echo request", node: "ns1", end: "wrong host", seen: entering("ns1:veth2", ttl64), cause: "the filter of traffic control at router:veth1 says so: ingress u32 action mirred egress redirect dev veth3", about: []string{"router"},
		},
		{
			name: "traffic control has what arrives come in elsewhere", in: "Router", at: "forwarding", programs: tc,
			plant: func(l *planted) {
				known(l)
				l.run("router", "tc", "qdisc", "add", "dev", "veth1", "clsact")
				l.run("router", "tc", "filter", "add", "dev", "veth1", "ingress", "protocol", f.either("ip", "ipv6"), "u32",
					"match", f.either("ip", "ip6"), "protocol", f.either("1", "58"), "0xff", "action", "mirred", "ingress", "redirect", "dev", "veth3")
			},
			// The kernel carries on as if it had come in there: only its way is another.
			packet: "echo reply", node: "ns0", end: "accepted", seen: entering("ns0:veth0", ttl63), cause: "router: the filter of traffic control at router:veth1 has the frame come in by veth3", about: []string{"router"},
		},
		{
			name: "the port is changed", in: "Masquerade", at: "pinged", programs: nft,
			plant: at("gateway", table, "forward priority 0", "tcp dport 80 counter tcp dport set 81"),
			// Connection tracking has never heard of port 81, from which the reset comes.
			packet: "TCP reset", node: "gateway", end: "wrong host", seen: entering("gateway:eth0", ttl64), cause: "tcp dport set 81 counted 1, and changes what it meets",
		},
		{
			name: "traffic control sends what leaves elsewhere", in: "Router", at: "forwarding", programs: tc,
			plant:  afterThat(known, mirred("router", "veth3", "egress", "veth1")),
			packet: "echo request", node: "ns0", end: "wrong host", seen: entering("ns0:veth0", ttl63), cause: "router: it was on its way out of veth3 to " + two + ", and left by veth1", about: []string{"router"},
		},
	}
	return all
}

func afterThat(a, b func(l *planted)) func(l *planted) {
	return func(l *planted) { a(l); b(l) }
}
