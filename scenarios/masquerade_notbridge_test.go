package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestMasqueradeNotBridge: the namespaces on a bridge borrow the host's address
// wherever they go, except to each other: `-s 172.16.0.0/24 ! -o br0`, as
// container engines have it. Network 15 in the README's table.
//
//	ns1 eth0 --- veth1 | br0 | host eth0 --- eth0 outside
//	ns2 eth0 --- veth2 |     |
func TestMasqueradeNotBridge(t *testing.T) { onEachBackend(t, masqueradeNotBridge) }

func masqueradeNotBridge(t testing.TB, f family, backend string) *harness.Lab {
	lab := harness.New(t, harness.WithBackend(backend))
	host, outside := lab.Node("host"), lab.Node("outside")
	ns := lab.Nodes("ns%d", 2)
	br0 := host.Bridge("br0", harness.Address(f.with(172, 254)))
	lab.Connect(ns[0].Port("eth0", f.with(172, 1)), br0.Port("veth1"))
	lab.Connect(ns[1].Port("eth0", f.with(172, 2)), br0.Port("veth2"))
	lab.Connect(host.Port("eth0", f.with(9, 1)), outside.Port("eth0", f.with(9, 2)))
	host.EnableForwarding()
	outside.Serve("tcp", ":80")
	assert.TTL(t, assert.Reachable(t, host, f.addr(9, 2)), 64)
	for _, n := range ns {
		n.AddDefaultRoute(f.addr(172, 254))
		lost := assert.Unreachable(t, n, f.addr(9, 2), assert.Silence)
		assert.Seen(t, lost.Window, capture.Match{Node: "outside", Direction: capture.In, Kind: capture.EchoRequest, TTL: 63})
	}

	rule := host.Masquerade(harness.NAT{Source: f.net(172), Out: "br0", NotOut: true})
	for i, n := range ns {
		echo := assert.Reachable(t, n, f.addr(9, 2))
		assert.TTL(t, echo, 63)
		own, port := n.Name()+":eth0", []string{"host:veth1", "host:veth2"}[i]
		assert.Path(t, echo.Request, f.hop(own, f.addr(172, i+1), f.addr(9, 2), "out ttl 64"), port+" in", "host:br0 in ttl 64",
			f.hop("host:eth0", f.addr(9, 1), f.addr(9, 2), "out ttl 63"), f.hop("outside:eth0", f.addr(9, 1), f.addr(9, 2), "in ttl 63"))
		assert.Path(t, echo.Reply, "outside:eth0 out ttl 64", f.hop("host:eth0", f.addr(9, 2), f.addr(9, 1), "in"),
			f.hop("host:br0", f.addr(9, 2), f.addr(172, i+1), "out ttl 63"), port+" out", own+" in ttl 63")

		call := assert.Reachable(t, n, f.tcp(9, 2, 80))
		require.Equal(lab, f.addr(9, 1), call.ServerSaw.Addr().String(), "the server sees the host")
		flow := assert.Connection(t, host, harness.Connection{Protocol: "tcp", SourceNAT: true, Original: harness.Tuple{Source: at(f, 172, i+1, 0)}})
		require.Equal(lab, at(f, 9, 2, 80), flow.Original.Destination)
		require.Equal(lab, harness.Tuple{Source: at(f, 9, 2, 80), Destination: call.ServerSaw}, flow.Reply)
	}
	require.EqualValues(lab, 4, rule.Packets(), "an echo and a connection of each")
	assert.Neighbor(t, outside, f.addr(9, 1), host.MAC("eth0"))

	// On the bridge everybody goes by the own address, the host with its address
	// of the subnet included: that leaves by br0.
	echo := assert.Reachable(t, ns[0], f.addr(172, 2))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request, "ns1:eth0 out", "host:veth1 in", "host:veth2 out", f.hop("ns2:eth0", f.addr(172, 1), f.addr(172, 2), "in ttl 64"))
	assert.TTL(t, assert.Reachable(t, host, f.addr(172, 2)), 64)
	assert.Neighbor(t, ns[1], f.addr(172, 254), br0.MAC())
	require.EqualValues(lab, 4, rule.Packets())

	// When the host no longer forwards nothing leaves it, rule or no rule.
	host.DisableForwarding()
	before := host.Counters()
	lost := assert.Unreachable(t, ns[0], f.addr(9, 2), assert.Silence)
	assert.Path(t, lost.Request, "ns1:eth0 out ttl 64", "host:veth1 in", "host:br0 in ttl 64")
	assert.NotSeen(t, lost.Window, capture.Match{Node: "host", Interface: "eth0"})
	require.EqualValues(lab, 1, host.Counters().Since(before)[f.counter("IpInAddrErrors")])
	require.EqualValues(lab, 4, rule.Packets())
	host.EnableForwarding()
	assert.TTL(t, assert.Reachable(t, ns[0], f.addr(9, 2)), 63)
	return lab
}
