package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestPortForwardUDP: a port forward of datagrams, which the server gets with
// the client's own address, and whose answers come from the port that was
// called. Network 18 in the README's table.
//
//	client eth0 --- eth0 host | br0 | veth1 --- eth0 server
func TestPortForwardUDP(t *testing.T) { onEachBackend(t, portForwardUDP) }

func portForwardUDP(t testing.TB, f family, backend string) *harness.Lab {
	lab := harness.New(t, harness.WithBackend(backend))
	client, host, server := lab.Node("client"), lab.Node("host"), lab.Node("server")
	br0 := host.Bridge("br0", harness.Address(f.with(1, 254)))
	lab.Connect(server.Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(client.Port("eth0", f.with(9, 2)), host.Port("eth0", f.with(9, 1)))
	server.AddDefaultRoute(f.addr(1, 254))
	host.EnableForwarding()
	service := server.Serve("udp", ":80")
	called := "udp:" + at(f, 9, 1, 8088).String()

	// Before: nobody has the port on the host itself.
	refused := assert.Unreachable(t, client, called, assert.PortUnreachable.By("host"))
	assert.Path(t, refused.Request, "client:eth0 out", "host:eth0 in")

	rule := host.PortForward(harness.Forward{Protocol: "udp", Port: 8088, In: "br0", NotIn: true, To: at(f, 1, 1, 80).String()})
	// A rule of UDP is none of TCP.
	assert.Unreachable(t, client, f.tcp(9, 1, 8088), assert.Reset.By("host"))

	call := assert.Reachable(t, client, called)
	assert.TTL(t, call, 63)
	require.Equal(lab, f.addr(9, 2), call.ServerSaw.Addr().String(), "the server sees the client's own address")
	require.Equal(lab, call.ServerSaw, service.Peers()[0])
	assert.Path(t, call.Request,
		"client:eth0 "+to(f, 9, 2, 9, 1, 8088)+" out ttl 64", "host:eth0 "+to(f, 9, 2, 9, 1, 8088)+" in ttl 64",
		"host:br0 "+to(f, 9, 2, 1, 1, 80)+" out ttl 63", "host:veth1 out ttl 63", "server:eth0 "+to(f, 9, 2, 1, 1, 80)+" in ttl 63")
	assert.Path(t, call.Reply,
		"server:eth0 "+at(f, 1, 1, 80).String()+" > "+f.addr(9, 2)+" out ttl 64", "host:veth1 in", "host:br0 in ttl 64",
		"host:eth0 "+at(f, 9, 1, 8088).String()+" > "+f.addr(9, 2)+" out ttl 63", "client:eth0 in ttl 63")
	require.EqualValues(lab, 1, rule.Packets())
	assert.Neighbor(t, host, f.addr(1, 1), server.MAC("eth0"))

	flow := assert.Connection(t, host, harness.Connection{Protocol: "udp", DestinationNAT: true, SeenReply: true})
	require.Equal(lab, harness.Tuple{Source: call.ServerSaw, Destination: at(f, 9, 1, 8088)}, flow.Original)
	require.Equal(lab, harness.Tuple{Source: at(f, 1, 1, 80), Destination: call.ServerSaw}, flow.Reply)

	// Neither from inside the bridge nor from the host itself.
	assert.Unreachable(t, server, called, assert.PortUnreachable.By("host"))
	assert.Unreachable(t, host, called, assert.PortUnreachable.By("host"))
	require.EqualValues(lab, 1, rule.Packets())
	return lab
}
