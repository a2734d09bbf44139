package scenarios

import (
	"net/netip"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestHostGatewayWithoutRoute: `ping -I eth0` to an outside address without any
// route is not "network unreachable". With an interface named, IPv4 takes the
// destination to be on its link (ip_route_output_key_hash_rcu in
// net/ipv4/route.c), and asks the cable for it; IPv6 does not. (Network 12 in
// the README's table.)
//
//	ns1 eth0 --- veth1 | br0 | host eth0 --- eth0 outside
//	ns2 eth0 --- veth2 |     |
func TestHostGatewayWithoutRoute(t *testing.T) { bothFamilies(t, hostGatewayWithoutRoute) }

func hostGatewayWithoutRoute(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host, outside := lab.Node("host"), lab.Node("outside")
	ns1, ns2 := lab.Node("ns1"), lab.Node("ns2")
	br0 := host.Bridge("br0", harness.Address(f.with(1, 254)))
	lab.Connect(ns1.Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(ns2.Port("eth0", f.with(1, 2)), br0.Port("veth2"))
	lab.Connect(host.Port("eth0", f.with(9, 1)), outside.Port("eth0", f.with(9, 2)))
	host.EnableForwarding()
	outside.AddRoute(f.net(1), f.addr(9, 1))
	assert.Packets(t, assert.Unreachable(t, ns1, f.addr(9, 2), assert.NoRoute.By("local")).Window)

	bound := assert.Interface("eth0")
	if f.v6 {
		assert.Packets(t, assert.Unreachable(t, ns1, f.addr(9, 2), assert.NoRoute.By("local"), bound).Window)
		assert.Packets(t, assert.Unreachable(t, ns1, f.addr(9, 1), assert.NoRoute.By("local"), bound).Window)
	} else {
		withoutRouteIPv4(t, lab, f, ns1, br0)
	}

	// With a default route the gateway is asked instead, bound or not.
	ns1.AddDefaultRoute(f.addr(1, 254))
	echo := assert.Reachable(t, ns1, f.addr(9, 2), bound)
	assert.TTL(t, echo, 63)
	assert.Path(t, echo.Request, "ns1:eth0 out ttl 64", "host:veth1 in", "host:br0 in ttl 64", "host:eth0 out ttl 63", "outside:eth0 in ttl 63")
	assert.NotSeen(t, echo.Window, capture.Match{Node: "ns1", ARPTargetIP: netip.MustParseAddr(f.addr(9, 2))})
	assert.Neighbor(t, ns1, f.addr(1, 254), br0.MAC())
	assert.NoNeighbor(t, ns1, f.addr(9, 2))
	return lab
}

func withoutRouteIPv4(t testing.TB, lab *harness.Lab, f family, ns1 *harness.Node, br0 *harness.Bridge) {
	// Three times it asks who has the outside address. All on the bridge hear it;
	// the host, which knows the way, does not answer for others (proxy_arp).
	lost := assert.Unreachable(t, ns1, f.addr(9, 2), assert.HostUnreachable.By("ns1"), assert.Interface("eth0"))
	for _, heard := range []capture.Match{{Node: "host", Interface: "br0"}, {Node: "ns2", Interface: "eth0"}} {
		heard.Direction, heard.Kind, heard.ARPTargetIP = capture.In, capture.ARPRequest, netip.MustParseAddr(f.addr(9, 2))
		require.Len(lab, lost.Window.Find(heard), 3)
	}
	assert.NotSeen(t, lost.Window, capture.Match{Kind: capture.ARPReply})
	assert.NotSeen(t, lost.Window, capture.Match{Kind: capture.EchoRequest})
	assert.NotSeen(t, lost.Window, capture.Match{Node: "outside"})
	assert.NeighborState(t, ns1, f.addr(9, 2), harness.NeighborFailed)

	// For an address of its own the host does answer, whichever interface it is
	// on (arp_ignore): that of eth0 is reached so, without a route.
	echo := assert.Reachable(t, ns1, f.addr(9, 1), assert.Interface("eth0"))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request, "ns1:eth0 out ttl 64", "host:veth1 in", "host:br0 in ttl 64")
	assert.Neighbor(t, ns1, f.addr(9, 1), br0.MAC())
}
