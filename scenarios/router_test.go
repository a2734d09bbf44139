package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
)

// TestRouter: two subnets joined by a namespace that forwards between them.
//
//	ns0 veth0 --- veth1 router veth3 --- veth2 ns1
func TestRouter(t *testing.T) { bothFamilies(t, router) }

func router(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	ns0, router, ns1 := lab.Node("ns0"), lab.Node("router"), lab.Node("ns1")
	lab.Connect(ns0.Port("veth0", f.with(1, 2)), router.Port("veth1", f.with(1, 1)))
	lab.Connect(ns1.Port("veth2", f.with(2, 2)), router.Port("veth3", f.with(2, 1)))

	lab.Step("built")
	// Without a route nothing is even sent.
	none := assert.Unreachable(t, ns0, f.addr(2, 2), assert.NoRoute)
	assert.Packets(t, none.Window)

	lab.Step("no route")
	// With routes, the request reaches a router that does not forward.
	ns0.AddRoute(f.net(2), f.addr(1, 1))
	ns1.AddRoute(f.net(1), f.addr(2, 1))
	lost := assert.Unreachable(t, ns0, f.addr(2, 2), assert.Silence)
	assert.Path(t, lost.Request, "ns0:veth0 out ttl 64", "router:veth1 in ttl 64")
	assert.TTL(t, assert.Reachable(t, ns0, f.addr(2, 1)), 64)

	router.EnableForwarding()
	lab.Step("forwarding")
	echo := assert.Reachable(t, ns0, f.addr(2, 2))
	assert.TTL(t, echo, 63)
	assert.Path(t, echo.Request,
		f.hop("ns0:veth0", f.addr(1, 2), f.addr(2, 2), "out ttl 64"),
		f.hop("router:veth1", f.addr(1, 2), f.addr(2, 2), "in ttl 64"),
		f.hop("router:veth3", f.addr(1, 2), f.addr(2, 2), "out ttl 63"),
		f.hop("ns1:veth2", f.addr(1, 2), f.addr(2, 2), "in ttl 63"))
	assert.Path(t, echo.Reply, "ns1:veth2 out ttl 64", "router:veth3 in ttl 64", "router:veth1 out ttl 63", "ns0:veth0 in ttl 63")

	// Each node knows its own router by its neighbour table, and not the far node.
	assert.Neighbor(t, ns0, f.addr(1, 1), router.MAC("veth1"))
	assert.Neighbor(t, ns1, f.addr(2, 1), router.MAC("veth3"))
	assert.NoNeighbor(t, ns0, f.addr(2, 2))

	lab.Step("reached")
	// A TTL of 1 ends at the router, which says so.
	ended := assert.Unreachable(t, ns0, f.addr(2, 2), assert.TimeExceeded.By("router"), assert.OutgoingTTL(1))
	assert.NotSeen(t, ended.Window, capture.Match{Node: "ns1"})
	return lab
}
