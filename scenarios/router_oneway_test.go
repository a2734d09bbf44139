package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestRouterOneWay: a route on one side only. The request arrives; the reply
// has no way back, and is never sent. (Network 10 in the README's table.)
//
//	ns0 veth0 --- veth1 router veth3 --- veth2 ns1
func TestRouterOneWay(t *testing.T) { bothFamilies(t, routerOneWay) }

func routerOneWay(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	ns0, router, ns1 := lab.Node("ns0"), lab.Node("router"), lab.Node("ns1")
	lab.Connect(ns0.Port("veth0", f.with(1, 2)), router.Port("veth1", f.with(1, 1)))
	lab.Connect(ns1.Port("veth2", f.with(2, 2)), router.Port("veth3", f.with(2, 1)))
	router.EnableForwarding()
	ns0.AddRoute(f.net(2), f.addr(1, 1))

	// From the side with the route: all the way there, and no further.
	before := ns1.Counters()
	lost := assert.Unreachable(t, ns0, f.addr(2, 2), assert.Silence)
	assert.Path(t, lost.Request, "ns0:veth0 out ttl 64", "router:veth1 in ttl 64", "router:veth3 out ttl 63",
		f.hop("ns1:veth2", f.addr(1, 2), f.addr(2, 2), "in ttl 63"))
	assert.NotSeen(t, lost.Window, capture.Match{Kind: capture.EchoReply})
	// It was accepted there, so that it is the reply that died.
	// (Only IPv6 counts it, Ip6OutNoRoutes: icmp_reply looks for its route before there is a packet.)
	moved := ns1.Counters().Since(before)
	require.EqualValues(lab, 1, moved[f.counter("IcmpInEchos")], moved)
	require.Zero(lab, moved[f.counter("IcmpOutEchoReps")], moved)
	if f.v6 {
		require.EqualValues(lab, 1, moved["Ip6OutNoRoutes"], moved)
	}

	// From the side without one: not even a question.
	none := assert.Unreachable(t, ns1, f.addr(1, 2), assert.NoRoute.By("local"))
	assert.Packets(t, none.Window)

	ns1.AddRoute(f.net(1), f.addr(2, 1))
	echo := assert.Reachable(t, ns0, f.addr(2, 2))
	assert.TTL(t, echo, 63)
	assert.Path(t, echo.Reply, f.hop("ns1:veth2", f.addr(2, 2), f.addr(1, 2), "out ttl 64"),
		"router:veth3 in ttl 64", "router:veth1 out ttl 63", "ns0:veth0 in ttl 63")
	assert.Neighbor(t, ns1, f.addr(2, 1), router.MAC("veth3"))
	assert.TTL(t, assert.Reachable(t, ns1, f.addr(1, 2)), 63)
	return lab
}
