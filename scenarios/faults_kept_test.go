package scenarios

import "github.com/netrig/netrig/harness"

// keptFaults are about what a node keeps from others by settings of its own:
// questions that it does not ask, frames that it takes, fragments that it has no
// room for.
func keptFaults(f family) []*fault {
	two := f.addr(2, 2)
	neigh := f.either("net.ipv4.neigh.", "net.ipv6.neigh.")
	cold := func(l *planted, nodes ...string) {
		for _, n := range nodes {
			l.node(n).FlushNeighbors()
		}
	}
	steals := func(device string, how ...string) func(l *planted) {
		return func(l *planted) {
			words := append([]string{"bridge", "fdb", "replace", l.node("ns2").MAC("eth0").String(), "dev", device}, how...)
			l.run("host", append(words, "permanent")...)
		}
	}
	high := f.either("net.ipv4.ipfrag_high_thresh", "net.ipv6.ip6frag_high_thresh")
	low := f.either("net.ipv4.ipfrag_low_thresh", "net.ipv6.ip6frag_low_thresh")
	noRoom := func(node string) func(l *planted) {
		return func(l *planted) {
			l.node(node).SetSysctl(low, 0)
			l.node(node).SetSysctl(high, 0)
		}
	}
	bridge := []string{"bridge"}
	return []*fault{
		{
			name: "the router asks nobody for neighbours", in: "Router", at: "forwarding",
			plant:  func(l *planted) { cold(l, "router"); l.node("router").SetSysctl(neigh+"veth3.mcast_solicit", 0) },
			packet: "echo request", node: "router", end: "neighbour unreachable", seen: entering("router:veth1", ttl64), cause: "router: " + neigh + "veth3.mcast_solicit = 0: it asks nobody for ns1 (" + two,
		},
		{
			name: "the sender asks nobody for neighbours", in: "Router", at: "forwarding",
			plant:  func(l *planted) { cold(l, "ns0"); l.node("ns0").SetSysctl(neigh+"veth0.mcast_solicit", 0) },
			packet: "echo request", node: "ns0", end: "neighbour unreachable", seen: "it never left ns0", cause: "ns0: " + neigh + "veth0.mcast_solicit = 0: it asks nobody for router (" + f.addr(1, 1),
		},
		{
			name: "the router asks nobody for neighbours on its near side", in: "Router", at: "forwarding", reply: true,
			plant: func(l *planted) {
				l.node("ns0").AddNeighbor("veth0", f.addr(1, 1), l.node("router").MAC("veth1"))
				cold(l, "router")
				l.node("router").SetSysctl(neigh+"veth1.mcast_solicit", 0)
			},
			packet: "echo reply", node: "router", end: "neighbour unreachable", seen: entering("router:veth3", ttl64), cause: "router: " + neigh + "veth1.mcast_solicit = 0: it asks nobody for ns0 (" + f.addr(1, 2),
		},
		{
			name: "the bridge keeps another's frames by an entry of its own", in: "Bridge", at: "learned", programs: bridge,
			plant:  steals("br0", "self"),
			packet: "echo request", node: "host", end: "blocked in bridge", seen: entering("host:veth1", ttl64), cause: "host: br0 takes frames for ns2:eth0 (",
		},
		{
			name: "the bridge keeps another's frames by an entry of the right port", in: "Bridge", at: "learned", programs: bridge,
			plant:  steals("veth2", "master"),
			packet: "echo request", node: "host", end: "blocked in bridge", seen: entering("host:veth1", ttl64), cause: "host: it is behind veth2",
		},
		{
			name: "the target has no memory for fragments", in: "Fragmented", at: "built",
			plant:  noRoom("ns1"),
			packet: "echo request", node: "ns1", end: "dropped by the stack (fragments not put together)", seen: entering("ns1:veth2", ttl63), cause: "ns1: " + high + " = 0: there is no memory for fragments",
		},
		{
			name: "the sender has no memory for the answer's fragments", in: "Fragmented", at: "built", reply: true,
			plant:  noRoom("ns0"),
			packet: "echo reply", node: "ns0", end: "dropped by the stack (fragments not put together)", seen: entering("ns0:veth0", ttl63), cause: "ns0: " + high + " = 0: there is no memory for fragments",
		},
		{
			name: "a router that tracks connections has no memory for fragments", in: "Fragmented", at: "built", sysctls: []string{"net.netfilter.nf_conntrack_frag6_high_thresh"},
			plant: func(l *planted) {
				l.node("router").Drop(harness.Filter{States: []string{"invalid"}})
				noRoom("router")(l)
				if f.v6 {
					l.node("router").SetSysctl("net.netfilter.nf_conntrack_frag6_low_thresh", 0)
					l.node("router").SetSysctl("net.netfilter.nf_conntrack_frag6_high_thresh", 0)
				}
			},
			packet: "echo request", node: "router", end: "dropped by the stack (fragments not put together)", seen: entering("router:veth1", ttl64), cause: f.either(high, "nf_conntrack_frag6_high_thresh") + " = 0: there is no memory for fragments",
		},
		{
			name: "a router has no memory for fragments", in: "Fragmented", at: "built",
			plant:  noRoom("router"),
			passes: "a router passes fragments on as they are",
		},
	}
}
