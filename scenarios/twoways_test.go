package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
)

// twoWays is a subnet from which two ways lead to a server, for scenarios about
// which of them is taken. What comes back takes the right one.
//
//	                   left0 --- eth0 left eth1 --- left0
//	ns0 eth0 --- eth0 edge                            server lo
//	                  right0 --- eth0 right eth1 --- right0
type twoWays struct {
	f                              family
	lab                            *harness.Lab
	ns0, edge, left, right, server *harness.Node
	leftCable, rightCable          *harness.Cable // those of edge
}

// newTwoWays builds it, without a route of edge to the server.
func newTwoWays(t testing.TB, f family) *twoWays {
	lab := harness.New(t)
	w := &twoWays{f: f, lab: lab, ns0: lab.Node("ns0"), edge: lab.Node("edge"), left: lab.Node("left"), right: lab.Node("right"), server: lab.Node("server")}
	lab.Connect(w.ns0.Port("eth0", f.with(1, 2)), w.edge.Port("eth0", f.with(1, 1)))
	w.leftCable = lab.Connect(w.edge.Port("left0", f.with(2, 1)), w.left.Port("eth0", f.with(2, 2)))
	w.rightCable = lab.Connect(w.edge.Port("right0", f.with(3, 1)), w.right.Port("eth0", f.with(3, 2)))
	lab.Connect(w.left.Port("eth1", f.with(4, 1)), w.server.Port("left0", f.with(4, 2)))
	lab.Connect(w.right.Port("eth1", f.with(5, 1)), w.server.Port("right0", f.with(5, 2)))
	w.server.AddAddress("lo", f.alone(9, 1))
	w.ns0.AddDefaultRoute(f.addr(1, 1))
	w.edge.AddRoute(f.net(4), f.addr(2, 2))
	w.edge.AddRoute(f.net(5), f.addr(3, 2))
	w.left.AddDefaultRoute(f.addr(4, 2))
	w.left.AddRoute(f.net(1), f.addr(2, 1))
	w.right.AddDefaultRoute(f.addr(5, 2))
	w.right.AddRoute(f.net(1), f.addr(3, 1))
	w.right.AddRoute(f.net(2), f.addr(3, 1))
	w.server.AddDefaultRoute(f.addr(5, 1))
	for _, n := range []*harness.Node{w.edge, w.left, w.right} {
		n.EnableForwarding()
	}
	return w
}

// goesBy demands that ns0 reaches the server's address by the way given, "left" or
// "right", and returns what was seen.
func (w *twoWays) goesBy(t testing.TB, way, to string, options ...assert.Option) *assert.Exchange {
	t.Helper()
	echo := assert.Reachable(t, w.ns0, to, options...)
	assert.Path(t, echo.Request, "ns0:eth0 out ttl 64", "edge:eth0 in ttl 64", "edge:"+way+"0 out ttl 63", way+":eth0 in ttl 63",
		way+":eth1 out ttl 62", "server:"+way+"0 in ttl 62")
	assert.Path(t, echo.Reply, "server:right0 out ttl 64", "right:eth1 in ttl 64", "right:eth0 out ttl 63", "edge:right0 in ttl 63",
		"edge:eth0 out ttl 62", "ns0:eth0 in ttl 62")
	assert.TTL(t, echo, 62)
	return echo
}
