package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
)

// TestBridge: three namespaces on a bridge, which learns who is where.
//
//	ns1 eth0 --- veth1 |      |
//	ns2 eth0 --- veth2 | br0  | host
//	ns3 eth0 --- veth3 |      |
func TestBridge(t *testing.T) { bothFamilies(t, bridge) }

func bridge(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host := lab.Node("host")
	ns := lab.Nodes("ns%d", 3)
	br0 := host.Bridge("br0", harness.Address(f.with(1, 254)))
	for i, n := range ns {
		lab.Connect(n.Port("eth0", f.with(1, i+1)), br0.Port([]string{"veth1", "veth2", "veth3"}[i]))
	}
	lab.Step("built")
	ask, tell := f.resolution()

	// The question is flooded to every port, the answer goes to one.
	first := lab.Record(func() {
		echo := assert.Reachable(t, ns[0], f.addr(1, 2))
		assert.TTL(t, echo, 64)
		assert.Path(t, echo.Request, "ns1:eth0 out ttl 64", "host:veth1 in", "host:veth2 out", "ns2:eth0 in ttl 64")
		assert.Path(t, echo.Reply, "ns2:eth0 out ttl 64", "host:veth2 in", "host:veth1 out", "ns1:eth0 in ttl 64")
	})
	assert.Seen(t, first, capture.Match{Node: "ns3", Interface: "eth0", Direction: capture.In, Kind: ask})
	assert.Seen(t, first, capture.Match{Node: "ns1", Interface: "eth0", Direction: capture.In, Kind: tell})
	assert.NotSeen(t, first, capture.Match{Node: "ns3", Kind: tell})
	assert.NotSeen(t, first, capture.Match{Node: "ns3", Kind: capture.EchoRequest})

	assert.Neighbor(t, ns[0], f.addr(1, 2), ns[1].MAC("eth0"))
	assert.Learned(t, br0, ns[0].MAC("eth0"), "veth1")
	assert.Learned(t, br0, ns[1].MAC("eth0"), "veth2")

	lab.Step("learned")
	// Everybody reaches everybody, the host on the bridge included.
	assert.Matrix(t, append(ns, host), func(_, _ *harness.Node) assert.Cause { return assert.Reached })
	assert.TTL(t, assert.Reachable(t, host, f.addr(1, 3)), 64)
	assert.Neighbor(t, ns[2], f.addr(1, 254), br0.MAC())

	lab.Step("all reached")
	// Without the bridge the cables lead nowhere.
	br0.Down()
	assert.Unreachable(t, ns[0], f.addr(1, 2), assert.Silence)
	return lab
}
