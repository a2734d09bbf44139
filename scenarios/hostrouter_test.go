package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestHostRouter: the host itself is the router between two cables. It reaches
// both namespaces from the start, by the address that it has on each cable; to
// lead them to each other takes their routes and its forwarding. (Network 11 in
// the README's table.)
//
//	ns0 veth0 --- veth1 host veth3 --- veth2 ns1
func TestHostRouter(t *testing.T) { bothFamilies(t, hostRouter) }

func hostRouter(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	ns0, host, ns1 := lab.Node("ns0"), lab.Node("host"), lab.Node("ns1")
	lab.Connect(ns0.Port("veth0", f.with(1, 2)), host.Port("veth1", f.with(1, 1)))
	lab.Connect(ns1.Port("veth2", f.with(2, 2)), host.Port("veth3", f.with(2, 1)))
	web := ns1.Serve("tcp", ":80")

	// The host by itself.
	echo := assert.Reachable(t, host, f.addr(1, 2))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request, f.hop("host:veth1", f.addr(1, 1), f.addr(1, 2), "out ttl 64"), "ns0:veth0 in ttl 64")
	echo = assert.Reachable(t, host, f.addr(2, 2))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request, f.hop("host:veth3", f.addr(2, 1), f.addr(2, 2), "out ttl 64"), "ns1:veth2 in ttl 64")
	assert.Neighbor(t, host, f.addr(1, 2), ns0.MAC("veth0"))
	assert.Neighbor(t, host, f.addr(2, 2), ns1.MAC("veth2"))
	assert.Packets(t, assert.Unreachable(t, ns0, f.addr(2, 2), assert.NoRoute.By("local")).Window)

	// With default routes they reach all of the host, and no further.
	ns0.AddDefaultRoute(f.addr(1, 1))
	ns1.AddDefaultRoute(f.addr(2, 1))
	assert.TTL(t, assert.Reachable(t, ns0, f.addr(2, 1)), 64)
	assert.TTL(t, assert.Reachable(t, ns1, f.addr(1, 1)), 64)
	for _, way := range []struct {
		from     *harness.Node
		to, seen string
	}{{ns0, f.addr(2, 2), "host:veth1"}, {ns1, f.addr(1, 2), "host:veth3"}} {
		lost := assert.Unreachable(t, way.from, way.to, assert.Silence)
		require.Equal(lab, way.seen, lost.Request.Last().Where())
		require.Equal(lab, capture.In, lost.Request.Last().Direction)
	}
	assert.Unreachable(t, ns0, f.tcp(2, 2, 80), assert.Silence)

	host.EnableForwarding()
	echo = assert.Reachable(t, ns1, f.addr(1, 2))
	assert.TTL(t, echo, 63)
	assert.Path(t, echo.Request, "ns1:veth2 out ttl 64", "host:veth3 in ttl 64", "host:veth1 out ttl 63",
		f.hop("ns0:veth0", f.addr(2, 2), f.addr(1, 2), "in ttl 63"))
	assert.Path(t, echo.Reply, "ns0:veth0 out ttl 64", "host:veth1 in ttl 64", "host:veth3 out ttl 63", "ns1:veth2 in ttl 63")

	// Nothing is translated: the server sees the client itself.
	call := assert.Reachable(t, ns0, f.tcp(2, 2, 80))
	assert.TTL(t, call, 63)
	require.Equal(lab, f.addr(1, 2), call.ServerSaw.Addr().String(), "the server sees the client")
	require.Equal(lab, call.ServerSaw, web.Peers()[0])
	assert.NoNeighbor(t, ns0, f.addr(2, 2))
	return lab
}
