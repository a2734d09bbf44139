package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
)

// TestVethPair: two namespaces on one cable.
//
//	ns0 veth0 ------------ veth1 ns1
func TestVethPair(t *testing.T) { bothFamilies(t, vethPair) }

func vethPair(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	ns0, ns1 := lab.Node("ns0"), lab.Node("ns1")
	cable := lab.Connect(ns0.Port("veth0", f.with(1, 1)), ns1.Port("veth1", f.with(1, 2)))
	assert.NoNeighbor(t, ns0, f.addr(1, 2))

	lab.Step("built")
	// The first ping asks for the neighbour; four frames pass, and no more.
	ask, tell := f.resolution()
	ping := lab.Record(func() {
		echo := assert.Reachable(t, ns0, f.addr(1, 2))
		assert.TTL(t, echo, 64)
		assert.Path(t, echo.Request,
			f.hop("ns0:veth0", f.addr(1, 1), f.addr(1, 2), "out ttl 64"),
			f.hop("ns1:veth1", f.addr(1, 1), f.addr(1, 2), "in  ttl 64"))
	})
	assert.Packets(t, ping,
		capture.Match{Node: "ns0", Direction: capture.Out, Kind: ask},
		capture.Match{Node: "ns1", Direction: capture.In, Kind: ask},
		capture.Match{Node: "ns1", Direction: capture.Out, Kind: tell, SrcMAC: ns1.MAC("veth1")},
		capture.Match{Node: "ns0", Direction: capture.In, Kind: tell},
		capture.Match{Node: "ns0", Direction: capture.Out, Kind: capture.EchoRequest, DstMAC: ns1.MAC("veth1"), TTL: 64},
		capture.Match{Node: "ns1", Direction: capture.In, Kind: capture.EchoRequest},
		capture.Match{Node: "ns1", Direction: capture.Out, Kind: capture.EchoReply, DstMAC: ns0.MAC("veth0"), TTL: 64},
		capture.Match{Node: "ns0", Direction: capture.In, Kind: capture.EchoReply},
	)
	assert.Neighbor(t, ns0, f.addr(1, 2), ns1.MAC("veth1"))
	assert.Neighbor(t, ns1, f.addr(1, 1), ns0.MAC("veth0"))
	lab.Step("answered")
	assert.TTL(t, assert.Reachable(t, ns1, f.addr(1, 1)), 64)

	lab.Step("known")
	// Unplugged at one end, nothing passes.
	cable.B.Down()
	assert.Unreachable(t, ns0, f.addr(1, 2), assert.HostUnreachable.By("ns0"))
	return lab
}
