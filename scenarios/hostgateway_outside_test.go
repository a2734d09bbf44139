package scenarios

import (
	"syscall"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestHostGatewayOutside: the network behind the host stays out of reach when
// the host's own address answers. First the host does not forward; then the
// machine outside has no route for the reply. (Network 12 in the README's
// table.)
//
//	ns1 eth0 --- veth1 | br0 | host eth0 --- eth0 outside
func TestHostGatewayOutside(t *testing.T) { bothFamilies(t, hostGatewayOutside) }

func hostGatewayOutside(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	ns1, host, outside := lab.Node("ns1"), lab.Node("host"), lab.Node("outside")
	br0 := host.Bridge("br0", harness.Address(f.with(1, 254)))
	lab.Connect(ns1.Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(host.Port("eth0", f.with(9, 1)), outside.Port("eth0", f.with(9, 2)))
	ns1.AddDefaultRoute(f.addr(1, 254))
	assert.TTL(t, assert.Reachable(t, ns1, f.addr(9, 1)), 64)
	assert.TTL(t, assert.Reachable(t, host, f.addr(9, 2)), 64)

	// The request dies in the host.
	before := host.Counters()
	lost := assert.Unreachable(t, ns1, f.addr(9, 2), assert.Silence)
	assert.Path(t, lost.Request, "ns1:eth0 out ttl 64", "host:veth1 in", "host:br0 in ttl 64")
	assert.NotSeen(t, lost.Window, capture.Match{Node: "outside"})
	require.EqualValues(lab, 1, host.Counters().Since(before)[f.counter("IpInAddrErrors")])

	// The request arrives, and is accepted; the reply dies before it is one.
	host.EnableForwarding()
	before = outside.Counters()
	lost = assert.Unreachable(t, ns1, f.addr(9, 2), assert.Silence)
	assert.Path(t, lost.Request, "ns1:eth0 out ttl 64", "host:veth1 in", "host:br0 in ttl 64", "host:eth0 out ttl 63",
		f.hop("outside:eth0", f.addr(1, 1), f.addr(9, 2), "in ttl 63"))
	assert.NotSeen(t, lost.Window, capture.Match{Kind: capture.EchoReply})
	moved := outside.Counters().Since(before)
	require.EqualValues(lab, 1, moved[f.counter("IcmpInEchos")], moved)
	require.Zero(lab, moved[f.counter("IcmpOutEchoReps")], moved)
	_, err := outside.RouteTo(f.addr(1, 1))
	require.ErrorIs(lab, err, syscall.ENETUNREACH)

	// That was all: with the route it works, both ways.
	outside.AddRoute(f.net(1), f.addr(9, 1))
	echo := assert.Reachable(t, ns1, f.addr(9, 2))
	assert.TTL(t, echo, 63)
	assert.Path(t, echo.Reply, f.hop("outside:eth0", f.addr(9, 2), f.addr(1, 1), "out ttl 64"),
		"host:eth0 in ttl 64", "host:br0 out ttl 63", "host:veth1 out", "ns1:eth0 in ttl 63")
	assert.TTL(t, assert.Reachable(t, outside, f.addr(1, 1)), 63)
	assert.Neighbor(t, outside, f.addr(9, 1), host.MAC("eth0"))
	assert.NoNeighbor(t, outside, f.addr(1, 1))
	return lab
}
