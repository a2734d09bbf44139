package scenarios

import (
	"net/netip"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestMasquerade: a private subnet behind a gateway that lends it its address.
//
//	client eth0 --- eth1 gateway eth0 --- eth0 server
func TestMasquerade(t *testing.T) { onEachBackend(t, masquerade) }

func masquerade(t testing.TB, f family, backend string) *harness.Lab {
	lab := harness.New(t, harness.WithBackend(backend))
	client, gateway, server := lab.Node("client"), lab.Node("gateway"), lab.Node("server")
	lab.Connect(client.Port("eth0", f.with(1, 2)), gateway.Port("eth1", f.with(1, 1)))
	lab.Connect(gateway.Port("eth0", f.with(9, 1)), server.Port("eth0", f.with(9, 2)))
	client.AddDefaultRoute(f.addr(1, 1))
	gateway.EnableForwarding()
	web := server.Serve("tcp", ":80")
	assert.TTL(t, assert.Reachable(t, gateway, f.addr(9, 2)), 64)

	lab.Step("built")
	// Before: the request leaves with its private source, and nothing comes back.
	lost := assert.Unreachable(t, client, f.addr(9, 2), assert.Silence)
	arrived := assert.Seen(t, lost.Window, capture.Match{Node: "server", Direction: capture.In, Kind: capture.EchoRequest})
	require.Equal(lab, f.addr(1, 2), arrived.Src.String())

	rule := gateway.Masquerade(harness.NAT{Source: f.net(1), Out: "eth0"})
	lab.Step("masquerade")
	echo := assert.Reachable(t, client, f.addr(9, 2))
	assert.TTL(t, echo, 63)
	assert.Path(t, echo.Request,
		f.hop("client:eth0", f.addr(1, 2), f.addr(9, 2), "ttl 64"),
		f.hop("gateway:eth1", f.addr(1, 2), f.addr(9, 2), "ttl 64"),
		f.hop("gateway:eth0", f.addr(9, 1), f.addr(9, 2), "ttl 63"),
		f.hop("server:eth0", f.addr(9, 1), f.addr(9, 2), "ttl 63"))
	assert.Neighbor(t, server, f.addr(9, 1), gateway.MAC("eth0"))

	lab.Step("pinged")
	tcp := assert.Reachable(t, client, f.tcp(9, 2, 80))
	require.Equal(lab, f.addr(9, 1), tcp.ServerSaw.Addr().String(), "the server sees the gateway")
	require.Equal(lab, tcp.ServerSaw, web.Peers()[0])
	require.EqualValues(lab, 2, rule.Packets(), "one echo and one connection")

	// Connection tracking holds the translation.
	flow := assert.Connection(t, gateway, harness.Connection{Protocol: "tcp", SourceNAT: true})
	require.Equal(lab, netip.MustParseAddr(f.addr(1, 2)), flow.Original.Source.Addr())
	require.Equal(lab, netip.MustParseAddr(f.addr(9, 1)), flow.Reply.Destination.Addr())
	return lab
}
