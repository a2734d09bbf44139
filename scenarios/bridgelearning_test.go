package scenarios

import (
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestBridgeLearning: what a bridge does not know it sends to every port but
// the one it came from; what it has learned, to one (network 4 in the README's
// table).
//
//	ns1 eth0 --- veth1 |     |
//	ns2 eth0 --- veth2 | br0 | host
//	ns3 eth0 --- veth3 |     |
func TestBridgeLearning(t *testing.T) { bothFamilies(t, bridgeLearning) }

func bridgeLearning(t testing.TB, f family) *harness.Lab {
	lab, br0, ns, ports := threeOnBridge(t, f, harness.LeaveDown())
	// The bridge is not to learn of ns2 yet: left to itself, a node with IPv6
	// makes itself known by its multicast reports, at times of its own.
	ports[1].SetLearning(false)
	for _, p := range ports {
		p.Peer().Up()
		p.Up()
	}
	assert.NotLearned(t, br0, ns[1].MAC("eth0"))

	// ns1 knows ns2's hardware address by its answer, the bridge does not know
	// where that is: not back to where the request came from, nor to the host.
	flooded := assert.Reachable(t, ns[0], f.addr(1, 2))
	assert.Neighbor(t, ns[0], f.addr(1, 2), ns[1].MAC("eth0"))
	assertFlooded(t, flooded)
	assert.NotSeen(t, flooded.Window, capture.Match{Node: "ns3", Kind: capture.EchoReply}) // ns1 is known
	assert.Learned(t, br0, ns[0].MAC("eth0"), "veth1")
	assert.NotLearned(t, br0, ns[1].MAC("eth0"))

	// One reply that it may learn from.
	ports[1].SetLearning(true)
	assert.Reachable(t, ns[0], f.addr(1, 2))
	assert.Learned(t, br0, ns[1].MAC("eth0"), "veth2")
	assertSwitched(t, assert.Reachable(t, ns[0], f.addr(1, 2)))

	// ns3 is known once it has spoken itself.
	assert.Reachable(t, ns[2], f.addr(1, 1))
	assert.Learned(t, br0, ns[2].MAC("eth0"), "veth3")
	return lab
}

// TestBridgeAgeing: a bridge forgets who has not been heard of for its ageing
// time, and floods again (network 4 in the README's table).
//
//	ns1 eth0 --- veth1 |     |
//	ns2 eth0 --- veth2 | br0 | host
//	ns3 eth0 --- veth3 |     |
func TestBridgeAgeing(t *testing.T) { bothFamilies(t, bridgeAgeing) }

func bridgeAgeing(t testing.TB, f family) *harness.Lab {
	const ageing = 200 * time.Millisecond
	lab, br0, ns, ports := threeOnBridge(t, f)
	last := assert.Reachable(t, ns[0], f.addr(1, 2)).Reply.First().Time
	// From here on the bridge hears nothing of ns2, but what it knows stays.
	ports[1].SetLearning(false)
	assert.Learned(t, br0, ns[1].MAC("eth0"), "veth2")
	assertSwitched(t, assert.Reachable(t, ns[0], f.addr(1, 2)))

	br0.SetAgeing(ageing)
	br0.AwaitForgotten(ns[1].MAC("eth0"))
	// The kernel counts from the beginning of a tick, which is 10 ms at most.
	require.GreaterOrEqual(lab, time.Since(last), ageing-10*time.Millisecond, "forgotten too early")

	// ns1 has not: it asks at once, and the bridge floods.
	br0.SetAgeing(300 * time.Second)
	ask, _ := f.resolution()
	assert.Neighbor(t, ns[0], f.addr(1, 2), ns[1].MAC("eth0"))
	echo := assert.Reachable(t, ns[0], f.addr(1, 2))
	assert.NotSeen(t, echo.Window, capture.Match{Kind: ask})
	assertFlooded(t, echo)
	// To speak is to be known again, for those whom it listens to.
	assert.Reachable(t, ns[2], f.addr(1, 1))
	assert.Learned(t, br0, ns[2].MAC("eth0"), "veth3")
	assert.NotLearned(t, br0, ns[1].MAC("eth0"))
	return lab
}

// threeOnBridge are three nodes on a bridge without an address.
func threeOnBridge(t testing.TB, f family, options ...harness.LinkOption) (*harness.Lab, *harness.Bridge, []*harness.Node, []*harness.Port) {
	lab := harness.New(t)
	host, ns := lab.Node("host", f.here()...), lab.Nodes("ns%d", 3)
	br0 := host.Bridge("br0")
	var ports []*harness.Port
	for i, n := range ns {
		ports = append(ports, br0.Port([]string{"veth1", "veth2", "veth3"}[i]))
		lab.Connect(n.Port("eth0", f.with(1, i+1)), ports[i], options...)
	}
	return lab, br0, ns, ports
}

// assertFlooded demands that the bridge sent ns1's request to both others,
// beginning with the port that was added last, and the reply to ns1 alone.
func assertFlooded(t testing.TB, echo *assert.Exchange) {
	t.Helper()
	assert.Path(t, echo.Request, "ns1:eth0 out ttl 64", "host:veth1 in",
		"host:veth3 out", "ns3:eth0 in ttl 64", "host:veth2 out", "ns2:eth0 in ttl 64")
	assert.Path(t, echo.Reply, "ns2:eth0 out ttl 64", "host:veth2 in", "host:veth1 out", "ns1:eth0 in ttl 64")
	assert.TTL(t, echo, 64)
}

// assertSwitched demands that the bridge sent ns1's request to ns2 alone.
func assertSwitched(t testing.TB, echo *assert.Exchange) {
	t.Helper()
	assert.Path(t, echo.Request, "ns1:eth0 out ttl 64", "host:veth1 in", "host:veth2 out", "ns2:eth0 in ttl 64")
	assert.Path(t, echo.Reply, "ns2:eth0 out ttl 64", "host:veth2 in", "host:veth1 out", "ns1:eth0 in ttl 64")
	assert.NotSeen(t, echo.Window, capture.Match{Node: "ns3", Kind: capture.EchoRequest})
}
