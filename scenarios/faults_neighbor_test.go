package scenarios

import (
	"net"

	"github.com/netrig/netrig/harness"
)

// stranger is a hardware address that nobody has.
var stranger = net.HardwareAddr{0x02, 0xff, 0xff, 0xff, 0xff, 0xff}

// neighborFaults are about who is believed to be where.
func neighborFaults(f family) []*fault {
	all := []*fault{
		{
			name: "a permanent neighbour that is wrong", in: "VethPair", at: "built",
			plant:  func(l *planted) { l.node("ns0").AddNeighbor("veth0", f.addr(1, 2), stranger) },
			packet: "echo request", node: "ns1", end: "wrong host", seen: entering("ns1:veth1", ttl64), cause: "ns0 believes " + f.addr(1, 2) + " at " + stranger.String() + " (PERMANENT)", about: []string{"ns0"},
		},
		{
			name: "the target's neighbour is wrong", in: "VethPair", at: "built", reply: true,
			plant:  func(l *planted) { l.node("ns1").AddNeighbor("veth1", f.addr(1, 1), stranger) },
			packet: f.either("echo reply", f.tell()), node: "ns0", end: "wrong host", seen: entering("ns0:veth0", f.either(ttl64, f.neighborTTL())), cause: "ns1 believes " + f.addr(1, 1) + " at " + stranger.String() + " (PERMANENT)", about: []string{"ns1"},
		},
		{
			name: "the router's neighbour is wrong", in: "Router", at: "forwarding",
			plant:  func(l *planted) { l.node("router").AddNeighbor("veth3", f.addr(2, 2), stranger) },
			packet: "echo request", node: "ns1", end: "wrong host", seen: entering("ns1:veth2", ttl63), cause: "router believes " + f.addr(2, 2), about: []string{"router"},
		},
		{
			name: "the way back has a wrong neighbour", in: "Router", at: "forwarding", reply: true,
			plant:  func(l *planted) { l.node("ns1").AddNeighbor("veth2", f.addr(2, 1), stranger) },
			packet: "echo reply", node: "router", end: "wrong host", seen: entering("router:veth3", ttl64), cause: "ns1 believes " + f.addr(2, 1), about: []string{"ns1"},
		},
		{
			name: "the peer was replaced", in: "VethPair", at: "answered",
			plant:  func(l *planted) { l.run("ns0", "ip", "link", "set", "veth0", "address", "02:00:00:00:00:77") },
			packet: "echo request", node: "ns0", end: "wrong host", seen: entering("ns0:veth0", ttl64), cause: "ns1 believes " + f.addr(1, 1), about: []string{"ns1"},
		},
		{
			name: "the router has the target's address", in: "Router", at: "forwarding",
			plant: func(l *planted) {
				l.node("router").AddAddress("lo", f.addr(2, 2)+f.either("/32", "/128"))
			},
			packet: "echo reply", node: "ns0", end: "wrong host", seen: entering("ns0:veth0", ttl64), cause: "router:lo has " + f.addr(2, 2) + ", and so has ns1:veth2", about: []string{"router"},
		},
		{
			name: "nobody has the gateway's address", in: "Router", at: "forwarding",
			plant: func(l *planted) {
				l.node("ns0").ReplaceRoute(f.net(2), f.addr(1, 9))
			},
			packet: f.ask(), node: "router", end: "neighbour unreachable", seen: entering("router:veth1", f.neighborTTL()), cause: "nobody on the link of ns0:veth0 has " + f.addr(1, 9), about: []string{"ns0"},
		},
		{
			name: "nobody has the gateway's address on the way back", in: "Router", at: "forwarding", reply: true,
			plant:  func(l *planted) { l.node("ns1").ReplaceRoute(f.net(1), f.addr(2, 9)) },
			packet: f.ask(), node: "router", end: "neighbour unreachable", seen: entering("router:veth3", f.neighborTTL()), cause: "nobody on the link of ns1:veth2 has " + f.addr(2, 9), about: []string{"ns1"},
		},
		{
			name: "the target has another address", in: "Router", at: "forwarding",
			plant: func(l *planted) {
				l.node("ns1").AddAddress("veth2", f.with(2, 3))
				l.node("ns1").DelAddress("veth2", f.with(2, 2))
				if f.v6 {
					return
				}
				// Without its first address the subnet's route goes, and with it the other.
				_ = l.node("ns1").TryAddRoute(f.net(1), f.addr(2, 1))
			},
			packet: f.ask(), node: "ns1", end: "neighbour unreachable", seen: entering("ns1:veth2", f.neighborTTL()), cause: "nobody on the link of router:veth3 has " + f.addr(2, 2), about: []string{"router"},
		},
	}
	if !f.v6 {
		return append(all, arpFaults(f)...)
	}
	return append(all, discoveryFaults(f)...)
}

