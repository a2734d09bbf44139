package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestBridgeForwardDrop: a bridge that shows its packets to the packet filter
// (br_netfilter), which forwards nothing: what Docker leaves behind. Network 6
// in the README's table.
//
//	ns1 eth0 --- veth1 |      |
//	ns2 eth0 --- veth2 | br0  | host, FORWARD policy drop
//	ns3 eth0 --- veth3 |      |
func TestBridgeForwardDrop(t *testing.T) { onEachBackend(t, bridgeForwardDrop) }

func bridgeForwardDrop(t testing.TB, f family, backend string) *harness.Lab {
	requireBridgeFilter(t)
	lab := harness.New(t, harness.WithBackend(backend))
	host := lab.Node("host")
	ns := lab.Nodes("ns%d", 3)
	br0 := host.Bridge("br0", harness.Address(f.with(1, 254)))
	for i, n := range ns {
		lab.Connect(n.Port("eth0", f.with(1, i+1)), br0.Port([]string{"veth1", "veth2", "veth3"}[i]))
	}
	ask, tell := f.resolution()
	asked, requests, replies := countAtHooks(host, f, ask), countAtHooks(host, f, capture.EchoRequest), countAtHooks(host, f, capture.EchoReply)

	// As long as the bridge keeps its packets to itself the policy is nothing to them.
	host.ForwardPolicy("drop")
	require.Len(lab, rulesLike(host, "-t filter -P FORWARD DROP"), 2, "the policy of both families")
	assert.TTL(t, assert.Reachable(t, ns[0], f.addr(1, 2)), 64)
	require.Empty(lab, requests.since()+replies.since())

	showBridged(host)
	for _, n := range ns {
		n.FlushNeighbors()
		assert.TTL(t, assert.Reachable(t, host, n.Addresses()[0].String()), 64)
	}
	require.Equal(lab, "output 3, postrouting 3", requests.since(), "the host's own requests are not forwarded")
	require.Equal(lab, "prerouting 3, input 3", replies.since())

	asked.since()
	if f.v6 {
		// Neighbour discovery is IPv6 itself, and so it is dropped too, all three
		// tries on their way to both of the other ports. IPv4's rule is no help.
		host.Accept(harness.Filter{In: "br0", Source: "0.0.0.0/0"})
		lost := assert.Unreachable(t, ns[0], f.addr(1, 2), assert.HostUnreachable.By(f.addr(1, 1)))
		assert.NeighborState(t, ns[0], f.addr(1, 2), harness.NeighborFailed)
		assert.Seen(t, lost.Window, capture.Match{Node: "host", Interface: "veth1", Direction: capture.In, Kind: ask})
		assert.NotSeen(t, lost.Window, capture.Match{Node: "ns2"})
		require.Equal(lab, "prerouting 3, forward 6", asked.since())
		require.Empty(lab, requests.since())
	} else {
		// ARP is no business of the IP filter: the neighbour is known, and then silence.
		lost := assert.Unreachable(t, ns[0], f.addr(1, 2), assert.Silence)
		assert.Seen(t, lost.Window, capture.Match{Node: "ns1", Direction: capture.In, Kind: tell, SrcMAC: ns[1].MAC("eth0")})
		assert.Neighbor(t, ns[0], f.addr(1, 2), ns[1].MAC("eth0"))
		assert.Path(t, lost.Request, "ns1:eth0 out ttl 64", "host:veth1 in ttl 64")
		require.Equal(lab, "prerouting 1, forward 1", requests.since(), "dropped before it leaves")
	}

	// No namespace reaches another; with the host they all talk, both ways.
	assert.Matrix(t, append(ns, host), func(from, to *harness.Node) assert.Cause {
		switch {
		case from == host || to == host:
			return assert.Reached
		case f.v6:
			return assert.HostUnreachable.By(from.Name())
		}
		return assert.Silence
	})
	require.Equal(lab, f.either("prerouting 9, input 3, forward 6, output 3, postrouting 3", "prerouting 3, input 3, output 3, postrouting 3"), requests.since())
	require.Equal(lab, "prerouting 3, input 3, output 3, postrouting 3", replies.since())

	host.Accept(harness.Filter{In: "br0", Source: f.all()})
	echo := assert.Reachable(t, ns[0], f.addr(1, 2))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request, "ns1:eth0 out ttl 64", "host:veth1 in", "host:veth2 out", "ns2:eth0 in ttl 64")
	for _, kind := range []*hookCounts{requests, replies} {
		require.Equal(lab, "prerouting 1, forward 1, postrouting 1", kind.since(), "bridged, and yet seen by the IP filter")
	}
	assert.Neighbor(t, ns[0], f.addr(1, 2), ns[1].MAC("eth0"))
	assert.Matrix(t, append(ns, host), func(_, _ *harness.Node) assert.Cause { return assert.Reached })
	return lab
}
