package scenarios

import "github.com/netrig/netrig/harness"

// errorFaults are about packets that end, and of which the sender is not told
// either: the ICMP error about them has no way back.
func errorFaults(f family) []*fault {
	two := f.addr(2, 2)
	host := f.either("/32", "/128")
	lost := "router: the ICMP error about it never left router, which has no route back to ns0 (" + f.addr(1, 2)
	noWayBack := func(l *planted) { l.node("router").DelRoute(f.net(1), "", harness.Device("veth1")) }
	return []*fault{
		{
			name: "a router without a way back ends what is too old", in: "Router", at: "reached",
			plant:  noWayBack,
			packet: "echo request", node: "router", end: "TTL exceeded", seen: entering("router:veth1", " (ttl 1)"), cause: lost,
		},
		{
			name: "a router without a way back has an unreachable route", in: "Router", at: "forwarding",
			plant: func(l *planted) {
				noWayBack(l)
				l.node("router").AddRoute(two+host, "", harness.RouteType("unreachable"))
			},
			packet: "echo request", node: "router", end: "null routed (unreachable route)", seen: entering("router:veth1", ttl64), cause: lost,
		},
		{
			name: "a router without a way back has no way on", in: "Router", at: "forwarding",
			plant: func(l *planted) {
				noWayBack(l)
				l.node("router").DelRoute(f.net(2), "", harness.Device("veth3"))
			},
			packet: "echo request", node: "router", end: "no route", seen: entering("router:veth1", ttl64), cause: lost,
		},
		{
			name: "a router without a way back finds no neighbour", in: "Router", at: "forwarding",
			plant: func(l *planted) {
				noWayBack(l)
				l.node("ns1").DelAddress("veth2", f.with(2, 2))
			},
			packet: f.ask(), node: "ns1", end: "neighbour unreachable", seen: entering("ns1:veth2", f.neighborTTL()), cause: lost, about: []string{"router"},
		},
	}
}
