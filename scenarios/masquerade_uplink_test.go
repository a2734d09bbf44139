package scenarios

import (
	"net/netip"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestMasqueradeUplinkOnBridgeCold: the uplink is a port of the bridge and has
// kept its address, as the article types it: the dead end of
// TestBridgeAddressOnPort, for whoever wants to go out. Network 16 in the
// README's table.
//
//	ns1 eth0 --- veth1 | br0        |
//	outside eth0 --- eth0 (its own) | host
func TestMasqueradeUplinkOnBridgeCold(t *testing.T) { onEachBackend(t, masqueradeUplinkCold) }

func masqueradeUplinkCold(t testing.TB, f family, backend string) *harness.Lab {
	u := uplinkOnBridge(t, f, backend, 1)
	ask, tell := f.resolution()
	u.host.FlushNeighbors()

	lost := assert.Unreachable(t, u.ns[0], f.addr(9, 2), assert.HostUnreachable.By(f.addr(9, 1)))
	assert.Path(t, lost.Request, f.hop("ns1:eth0", f.addr(10, 1), f.addr(9, 2), "out ttl 64"), "host:veth1 in ttl 64", "host:br0 in ttl 64")
	assert.Path(t, lost.Error, f.hop("host:br0", f.addr(9, 1), f.addr(10, 1), "out ttl 64"), "host:veth1 out", "ns1:eth0 in")

	// The outside machine did answer, to the uplink, but the bridge got it.
	assert.Seen(t, lost.Window, capture.Match{Node: "outside", Direction: capture.In, Kind: ask, SrcMAC: u.host.MAC("eth0")})
	assert.Seen(t, lost.Window, capture.Match{Node: "host", Interface: "eth0", Direction: capture.In, Kind: tell})
	assert.Seen(t, lost.Window, capture.Match{Node: "host", Interface: "br0", Direction: capture.In, Kind: tell, DstMAC: u.host.MAC("eth0")})
	assert.NeighborState(t, u.host, f.addr(9, 2), harness.NeighborFailed)
	require.EqualValues(u.lab, 1, u.rule.Packets(), "it was translated, to no avail")
	assertHeardOutside(t, f, u, lost)
	return u.lab
}

// TestMasqueradeUplinkOnBridgeWarm: the same network works for as long as the
// host still knows the outside machine from before the uplink became a port.
// Network 16 in the README's table.
//
//	ns1 eth0 --- veth1 | br0        |
//	outside eth0 --- eth0 (its own) | host
func TestMasqueradeUplinkOnBridgeWarm(t *testing.T) { onEachBackend(t, masqueradeUplinkWarm) }

func masqueradeUplinkWarm(t testing.TB, f family, backend string) *harness.Lab {
	u := uplinkOnBridge(t, f, backend, 1)
	ask, _ := f.resolution()
	require.Equal(u.lab, "eth0", assert.Neighbor(t, u.host, f.addr(9, 2), u.outside.MAC("eth0")).Interface)

	echo := assert.Reachable(t, u.ns[0], f.addr(9, 2))
	assert.TTL(t, echo, 63)
	// Out by the uplink itself, back by the bridge.
	assert.Path(t, echo.Request,
		f.hop("ns1:eth0", f.addr(10, 1), f.addr(9, 2), "out ttl 64"), "host:veth1 in ttl 64", "host:br0 in ttl 64",
		f.hop("host:eth0", f.addr(9, 1), f.addr(9, 2), "out ttl 63"), "outside:eth0 in ttl 63")
	assert.Path(t, echo.Reply,
		"outside:eth0 out ttl 64", "host:eth0 in", f.hop("host:br0", f.addr(9, 2), f.addr(9, 1), "in ttl 64"),
		f.hop("host:br0", f.addr(9, 2), f.addr(10, 1), "out ttl 63"), "host:veth1 out", "ns1:eth0 in ttl 63")
	assert.NotSeen(t, echo.Window, capture.Match{Node: "outside", Kind: ask, SrcMAC: u.host.MAC("eth0")})
	require.EqualValues(u.lab, 1, u.rule.Packets())
	assertHeardOutside(t, f, u, echo)
	return u.lab
}

// uplink is a host whose bridge holds its namespaces and its uplink, and which
// lends its address to the former.
type uplink struct {
	lab           *harness.Lab
	host, outside *harness.Node
	ns            []*harness.Node // on the bridge: ns1, and where the network has it ns2
	br0           *harness.Bridge
	eth0          *harness.Port
	rule          *harness.Rule
}

// uplinkOnBridge makes the uplink a port of the bridge after the host has
// reached the outside machine by it, which so is in its neighbour table.
func uplinkOnBridge(t testing.TB, f family, backend string, namespaces int) *uplink {
	t.Helper()
	lab := harness.New(t, harness.WithBackend(backend))
	u := &uplink{lab: lab, host: lab.Node("host"), outside: lab.Node("outside")}
	u.eth0 = u.host.Port("eth0", f.with(9, 1))
	lab.Connect(u.eth0, u.outside.Port("eth0", f.with(9, 2)))
	assert.TTL(t, assert.Reachable(t, u.host, f.addr(9, 2)), 64)

	u.br0 = u.host.Bridge("br0", harness.Address(f.with(10, 254)))
	u.ns = lab.Nodes("ns%d", namespaces)
	for i, n := range u.ns {
		lab.Connect(n.Port("eth0", f.with(10, i+1)), u.br0.Port([]string{"veth1", "veth2"}[i]))
		n.AddDefaultRoute(f.addr(10, 254))
	}
	u.br0.Attach(u.eth0)
	u.host.EnableForwarding()
	u.rule = u.host.Masquerade(harness.NAT{Source: f.net(10)})
	return u
}

// moveAddress puts the uplink's address where it belongs: on the bridge.
func (u *uplink) moveAddress(f family) {
	u.eth0.DelAddress(f.with(9, 1))
	u.br0.AddAddress(f.with(9, 1))
}

// inside is a tracked connection from ns1 to ns2.
func (u *uplink) inside(f family) harness.Connection {
	address := func(host int) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(f.addr(10, host)), 0) }
	return harness.Connection{Original: harness.Tuple{Source: address(1), Destination: address(2)}}
}

// assertHeardOutside demands that ns1's question for its gateway was heard on
// the outside network, which is one segment with the namespaces' now.
func assertHeardOutside(t testing.TB, f family, u *uplink, e *assert.Exchange) {
	t.Helper()
	ask, _ := f.resolution()
	heard := assert.Seen(t, e.Window, capture.Match{Node: "outside", Direction: capture.In, Kind: ask, SrcMAC: u.ns[0].MAC("eth0")})
	asked := heard.ARP == nil && heard.ND.Target.String() == f.addr(10, 254) || heard.ARP != nil && heard.Dst.String() == f.addr(10, 254)
	require.True(u.lab, asked, "ns1 asks for its gateway: %s", heard)
	// To everybody, or to the multicast group of the address (RFC 4291, 2.7.1).
	require.Equal(u.lab, f.either("ff:ff:ff:ff:ff:ff", "33:33:ff:00:02:54"), heard.DstMAC.String(), "to whom ns1 asks for its gateway")
}
