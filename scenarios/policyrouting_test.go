package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestPolicyRouting: which routing table a packet is looked up in depends on its
// source, on the interface that it came in by, and on its mark; rules are asked
// in order, and a table without a route hands on to the next rule.
//
//	                   left0 --- eth0 left eth1 --- left0
//	ns0 eth0 --- eth0 edge                            server lo
//	                  right0 --- eth0 right eth1 --- right0
func TestPolicyRouting(t *testing.T) { bothFamilies(t, policyRouting) }

func policyRouting(t testing.TB, f family) *harness.Lab {
	const right, empty = 100, 200
	w := newTwoWays(t, f)
	lab, ns0, edge, server := w.lab, w.ns0, w.edge, w.server
	ns0.AddAddress("eth0", f.with(1, 3))
	server.AddAddress("lo", f.alone(8, 1))
	edge.AddRoute(f.net(9), f.addr(2, 2))
	edge.AddDefaultRoute(f.addr(2, 2))
	edge.AddRoute(f.anywhere(), f.addr(3, 2), harness.Table(right))
	require.Equal(lab, f.either("0: from all lookup 255, 32766: from all lookup 254, 32767: from all lookup 253",
		"0: from all lookup 255, 32766: from all lookup 254"), rulesOf(edge, f))
	// Of two addresses IPv6 would take the later by itself.
	first, second := assert.Source(f.addr(1, 2)), assert.Source(f.addr(1, 3))
	w.goesBy(t, "left", f.addr(9, 1), first)
	w.goesBy(t, "left", f.addr(9, 1), second)

	lab.Step("by source")
	bySource := harness.RoutingRule{Priority: 100, From: f.addr(1, 3), Table: right}
	edge.AddRoutingRule(bySource)
	w.goesBy(t, "right", f.addr(9, 1), second)
	w.goesBy(t, "left", f.addr(9, 1), first)
	assert.Neighbor(t, edge, f.addr(3, 2), w.right.MAC("eth0"))

	lab.Step("an earlier rule")
	// The first rule whose table has a route decides; an empty table has none.
	earlier := harness.RoutingRule{Priority: 90, From: f.net(1), Table: empty}
	edge.AddRoutingRule(earlier)
	w.goesBy(t, "right", f.addr(9, 1), second)
	edge.AddRoute(f.net(9), f.addr(2, 2), harness.Table(empty))
	w.goesBy(t, "left", f.addr(9, 1), second)
	edge.DelRoutingRule(earlier)
	edge.DelRoutingRule(bySource)

	lab.Step("by interface")
	// What came in by eth0 is looked up elsewhere than what edge itself sends.
	byInterface := harness.RoutingRule{Priority: 110, In: "eth0", Table: right}
	edge.AddRoutingRule(byInterface)
	w.goesBy(t, "right", f.addr(9, 1), first)
	own := assert.Reachable(t, edge, f.addr(9, 1), assert.Source(f.addr(1, 1)))
	assert.Path(t, own.Request, "edge:left0 out ttl 64", "left:eth0 in ttl 64", "left:eth1 out ttl 63", "server:left0 in ttl 63")
	edge.DelRoutingRule(byInterface)

	lab.Step("by mark")
	// The mark is the sender's own, and not in the packet: edge sends, and ns0's
	// mark means nothing to it. With a mask, some of its bits count.
	edge.AddRoutingRule(harness.RoutingRule{Priority: 120, Mark: 0x10, Mask: 0xf0, Table: right})
	marked := assert.Reachable(t, edge, f.addr(9, 1), assert.Mark(0x17), assert.Source(f.addr(1, 1)))
	assert.Path(t, marked.Request, "edge:right0 out ttl 64", "right:eth0 in ttl 64", "right:eth1 out ttl 63", "server:right0 in ttl 63")
	for _, mark := range []uint32{0, 0x27} {
		other := assert.Reachable(t, edge, f.addr(9, 1), assert.Mark(mark), assert.Source(f.addr(1, 1)))
		assert.NotSeen(t, other.Window, capture.Match{Node: "right", Kind: capture.EchoRequest})
	}
	w.goesBy(t, "left", f.addr(9, 1), assert.Mark(0x17), first)

	lab.Step("without the default route")
	// The table main decides, but not by its default route.
	w.goesBy(t, "left", f.addr(8, 1), first)
	edge.AddRoutingRule(harness.RoutingRule{Priority: 200, From: f.net(1), Table: 254, SuppressPrefix: new(0)})
	edge.AddRoutingRule(harness.RoutingRule{Priority: 210, From: f.net(1), Table: right})
	w.goesBy(t, "left", f.addr(9, 1), first)
	w.goesBy(t, "right", f.addr(8, 1), first)

	lab.Step("refused")
	// A rule may refuse, with an error or in silence, before any table is asked.
	edge.AddRoutingRule(harness.RoutingRule{Priority: 10, From: f.addr(1, 3), Type: "prohibit"})
	refused := assert.Unreachable(t, ns0, f.addr(9, 1), assert.Prohibited.By("edge"), second)
	assert.Path(t, refused.Request, "ns0:eth0 out ttl 64", "edge:eth0 in ttl 64")
	dropping := harness.RoutingRule{Priority: 5, From: f.addr(1, 3), Type: "blackhole"}
	edge.AddRoutingRule(dropping)
	silent := assert.Unreachable(t, ns0, f.addr(9, 1), assert.Silence, second)
	assert.Path(t, silent.Request, "ns0:eth0 out ttl 64", "edge:eth0 in ttl 64")
	edge.DelRoutingRule(dropping)
	w.goesBy(t, "left", f.addr(9, 1), first)
	return lab
}

// rulesOf are the routing rules of a family.
func rulesOf(n *harness.Node, f family) (text string) {
	for _, r := range n.RoutingRules() {
		if r.IPv6 == f.v6 {
			if text != "" {
				text += ", "
			}
			text += r.String()
		}
	}
	return text
}