// arpFaults are those that only ARP has.
func arpFaults(f family) []*fault {
	return []*fault{
		{
			name: "the question is filtered", in: "VethPair", at: "built", programs: []string{"nft"},
			plant:  func(l *planted) { l.arpDrop("ns1", "input", "request") },
			packet: "ARP request", node: "ns1", end: "filtered in (input)", seen: entering("ns1:veth1", ""), cause: "counted", about: []string{"ns0"},
		},
		{
			name: "the answer is filtered as it leaves", in: "VethPair", at: "built", reply: true, programs: []string{"nft"},
			plant:  func(l *planted) { l.arpDrop("ns1", "output", "reply") },
			packet: "ARP request", node: "ns1", end: "filtered out (output)", seen: entering("ns1:veth1", ""), cause: "counted", about: []string{"ns0"},
		},
		{
			name: "the answer is filtered as it arrives", in: "VethPair", at: "built", reply: true, programs: []string{"nft"},
			plant:  func(l *planted) { l.arpDrop("ns0", "input", "reply") },
			packet: "ARP reply", node: "ns0", end: "filtered in (input)", seen: entering("ns0:veth0", ""), cause: "counted",
		},
		{
			name: "arp_ignore", in: "VethPair", at: "built",
			plant:  func(l *planted) { l.node("ns1").SetSysctl("net.ipv4.conf.all.arp_ignore", 8) },
			packet: "ARP request", node: "ns1", end: "dropped by the stack (arp_ignore)", seen: entering("ns1:veth1", ""), cause: "arp_ignore = 8", about: []string{"ns0"},
		},
	}
}

// arpDrop drops ARP packets in a node, and counts them.
func (p *planted) arpDrop(node, hook, operation string) {
	p.run(node, "nft", "add table arp faults; add chain arp faults "+hook+" { type filter hook "+hook+" priority 0; }; add rule arp faults "+hook+" arp operation "+operation+" counter drop")
}

// discoveryFaults are those that only neighbour discovery has.
func discoveryFaults(f family) []*fault {
	icmp := func(hook harness.Hook, kind uint8) harness.Filter {
		return harness.Filter{Hook: hook, Protocol: "icmpv6", ICMPType: harness.ICMPType(kind)}
	}
	return []*fault{
		{
			name: "the question is filtered", in: "VethPair", at: "built",
			plant:  func(l *planted) { l.node("ns1").Drop(icmp(harness.Input, 135)) },
			packet: f.ask(), node: "ns1", end: "filtered in (input)", seen: entering("ns1:veth1", f.neighborTTL()), cause: "counted", about: []string{"ns0"},
		},
		{
			name: "the answer is filtered as it leaves", in: "VethPair", at: "built", reply: true,
			plant:  func(l *planted) { l.node("ns1").Drop(icmp(harness.Output, 136)) },
			packet: f.ask(), node: "ns1", end: "filtered out (output)", seen: entering("ns1:veth1", f.neighborTTL()), cause: "counted", about: []string{"ns0"},
		},
		{
			name: "the answer is filtered as it arrives", in: "VethPair", at: "built", reply: true,
			plant:  func(l *planted) { l.node("ns0").Drop(icmp(harness.Input, 136)) },
			packet: f.tell(), node: "ns0", end: "filtered in (input)", seen: entering("ns0:veth0", f.neighborTTL()), cause: "counted",
		},
		{
			name: "the question is filtered as it leaves", in: "VethPair", at: "built",
			plant:  func(l *planted) { l.node("ns0").Drop(icmp(harness.Output, 135)) },
			packet: f.ask(), node: "ns0", end: "filtered out (output)", seen: "it never left ns0", cause: "counted",
		},
	}
}
