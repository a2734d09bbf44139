package scenarios

import (
	"fmt"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
)

// sizeNetworks carry packets that fill a link, which the six scenarios do not.
var sizeNetworks = []network{{name: "BigRouter", body: plain(bigRouter)}, {name: "BigBridge", body: plain(bigBridge)}, {name: "Fragmented", body: plain(fragmented)}}

// twoSubnets builds the network of TestRouter, with its routes.
func twoSubnets(t testing.TB, f family) (lab *harness.Lab, ns0 *harness.Node) {
	lab = harness.New(t)
	ns0, router, ns1 := lab.Node("ns0"), lab.Node("router"), lab.Node("ns1")
	lab.Connect(ns0.Port("veth0", f.with(1, 2)), router.Port("veth1", f.with(1, 1)))
	lab.Connect(ns1.Port("veth2", f.with(2, 2)), router.Port("veth3", f.with(2, 1)))
	ns0.AddRoute(f.net(2), f.addr(1, 1))
	ns1.AddRoute(f.net(1), f.addr(2, 1))
	router.EnableForwarding()
	lab.Step("built")
	return lab, ns0
}

// bigRouter is the network of TestRouter, and an echo of 1400 bytes through it.
func bigRouter(t testing.TB, f family) *harness.Lab {
	lab, ns0 := twoSubnets(t, f)
	assert.Reachable(t, ns0, f.addr(2, 2))
	assert.Reachable(t, ns0, f.addr(2, 2), assert.Size(1400), assert.DontFragment())
	return lab
}

// fragmented is the network of TestRouter, and an echo in fragments through it.
func fragmented(t testing.TB, f family) *harness.Lab {
	lab, ns0 := twoSubnets(t, f)
	assert.Reachable(t, ns0, f.addr(2, 2), assert.Size(3000))
	return lab
}

// bigBridge is two nodes on a bridge, and an echo of 1400 bytes through it.
func bigBridge(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host, ns1, ns2 := lab.Node("host"), lab.Node("ns1"), lab.Node("ns2")
	br0 := host.Bridge("br0")
	lab.Connect(ns1.Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(ns2.Port("eth0", f.with(1, 2)), br0.Port("veth2"))
	lab.Step("built")
	assert.Reachable(t, ns1, f.addr(1, 2))
	assert.Reachable(t, ns1, f.addr(1, 2), assert.Size(1400), assert.DontFragment())
	return lab
}

// sizeFaults are about packets that do not fit somewhere.
func sizeFaults(f family) []*fault {
	mtu := func(l *planted, size int, ends ...string) {
		for i := 0; i < len(ends); i += 2 {
			l.run(ends[i], "ip", "link", "set", ends[i+1], "mtu", fmt.Sprint(size))
		}
	}
	kind := uint8(f.v4v6(3, 2)) // destination unreachable, packet too big
	icmp := f.either("icmp", "icmpv6")
	tooBig := f.either("router: the packet has 1428 bytes, and router:veth3 an MTU of 1280", "router: the packet has 1448 bytes, and router:veth3 an MTU of 1280")
	bytes := f.either("1428", "1448")
	all := []*fault{
		{
			name: "a smaller MTU behind the router, which says so", in: "BigRouter", at: "built",
			plant:  func(l *planted) { mtu(l, 1280, "router", "veth3", "ns1", "veth2") },
			packet: "echo request", node: "router", end: "too big", seen: entering("router:veth1", ttl64), cause: tooBig,
		},
		{
			name: "a smaller MTU, and the sender drops the error about it", in: "BigRouter", at: "built",
			plant: func(l *planted) {
				mtu(l, 1280, "router", "veth3", "ns1", "veth2")
				l.node("ns0").Drop(harness.Filter{Hook: harness.Input, Protocol: icmp, ICMPType: &kind})
			},
			packet: "echo request", node: "router", end: "too big", seen: entering("router:veth1", ttl64), cause: "about it met the rule", about: []string{"ns0"},
		},
		{
			name: "a smaller MTU, and the router drops the error about it", in: "BigRouter", at: "built",
			plant: func(l *planted) {
				mtu(l, 1280, "router", "veth3", "ns1", "veth2")
				l.node("router").Drop(harness.Filter{Hook: harness.Output, Protocol: icmp, ICMPType: &kind})
			},
			packet: "echo request", node: "router", end: "too big", seen: entering("router:veth1", ttl64), cause: "the ICMP error about it met the rule",
		},
		{
			name: "the MTU of the cable's far end is smaller", in: "BigRouter", at: "built",
			plant:  func(l *planted) { mtu(l, 1280, "ns1", "veth2") },
			packet: "echo request", node: "router", end: "too big", seen: leaving("router:veth3", ttl63), cause: "the other end, ns1:veth2, takes 1280 bytes at most, and the packet has " + bytes,
		},
		{
			name: "the MTU of the cable's near end is smaller", in: "BigRouter", at: "built",
			plant:  func(l *planted) { mtu(l, 1280, "ns0", "veth0") },
			packet: "echo request", node: "ns0", end: "too big", seen: "it never left ns0", cause: "whose MTU is 1280",
		},
		{
			name: "the MTU of a bridge port is smaller", in: "BigBridge", at: "built",
			plant:  func(l *planted) { mtu(l, 1280, "host", "veth2", "ns2", "eth0") },
			packet: "echo request", node: "host", end: "too big", seen: entering("host:veth1", ttl64), cause: "host:veth2 has an MTU of 1280, the packet has " + bytes,
		},
	}
	route := &fault{
		name: "the router's route back has a smaller MTU", in: "BigRouter", at: "built", reply: true,
		plant: func(l *planted) {
			l.run("router", "ip", f.either("-4", "-6"), "route", "add", f.addr(1, 2), "dev", "veth1", "mtu", "1280")
		},
	}
	if f.v6 {
		route.packet, route.node, route.end, route.seen = "echo reply", "router", "too big", entering("router:veth3", ttl64)
		route.cause = "that of the route 1280"
	} else {
		route.passes = "the kernel's answers may be cut, and the router cuts them"
	}
	all = append(all, route)
	small := &fault{
		name: "an MTU that is too small for IPv6", in: "Router", at: "forwarding",
		plant: func(l *planted) { mtu(l, 1000, "router", "veth3", "ns1", "veth2") },
	}
	if f.v6 {
		small.packet, small.node, small.end, small.seen = "echo request", "router", "no route", entering("router:veth1", ttl64)
		small.cause = "router:veth3 has an MTU of 1000, and IPv6 needs 1280"
	} else {
		small.passes = "IPv4 needs 68"
	}
	return append(all, small)
}

// v4v6 is what the families have different numbers for.
func (f family) v4v6(v4, v6 int) int {
	if f.v6 {
		return v6
	}
	return v4
}
