package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestBridgeTwoSubnets: two subnets on one bridge. Default routes that name only
// a device make each node ask for the other itself, without any router (network
// 7 in the README's table).
//
//	192.168.1.1 ns1 eth0 --- veth1 |     | host
//	192.168.2.1 ns2 eth0 --- veth2 | br0 |
func TestBridgeTwoSubnets(t *testing.T) { bothFamilies(t, bridgeTwoSubnets) }

func bridgeTwoSubnets(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host, ns := lab.Node("host", f.here()...), lab.Nodes("ns%d", 2)
	br0 := host.Bridge("br0")
	lab.Connect(ns[0].Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(ns[1].Port("eth0", f.with(2, 1)), br0.Port("veth2"))
	ask, tell := f.resolution()

	assert.Packets(t, assert.Unreachable(t, ns[0], f.addr(2, 1), assert.NoRoute).Window)

	// A route on one side: ns2 says where it is, for that needs no route, and
	// gets the request, but can't answer it.
	ns[0].AddRoute(f.anywhere(), "", harness.Device("eth0"))
	before := ns[1].Counters()
	lost := assert.Unreachable(t, ns[0], f.addr(2, 1), assert.Silence)
	assert.Seen(t, lost.Window, capture.Match{Node: "ns2", Direction: capture.In, Kind: ask})
	assert.Seen(t, lost.Window, capture.Match{Node: "ns1", Direction: capture.In, Kind: tell, SrcMAC: ns[1].MAC("eth0")})
	assert.Path(t, lost.Request, "ns1:eth0 out ttl 64", "host:veth1 in", "host:veth2 out", "ns2:eth0 in ttl 64")
	assert.NotSeen(t, lost.Window, capture.Match{Kind: capture.EchoReply})
	require.EqualValues(lab, 1, ns[1].Counters().Since(before)[map[bool]string{false: "IcmpInEchos", true: "Icmp6InEchos"}[f.v6]], "the request reached ns2's ICMP")
	assert.Neighbor(t, ns[0], f.addr(2, 1), ns[1].MAC("eth0"))

	ns[1].AddRoute(f.anywhere(), "", harness.Device("eth0"))
	echo := assert.Reachable(t, ns[0], f.addr(2, 1))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request, f.hop("ns1:eth0", f.addr(1, 1), f.addr(2, 1), "out ttl 64"),
		"host:veth1 in ttl 64", "host:veth2 out ttl 64", f.hop("ns2:eth0", f.addr(1, 1), f.addr(2, 1), "in ttl 64"))
	assert.Path(t, echo.Reply, "ns2:eth0 out ttl 64", "host:veth2 in", "host:veth1 out", "ns1:eth0 in ttl 64")
	assert.TTL(t, assert.Reachable(t, ns[1], f.addr(1, 1)), 64)
	assert.Neighbor(t, ns[1], f.addr(1, 1), ns[0].MAC("eth0"))
	return lab
}
