package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestHostGatewaySteps: the host's own address behind a bridge takes two steps,
// an address of the bridge and a default route of the namespace. Each alone is
// a dead end of its own; forwarding is not needed. (Network 12 in the README's
// table.)
//
//	ns1 eth0 --- veth1 | br0 | host eth0 --- eth0 outside
//	ns2 eth0 --- veth2 |     |
func TestHostGatewaySteps(t *testing.T) { bothFamilies(t, hostGatewaySteps) }

func hostGatewaySteps(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host, outside := lab.Node("host"), lab.Node("outside")
	ns1, ns2 := lab.Node("ns1"), lab.Node("ns2")
	br0 := host.Bridge("br0")
	lab.Connect(ns1.Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(ns2.Port("eth0", f.with(1, 2)), br0.Port("veth2"))
	lab.Connect(host.Port("eth0", f.with(9, 1)), outside.Port("eth0", f.with(9, 2)))
	ask, _ := f.resolution()
	assert.Packets(t, assert.Unreachable(t, ns1, f.addr(9, 1), assert.NoRoute.By("local")).Window)

	// A default route alone: the gateway is asked for, and is nobody yet.
	ns1.AddDefaultRoute(f.addr(1, 254))
	lost := assert.Unreachable(t, ns1, f.addr(9, 1), assert.HostUnreachable.By("ns1"))
	assert.Seen(t, lost.Window, capture.Match{Node: "host", Interface: "br0", Direction: capture.In, Kind: ask})
	assert.NotSeen(t, lost.Window, capture.Match{Node: "host", Kind: capture.EchoRequest})
	assert.NeighborState(t, ns1, f.addr(1, 254), harness.NeighborFailed)

	// An address of the bridge alone: good for the bridge's address.
	br0.AddAddress(f.with(1, 254))
	assert.TTL(t, assert.Reachable(t, ns2, f.addr(1, 254)), 64)
	assert.Packets(t, assert.Unreachable(t, ns2, f.addr(9, 1), assert.NoRoute.By("local")).Window)

	// Both. The host answers for itself, which is no forwarding.
	ns2.AddDefaultRoute(f.addr(1, 254))
	for i, n := range []*harness.Node{ns1, ns2} {
		port := []string{"veth1", "veth2"}[i]
		echo := assert.Reachable(t, n, f.addr(9, 1))
		assert.TTL(t, echo, 64)
		assert.Path(t, echo.Request, n.Name()+":eth0 out ttl 64", "host:"+port+" in", "host:br0 in ttl 64")
		assert.Path(t, echo.Reply, "host:br0 out ttl 64", "host:"+port+" out", n.Name()+":eth0 in ttl 64")
		assert.NotSeen(t, echo.Window, capture.Match{Node: "outside"})
		assert.Neighbor(t, n, f.addr(1, 254), br0.MAC())
		assert.NoNeighbor(t, n, f.addr(9, 1))
	}
	require.Equal(lab, "0", host.Sysctl(f.forwarding()), "%s", f.forwarding())
	require.Zero(lab, host.Counters()[f.counter("IpForwDatagrams")], "forwarded packets")
	return lab
}
