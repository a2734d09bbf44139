package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
)

// TestHostGateway: namespaces on a bridge reach the host's own address behind
// it, once the bridge has an address and they have a default route. The LAN
// beyond stays out of reach: its machines have no way back.
//
//	ns1 eth0 --- veth1 | br0 | host eth0 --- eth0 outside
//	ns2 eth0 --- veth2 |     |
func TestHostGateway(t *testing.T) { bothFamilies(t, hostGateway) }

func hostGateway(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host, outside := lab.Node("host"), lab.Node("outside")
	ns := lab.Nodes("ns%d", 2)
	br0 := host.Bridge("br0")
	lab.Connect(ns[0].Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(ns[1].Port("eth0", f.with(1, 2)), br0.Port("veth2"))
	lab.Connect(host.Port("eth0", f.with(9, 1)), outside.Port("eth0", f.with(9, 2)))

	lab.Step("built")
	assert.Reachable(t, ns[0], f.addr(1, 2))
	assert.Unreachable(t, ns[0], f.addr(9, 1), assert.NoRoute)

	br0.AddAddress(f.with(1, 254))
	for _, n := range ns {
		n.AddDefaultRoute(f.addr(1, 254))
		// The host answers for itself: that needs no forwarding.
		echo := assert.Reachable(t, n, f.addr(9, 1))
		assert.TTL(t, echo, 64)
		assert.Neighbor(t, n, f.addr(1, 254), br0.MAC())
	}
	lab.Step("each reached")
	echo := assert.Reachable(t, ns[0], f.addr(9, 1))
	assert.Path(t, echo.Request,
		f.hop("ns1:eth0", f.addr(1, 1), f.addr(9, 1), "out ttl 64"), "host:veth1 in ttl 64", "host:br0 in ttl 64")
	assert.Path(t, echo.Reply, "host:br0 out ttl 64", "host:veth1 out ttl 64", "ns1:eth0 in ttl 64")
	assert.NotSeen(t, echo.Window, capture.Match{Node: "outside"})

	lab.Step("reached")
	// Behind the host: the request arrives, with a source that the outside
	// machine has no route to.
	host.EnableForwarding()
	lab.Step("forwarding")
	lost := assert.Unreachable(t, ns[0], f.addr(9, 2), assert.Silence)
	assert.Path(t, lost.Request, "ns1:eth0 out", "host:veth1 in", "host:br0 in ttl 64", "host:eth0 out ttl 63",
		f.hop("outside:eth0", f.addr(1, 1), f.addr(9, 2), "in ttl 63"))
	assert.NotSeen(t, lost.Window, capture.Match{Kind: capture.EchoReply})
	return lab
}
