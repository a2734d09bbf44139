package scenarios

import (
	"net/netip"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestPortForward: a port of the host leads to a server in a namespace behind
// it, which sees the outside client's own address.
//
//	client eth0 --- eth0 host | br0 | veth1 --- eth0 web
func TestPortForward(t *testing.T) { onEachBackend(t, portForward) }

func portForward(t testing.TB, f family, backend string) *harness.Lab {
	lab := harness.New(t, harness.WithBackend(backend))
	client, host, web := lab.Node("client"), lab.Node("host"), lab.Node("web")
	br0 := host.Bridge("br0", harness.Address(f.with(1, 254)))
	lab.Connect(web.Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(client.Port("eth0", f.with(9, 2)), host.Port("eth0", f.with(9, 1)))
	web.AddDefaultRoute(f.addr(1, 254))
	host.EnableForwarding()
	server := web.Serve("tcp", ":80")

	lab.Step("built")
	// Before: nobody listens on the host itself.
	assert.Unreachable(t, client, f.tcp(9, 1, 8088), assert.Reset.By("host"))

	rule := host.PortForward(harness.Forward{Port: 8088, In: "br0", NotIn: true, To: netip.AddrPortFrom(netip.MustParseAddr(f.addr(1, 1)), 80).String()})
	lab.Step("forward")
	call := assert.Reachable(t, client, f.tcp(9, 1, 8088))
	require.Equal(lab, f.addr(9, 2), call.ServerSaw.Addr().String(), "the server sees the client's own address")
	require.Equal(lab, call.ServerSaw, server.Peers()[0])
	require.EqualValues(lab, 1, rule.Packets())
	assert.TTL(t, call, 63)
	assert.Path(t, call.Request,
		"client:eth0 "+to(f, 9, 2, 9, 1, 8088)+" ttl 64", "host:eth0 "+to(f, 9, 2, 9, 1, 8088)+" ttl 64",
		"host:br0 "+to(f, 9, 2, 1, 1, 80)+" ttl 63", "host:veth1 out ttl 63", "web:eth0 "+to(f, 9, 2, 1, 1, 80)+" ttl 63")
	assert.Path(t, call.Reply, "web:eth0 out ttl 64", "host:veth1 in", "host:br0 in ttl 64", "host:eth0 out ttl 63", "client:eth0 in ttl 63")

	flow := assert.Connection(t, host, harness.Connection{Protocol: "tcp", DestinationNAT: true})
	require.Equal(lab, f.addr(1, 1), flow.Reply.Source.Addr().String())
	assert.Neighbor(t, host, f.addr(1, 1), web.MAC("eth0"))

	// The rule leaves out the bridge, and the host's own calls.
	assert.Unreachable(t, web, f.tcp(9, 1, 8088), assert.Reset)
	assert.Unreachable(t, host, f.tcp(9, 1, 8088), assert.Reset)
	return lab
}

// to writes addresses for a line of assert.Path: from any port.
func to(f family, fromSubnet, fromHost, subnet, host, port int) string {
	target := netip.AddrPortFrom(netip.MustParseAddr(f.addr(subnet, host)), uint16(port))
	return f.addr(fromSubnet, fromHost) + " > " + target.String()
}
