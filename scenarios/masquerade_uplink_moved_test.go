package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestMasqueradeUplinkOnBridgeMoved: the uplink is a port of the bridge, and its
// address has moved to the bridge. Network 16 in the README's table.
//
//	ns1 eth0 --- veth1   |     |
//	ns2 eth0 --- veth2   | br0 | host
//	outside eth0 --- eth0|     |
func TestMasqueradeUplinkOnBridgeMoved(t *testing.T) { onEachBackend(t, masqueradeUplinkMoved) }

func masqueradeUplinkMoved(t testing.TB, f family, backend string) *harness.Lab {
	u := uplinkOnBridge(t, f, backend, 2)
	u.moveAddress(f)
	assert.TTL(t, assert.Reachable(t, u.host, f.addr(9, 2)), 64)

	before := u.host.Counters()
	echo := assert.Reachable(t, u.ns[0], f.addr(9, 2))
	assert.TTL(t, echo, 63)
	assert.Path(t, echo.Request,
		f.hop("ns1:eth0", f.addr(10, 1), f.addr(9, 2), "out ttl 64"), "host:veth1 in ttl 64", "host:br0 in ttl 64",
		f.hop("host:br0", f.addr(9, 1), f.addr(9, 2), "out ttl 63"), "host:eth0 out ttl 63", "outside:eth0 in ttl 63")
	assert.Path(t, echo.Reply,
		"outside:eth0 out ttl 64", "host:eth0 in", f.hop("host:br0", f.addr(9, 2), f.addr(9, 1), "in ttl 64"),
		f.hop("host:br0", f.addr(9, 2), f.addr(10, 1), "out ttl 63"), "host:veth1 out", "ns1:eth0 in ttl 63")
	assert.Neighbor(t, u.outside, f.addr(9, 1), u.br0.MAC())
	assert.Learned(t, u.br0, u.outside.MAC("eth0"), "eth0")
	assertHeardOutside(t, f, u, echo)

	// In by br0 and out by br0: the host tells both ends of a shorter way, which
	// is none. IPv4's redirects die in the host, as NAT lets none pass about what
	// it translates; IPv6's arrive, but ns1 heeds only those of its gateway's
	// address, and they come from the link-local one. So the next TTL is the same.
	sent := u.host.Counters().Since(before)
	if f.v6 {
		assert.Seen(t, echo.Window, capture.Match{Node: "ns1", Direction: capture.In, Kind: capture.Redirect})
		require.EqualValues(u.lab, 2, sent["Icmp6OutRedirects"])
	} else {
		assert.NotSeen(t, echo.Window, capture.Match{Kind: capture.Redirect})
		require.EqualValues(u.lab, 2, sent["IcmpOutRedirects"])
	}
	assert.TTL(t, assert.Reachable(t, u.ns[0], f.addr(9, 2)), 63)
	require.EqualValues(u.lab, 2, u.rule.Packets())

	// Between the namespaces the bridge alone is at work.
	inside := assert.Reachable(t, u.ns[0], f.addr(10, 2))
	assert.TTL(t, inside, 64)
	assert.Path(t, inside.Request, "ns1:eth0 out", "host:veth1 in", "host:veth2 out", f.hop("ns2:eth0", f.addr(10, 1), f.addr(10, 2), "in ttl 64"))
	require.EqualValues(u.lab, 2, u.rule.Packets())
	assert.NoConnection(t, u.host, u.inside(f))
	return u.lab
}

// TestMasqueradeUplinkOnBridgeFiltered: the same, but the bridge shows its
// packets to the packet filter (br_netfilter). Replies are translated before
// they are bridged, and so never reach the router; and the rule, which names no
// interface, translates what the namespaces tell each other, too. Network 16 in
// the README's table.
//
//	ns1 eth0 --- veth1   |     |
//	ns2 eth0 --- veth2   | br0 | host, bridge-nf-call-iptables 1
//	outside eth0 --- eth0|     |
func TestMasqueradeUplinkOnBridgeFiltered(t *testing.T) { onEachBackend(t, masqueradeUplinkFiltered) }

func masqueradeUplinkFiltered(t testing.TB, f family, backend string) *harness.Lab {
	requireBridgeFilter(t)
	u := uplinkOnBridge(t, f, backend, 2)
	u.moveAddress(f)
	showBridged(u.host)

	echo := assert.Reachable(t, u.ns[0], f.addr(9, 2))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request,
		f.hop("ns1:eth0", f.addr(10, 1), f.addr(9, 2), "out ttl 64"), "host:veth1 in ttl 64", "host:br0 in ttl 64",
		f.hop("host:br0", f.addr(9, 1), f.addr(9, 2), "out ttl 63"), "host:eth0 out ttl 63", "outside:eth0 in ttl 63")
	assert.Path(t, echo.Reply,
		"outside:eth0 out ttl 64", f.hop("host:eth0", f.addr(9, 2), f.addr(9, 1), "in ttl 64"),
		f.hop("host:br0", f.addr(9, 2), f.addr(10, 1), "out ttl 64"), "host:veth1 out ttl 64", "ns1:eth0 in ttl 64")
	assertHeardOutside(t, f, u, echo)
	require.EqualValues(u.lab, 1, u.rule.Packets())

	inside := assert.Reachable(t, u.ns[0], f.addr(10, 2))
	assert.TTL(t, inside, 64)
	assert.Path(t, inside.Request,
		f.hop("ns1:eth0", f.addr(10, 1), f.addr(10, 2), "out ttl 64"), "host:veth1 in",
		f.hop("host:veth2", f.addr(10, 254), f.addr(10, 2), "out ttl 64"), "ns2:eth0 in ttl 64")
	assert.Path(t, inside.Reply,
		f.hop("ns2:eth0", f.addr(10, 2), f.addr(10, 254), "out ttl 64"), "host:veth2 in",
		f.hop("host:br0", f.addr(10, 2), f.addr(10, 1), "out ttl 64"), "host:veth1 out", "ns1:eth0 in ttl 64")
	require.EqualValues(u.lab, 2, u.rule.Packets())
	flow := assert.Connection(t, u.host, u.inside(f))
	require.Equal(u.lab, f.addr(10, 254), flow.Reply.Destination.Addr().String())
	assert.Neighbor(t, u.ns[1], f.addr(10, 254), u.br0.MAC())
	return u.lab
}
