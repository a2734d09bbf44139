package scenarios

import (
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestBridgeWideGateway: one address of br0, with a wide prefix, is the gateway
// of two subnets (network 9 in the README's table).
//
//	192.168.1.1/24 ns1 eth0 --- veth1 |                      | host
//	192.168.2.1/24 ns2 eth0 --- veth2 | br0 192.168.0.254/16 |
func TestBridgeWideGateway(t *testing.T) { bothFamilies(t, bridgeWideGateway) }

func bridgeWideGateway(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host, ns := lab.Node("host"), lab.Nodes("ns%d", 2)
	br0 := host.Bridge("br0", harness.Address(f.addr(0, 254)+"/16"))
	lab.Connect(ns[0].Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(ns[1].Port("eth0", f.with(2, 1)), br0.Port("veth2"))
	host.EnableForwarding()

	// For the host both are on the link; for them the host is nowhere.
	lost := assert.Unreachable(t, host, f.addr(2, 1), assert.Silence)
	assert.Path(t, lost.Request, f.hop("host:br0", f.addr(0, 254), f.addr(2, 1), "out"), "host:veth2 out", "ns2:eth0 in ttl 64")
	assert.NotSeen(t, lost.Window, capture.Match{Kind: capture.EchoReply})
	assert.Packets(t, assert.Unreachable(t, ns[0], f.addr(0, 254), assert.NoRoute).Window)

	// Their own subnets don't hold the gateway: they have to be told that it is
	// on the link.
	for i, n := range ns {
		n.AddDefaultRoute(f.addr(0, 254), harness.Device("eth0"), harness.OnLink())
		assert.TTL(t, assert.Reachable(t, n, f.addr(0, 254)), 64)
		assert.TTL(t, assert.Reachable(t, host, f.addr(i+1, 1)), 64)
		assert.Neighbor(t, n, f.addr(0, 254), br0.MAC())
		assert.Neighbor(t, host, f.addr(i+1, 1), n.MAC("eth0"))
	}
	assertRedirected(t, f, ns, f.addr(0, 254), f.addr(0, 254))

	// With an address in the wide subnet they do without it for each other.
	for i, n := range ns {
		n.AddAddress("eth0", f.addr(i+1, 2)+"/16")
	}
	across := assert.Reachable(t, ns[0], f.addr(2, 2))
	assert.TTL(t, across, 64)
	assert.Path(t, across.Request, askDirectly...)
	assert.Path(t, across.Reply, answerDirectly...)
	assert.NotSeen(t, across.Window, capture.Match{Kind: capture.Redirect})
	assert.Neighbor(t, ns[0], f.addr(2, 2), ns[1].MAC("eth0"))
	return lab
}

// TestBridgeTwoGateways: br0 is the gateway of two subnets by an address in
// each, and routes between them: out of the interface by which packets came in,
// so that it tells their senders of a shorter way (network 9 in the README's
// table).
//
//	192.168.1.1/24 ns1 eth0 --- veth1 |     | host
//	192.168.2.1/24 ns2 eth0 --- veth2 | br0 | 192.168.1.254/24, 192.168.2.254/24
func TestBridgeTwoGateways(t *testing.T) { bothFamilies(t, bridgeTwoGateways) }

func bridgeTwoGateways(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host, ns := lab.Node("host"), lab.Nodes("ns%d", 2)
	br0 := host.Bridge("br0", harness.Address(f.with(1, 254)), harness.Address(f.with(2, 254)))
	for i, n := range ns {
		lab.Connect(n.Port("eth0", f.with(i+1, 1)), br0.Port([]string{"veth1", "veth2"}[i]))
		n.AddDefaultRoute(f.addr(i+1, 254))
	}
	// The far gateway is the host too; the far node is behind it.
	assert.TTL(t, assert.Reachable(t, ns[0], f.addr(2, 254)), 64)
	lost := assert.Unreachable(t, ns[0], f.addr(2, 1), assert.Silence)
	assert.Path(t, lost.Request, "ns1:eth0 out ttl 64", "host:veth1 in", "host:br0 in ttl 64")
	host.EnableForwarding()

	if !f.v6 { // which has no such switch
		// Either of the two suffices to have redirects sent.
		host.SetSysctl("net.ipv4.conf.all.send_redirects", 0)
		host.SetSysctl("net.ipv4.conf.br0.send_redirects", 0)
		for range 2 {
			echo := assert.Reachable(t, ns[0], f.addr(2, 1))
			assert.TTL(t, echo, 63)
			assert.Path(t, echo.Request, askGateway...)
			assert.Path(t, echo.Reply, answerGateway...)
			assert.NotSeen(t, echo.Window, capture.Match{Kind: capture.Redirect})
			assert.NoNeighbor(t, ns[0], f.addr(2, 1))
		}
		host.SetSysctl("net.ipv4.conf.br0.send_redirects", 1)
	}
	assertRedirected(t, f, ns, f.addr(1, 254), f.addr(2, 254))
	if f.v6 {
		assertObeyed(t, f, ns, host.Interface("br0"))
		for i, n := range ns { // back to how it was
			n.ReplaceRoute("default", f.addr(i+1, 254))
		}
		for _, n := range lab.All() {
			n.FlushNeighbors()
		}
		assert.TTL(t, assert.Reachable(t, ns[0], f.addr(2, 1)), 63)
	}
	return lab
}

// The ways of a request from ns1 to ns2, and of the reply.
var (
	askGateway     = []string{"ns1:eth0 out ttl 64", "host:veth1 in", "host:br0 in ttl 64", "host:br0 out ttl 63", "host:veth2 out", "ns2:eth0 in ttl 63"}
	answerGateway  = []string{"ns2:eth0 out ttl 64", "host:veth2 in", "host:br0 in ttl 64", "host:br0 out ttl 63", "host:veth1 out", "ns1:eth0 in ttl 63"}
	askDirectly    = []string{"ns1:eth0 out ttl 64", "host:veth1 in", "host:veth2 out", "ns2:eth0 in ttl 64"}
	answerDirectly = []string{"ns2:eth0 out ttl 64", "host:veth2 in", "host:veth1 out", "ns1:eth0 in ttl 64"}
)

// assertRedirected has ns1 ask ns2 through their gateways, which tell both that
// the other is on the link, and demands what comes of it.
func assertRedirected(t testing.TB, f family, ns []*harness.Node, gateways ...string) {
	t.Helper()
	first := assert.Reachable(t, ns[0], f.addr(2, 1))
	assert.TTL(t, first, 63)
	assert.Path(t, first.Request, askGateway...)
	assert.Path(t, first.Reply, answerGateway...)
	for i, n := range ns {
		told := assert.Seen(t, first.Window, capture.Match{Node: n.Name(), Direction: capture.In, Kind: capture.Redirect})
		if f.v6 { // a router redirects by its link-local address (RFC 4861, 4.5)
			require.True(t, told.Src.IsLinkLocalUnicast(), "%s", told)
		} else {
			require.Equal(t, gateways[i], told.Src.String())
		}
	}
	second := assert.Reachable(t, ns[0], f.addr(2, 1))
	if f.v6 {
		// Nothing: a node obeys only whom its route names (ip6_redirect_nh_match).
		assert.TTL(t, second, 63)
		assert.Path(t, second.Request, askGateway...)
		assert.Path(t, second.Reply, answerGateway...)
		assert.NoNeighbor(t, ns[0], f.addr(2, 1))
		return
	}
	// A node that is redirected to a neighbour that it does not know only asks
	// for its hardware address (__ip_do_redirect). That was ns1; by its question
	// ns2 knew ns1, and so the reply is the first to go the shorter way.
	assert.TTL(t, second, 64)
	assert.Path(t, second.Request, askGateway...)
	assert.Path(t, second.Reply, answerDirectly...)
	assert.Neighbor(t, ns[0], f.addr(2, 1), ns[1].MAC("eth0"))
	assert.Neighbor(t, ns[1], f.addr(1, 1), ns[0].MAC("eth0"))

	// The gateway says it again after 40 ms at the earliest (ip_rt_send_redirect).
	third := second
	for start := time.Now(); len(third.Request.Hops) == len(askGateway); third = assert.Reachable(t, ns[0], f.addr(2, 1)) {
		require.Less(t, time.Since(start), 5*time.Second, "ns1 still asks its gateway")
	}
	assert.TTL(t, third, 64)
	assert.Path(t, third.Request, askDirectly...)
	assert.Path(t, third.Reply, answerDirectly...)
}

// assertObeyed has the nodes name their gateway by its link-local address, by
// which it redirects: then IPv6 goes the shorter way too. (No more than three
// echoes in a row are redirected: ip6_forward and ndisc_send_redirect each spend
// one of six tokens.)
func assertObeyed(t testing.TB, f family, ns []*harness.Node, br0 harness.Interface) {
	t.Helper()
	for _, n := range ns {
		for _, a := range br0.Addresses {
			if a.Scope == "link" {
				n.ReplaceRoute("default", a.Prefix.Addr().String(), harness.Device("eth0"))
			}
		}
	}
	assert.TTL(t, assert.Reachable(t, ns[0], f.addr(2, 1)), 63)
	echo := assert.Reachable(t, ns[0], f.addr(2, 1))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request, askDirectly...)
	assert.Path(t, echo.Reply, answerDirectly...)
}
