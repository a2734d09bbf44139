package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestBridgeNeverUp: two namespaces can't talk before there is a bridge between
// their cables, nor while it has not been set up (network 4 in the README's
// table).
//
//	ns1 eth0 --- veth1 |     | host
//	ns2 eth0 --- veth2 | br0 |
func TestBridgeNeverUp(t *testing.T) { bothFamilies(t, bridgeNeverUp) }

func bridgeNeverUp(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host, ns := lab.Node("host", f.here()...), lab.Nodes("ns%d", 2)
	veth1 := lab.Connect(ns[0].Port("eth0", f.with(1, 1)), host.Port("veth1")).B
	veth2 := lab.Connect(ns[1].Port("eth0", f.with(1, 2)), host.Port("veth2")).B
	ask, _ := f.resolution()
	// ns1 asks who has the address, and that ends at the host's end of its cable.
	dead := func() {
		t.Helper()
		lost := assert.Unreachable(t, ns[0], f.addr(1, 2), assert.HostUnreachable.By("ns1"))
		assert.NoNeighbor(t, ns[0], f.addr(1, 2)) // FAILED, until the kernel tidies up
		assert.Seen(t, lost.Window, capture.Match{Node: "host", Interface: "veth1", Direction: capture.In, Kind: ask})
		assert.NotSeen(t, lost.Window, capture.Match{Node: "host", Interface: "br0"})
		assert.NotSeen(t, lost.Window, capture.Match{Node: "host", Direction: capture.Out})
		assert.NotSeen(t, lost.Window, capture.Match{Node: "ns2"})
	}
	states := func() map[string]string {
		all := map[string]string{}
		for _, p := range host.BridgePorts() {
			all[p.Interface] = p.State.String()
		}
		return all
	}

	dead()
	require.Empty(lab, states(), "no bridge, no ports")

	br0 := host.Bridge("br0", harness.BridgeDown())
	br0.Attach(veth1)
	br0.Attach(veth2)
	require.Equal(lab, map[string]string{"veth1": "disabled", "veth2": "disabled"}, states())
	dead()
	assert.NotLearned(t, br0, ns[0].MAC("eth0"))

	br0.Up()
	require.Equal(lab, map[string]string{"veth1": "forwarding", "veth2": "forwarding"}, states())
	echo := assert.Reachable(t, ns[0], f.addr(1, 2))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request, "ns1:eth0 out", "host:veth1 in", "host:veth2 out", "ns2:eth0 in ttl 64")
	assert.Path(t, echo.Reply, "ns2:eth0 out", "host:veth2 in", "host:veth1 out", "ns1:eth0 in ttl 64")
	assert.Learned(t, br0, ns[1].MAC("eth0"), "veth2")
	return lab
}
