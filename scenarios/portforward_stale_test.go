package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestPortForwardStaleFlow: the port led to the wrong machine, and the rule is
// corrected. Who calls anew gets the right one; a flow that lives keeps the
// translation that it began with, until its entry in the connection tracking
// table goes. Network 18 in the README's table.
//
//	client eth0 --- eth0 host | br0 | veth1 --- eth0 wrong
//	                          |     | veth2 --- eth0 right
func TestPortForwardStaleFlow(t *testing.T) { onEachBackend(t, portForwardStaleFlow) }

func portForwardStaleFlow(t testing.TB, f family, backend string) *harness.Lab {
	lab := harness.New(t, harness.WithBackend(backend))
	client, host, wrong, right := lab.Node("client"), lab.Node("host"), lab.Node("wrong"), lab.Node("right")
	br0 := host.Bridge("br0", harness.Address(f.with(1, 254)))
	lab.Connect(wrong.Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(right.Port("eth0", f.with(1, 2)), br0.Port("veth2"))
	lab.Connect(client.Port("eth0", f.with(9, 2)), host.Port("eth0", f.with(9, 1)))
	for _, n := range []*harness.Node{wrong, right} {
		n.AddDefaultRoute(f.addr(1, 254))
		n.Serve("udp", ":80")
	}
	host.EnableForwarding()
	forward := func(target int) *harness.Rule {
		return host.PortForward(harness.Forward{Protocol: "udp", Port: 8088, In: "br0", NotIn: true, To: at(f, 1, target, 80).String()})
	}
	// The flow is all that leaves one socket of the client.
	socket, err := client.DialFrom(t.Context(), "udp", at(f, 9, 2, 4000).String(), at(f, 9, 1, 8088).String())
	require.NoError(lab, err)
	lab.Cleanup(func() { socket.Close() })
	known := harness.Connection{Protocol: "udp", Original: harness.Tuple{Source: at(f, 9, 2, 4000), Destination: at(f, 9, 1, 8088)}}
	led := func(target int, bridgePort, node string) {
		t.Helper()
		sent := lab.Record(func() { _, err = socket.Write([]byte("hello")) })
		require.NoError(lab, err)
		datagram := assert.Seen(t, sent, capture.Match{Node: "client", Direction: capture.Out, Kind: capture.UDP})
		assert.Path(t, sent.Follow(datagram), "client:eth0 "+to(f, 9, 2, 9, 1, 8088)+" out", "host:eth0 in",
			"host:br0 "+to(f, 9, 2, 1, target, 80)+" out ttl 63", bridgePort+" out", node+":eth0 in ttl 63")
		require.Equal(lab, at(f, 1, target, 80), assert.Connection(t, host, known).Reply.Source)
	}

	old := forward(1)
	led(1, "host:veth1", "wrong")

	// The correction: from here on only the right machine is in force.
	corrected := forward(2)
	old.Remove()
	require.Len(lab, host.Rules(), 1)
	led(1, "host:veth1", "wrong")
	require.Zero(lab, corrected.Packets(), "a known flow does not ask the rules")

	// Another flow does.
	call := assert.Reachable(t, client, "udp:"+at(f, 9, 1, 8088).String())
	assert.TTL(t, call, 63)
	require.True(lab, call.Request.Reached("right"))
	require.EqualValues(lab, 1, corrected.Packets())

	host.FlushConntrack()
	led(2, "host:veth2", "right")
	require.EqualValues(lab, 2, corrected.Packets())
	assert.Neighbor(t, host, f.addr(1, 2), right.MAC("eth0"))
	return lab
}
