package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestRouterSteps: what each step towards a router is good for, and what the
// router counts meanwhile. It answers for its far address as soon as the sender
// has a route, whether it forwards or not. (Network 10 in the README's table.)
//
//	ns0 veth0 --- veth1 router veth3 --- veth2 ns1
func TestRouterSteps(t *testing.T) { bothFamilies(t, routerSteps) }

func routerSteps(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	ns0, router, ns1 := lab.Node("ns0"), lab.Node("router"), lab.Node("ns1")
	lab.Connect(ns0.Port("veth0", f.with(1, 2)), router.Port("veth1", f.with(1, 1)))
	lab.Connect(ns1.Port("veth2", f.with(2, 2)), router.Port("veth3", f.with(2, 1)))

	// No route: the router's far address is as far away as the far node.
	for _, to := range []string{f.addr(2, 1), f.addr(2, 2)} {
		none := assert.Unreachable(t, ns0, to, assert.NoRoute.By("local"))
		assert.Packets(t, none.Window)
	}
	assert.NoNeighbor(t, ns0, f.addr(1, 1))

	// Routes: the router answers for its far address, without forwarding.
	ns0.AddRoute(f.net(2), f.addr(1, 1))
	ns1.AddRoute(f.net(1), f.addr(2, 1))
	before := router.Counters()
	echo := assert.Reachable(t, ns0, f.addr(2, 1))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request, f.hop("ns0:veth0", f.addr(1, 2), f.addr(2, 1), "out ttl 64"), "router:veth1 in ttl 64")
	assert.Path(t, echo.Reply, f.hop("router:veth1", f.addr(2, 1), f.addr(1, 2), "out ttl 64"), "ns0:veth0 in ttl 64")
	assert.NotSeen(t, echo.Window, capture.Match{Interface: "veth3"})
	require.Zero(lab, router.Counters().Since(before)[f.counter("IpInAddrErrors")])

	// What is for the far node dies in it, in silence: the destination is no
	// address of its own, which each family counts for itself.
	before = router.Counters()
	lost := assert.Unreachable(t, ns0, f.addr(2, 2), assert.Silence)
	assert.Path(t, lost.Request, "ns0:veth0 out ttl 64", "router:veth1 in ttl 64")
	assert.NotSeen(t, lost.Window, capture.Match{Node: "ns1"})
	moved := router.Counters().Since(before)
	require.EqualValues(lab, 1, moved[f.counter("IpInAddrErrors")], moved)
	require.Zero(lab, moved[f.other().counter("IpInAddrErrors")], moved)

	// Forwarding: the request and the reply, and no error more.
	router.EnableForwarding()
	before = router.Counters()
	echo = assert.Reachable(t, ns0, f.addr(2, 2))
	assert.TTL(t, echo, 63)
	assert.Path(t, echo.Request, "ns0:veth0 out ttl 64", "router:veth1 in ttl 64", "router:veth3 out ttl 63", "ns1:veth2 in ttl 63")
	assert.Path(t, echo.Reply, "ns1:veth2 out ttl 64", "router:veth3 in ttl 64", "router:veth1 out ttl 63", "ns0:veth0 in ttl 63")
	moved = router.Counters().Since(before)
	require.Zero(lab, moved[f.counter("IpInAddrErrors")], moved)
	require.EqualValues(lab, 2, moved[f.counter("IpForwDatagrams")], moved)
	return lab
}
