package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestCarrierLoss: a router with a second way notices when the first loses its
// carrier only if it is told to look: the route stays, and is used into nowhere.
// When its own interface goes down, the route goes, and does not come back.
//
//	                   left0 --- eth0 left eth1 --- left0
//	ns0 eth0 --- eth0 edge                            server lo
//	                  right0 --- eth0 right eth1 --- right0
func TestCarrierLoss(t *testing.T) { bothFamilies(t, carrierLoss) }

func carrierLoss(t testing.TB, f family) *harness.Lab {
	w := newTwoWays(t, f)
	lab, ns0, edge := w.lab, w.ns0, w.edge
	own, far := w.leftCable.A, w.leftCable.B
	edge.AddRoute(f.net(9), f.addr(2, 2), harness.Metric(10))
	edge.AddRoute(f.net(9), f.addr(3, 2), harness.Metric(20))
	w.goesBy(t, "left", f.addr(9, 1))
	require.Equal(lab, []way{{"left0", false, false}, {"right0", false, false}}, waysTo(edge, f.net(9)))

	lab.Step("carrier lost")
	// The kernel knows, and says so; it takes the route all the same.
	far.Down()
	require.True(lab, edge.Interface("left0").Up())
	require.True(lab, edge.Interface("left0").NoCarrier)
	require.Equal(lab, []way{{"left0", true, false}, {"right0", false, false}}, waysTo(edge, f.net(9)))
	lost := assert.Unreachable(t, ns0, f.addr(9, 1), assert.HostUnreachable.By("edge"))
	assert.Path(t, lost.Request, "ns0:eth0 out ttl 64", "edge:eth0 in ttl 64")
	assert.NotSeen(t, lost.Window, capture.Match{Interface: "left0"})
	assert.NotSeen(t, lost.Window, capture.Match{Node: "right", Kind: capture.EchoRequest})
	assert.NoNeighbor(t, edge, f.addr(2, 2))

	lab.Step("routes without carrier are ignored")
	ignore := f.either("net.ipv4", "net.ipv6") + ".conf.left0.ignore_routes_with_linkdown"
	edge.SetSysctl(ignore, 1)
	require.Equal(lab, []way{{"left0", true, true}, {"right0", false, false}}, waysTo(edge, f.net(9)))
	w.goesBy(t, "right", f.addr(9, 1))

	lab.Step("carrier back")
	far.Up()
	if f.v6 { // its address went with the interface
		far.AddAddress(f.with(2, 2))
	}
	require.Equal(lab, []way{{"left0", false, false}, {"right0", false, false}}, waysTo(edge, f.net(9)))
	w.goesBy(t, "left", f.addr(9, 1))

	lab.Step("its own interface down")
	own.Down()
	require.Equal(lab, []way{{"right0", false, false}}, waysTo(edge, f.net(9)))
	w.goesBy(t, "right", f.addr(9, 1))

	lab.Step("up again")
	// The connected route comes back with the interface, the other does not.
	own.Up()
	if f.v6 {
		own.AddAddress(f.with(2, 1))
	}
	require.Equal(lab, []way{{"right0", false, false}}, waysTo(edge, f.net(9)))
	require.Equal(lab, []way{{"left0", false, false}}, waysTo(edge, f.net(2)))
	assert.Reachable(t, edge, f.addr(2, 2))
	w.goesBy(t, "right", f.addr(9, 1))
	edge.AddRoute(f.net(9), f.addr(2, 2), harness.Metric(10))
	edge.AddRoute(f.net(4), f.addr(2, 2))
	w.goesBy(t, "left", f.addr(9, 1))
	return lab
}

// way is a route as far as a lost carrier can change it.
type way struct {
	device         string
	linkDown, dead bool
}

// waysTo are a node's routes to a prefix, by their metrics.
func waysTo(n *harness.Node, prefix string) (all []way) {
	for _, r := range n.Routes() {
		if r.Destination.String() == prefix {
			all = append(all, way{r.Device, r.LinkDown, r.Dead})
		}
	}
	return all
}
