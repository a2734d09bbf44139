package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestPortForwardHairpinBridged: with bridge-nf on, bridged packets are
// translated too. Those on the bridge reach the port without a masquerade rule;
// the target that calls itself does not, since a bridge sends nothing out of the
// port that it came in by. Network 18 in the README's table, with bridge-nf on.
//
//	client eth0 --- eth0 host | br0 | veth1 --- eth0 web
//	                          |     | veth2 --- eth0 ns2
func TestPortForwardHairpinBridged(t *testing.T) { onEachBackend(t, portForwardHairpinBridged) }

func portForwardHairpinBridged(t testing.TB, f family, backend string) *harness.Lab {
	requireBridgeFilter(t)
	h := newHairpin(t, f, backend)
	// The host knows its neighbour from here on. (One that it has to ask for
	// first gets the packet by br0 itself: br_nf_pre_routing_finish_bridge.)
	assert.TTL(t, assert.Reachable(t, h.client, h.called), 63)
	assert.Neighbor(t, h.host, f.addr(1, 1), h.web.MAC("eth0"))
	assert.Unreachable(t, h.ns2, h.called, assert.Silence)

	h.host.SetSysctl(map[bool]string{false: "net.bridge.bridge-nf-call-iptables", true: "net.bridge.bridge-nf-call-ip6tables"}[f.v6], 1)

	// Translated on its way through the bridge, which is no hop; and so is the
	// answer.
	call := assert.Reachable(t, h.ns2, h.called)
	assert.TTL(t, call, 64)
	require.Equal(h, f.addr(1, 2), call.ServerSaw.Addr().String(), "the server sees the client's own address")
	assert.Path(t, call.Request, "ns2:eth0 "+to(f, 1, 2, 9, 1, 8088)+" out ttl 64", "host:veth2 "+to(f, 1, 2, 9, 1, 8088)+" in",
		"host:veth1 "+to(f, 1, 2, 1, 1, 80)+" out ttl 64", "web:eth0 "+to(f, 1, 2, 1, 1, 80)+" in ttl 64")
	assert.Path(t, call.Reply, "web:eth0 "+at(f, 1, 1, 80).String()+" > "+f.addr(1, 2)+" out", "host:veth1 in",
		"host:veth2 "+at(f, 9, 1, 8088).String()+" > "+f.addr(1, 2)+" out", "ns2:eth0 in ttl 64")
	flow := assert.Connection(t, h.host, harness.Connection{Protocol: "tcp", DestinationNAT: true, Original: harness.Tuple{Source: call.ServerSaw}})
	require.Equal(h, harness.Tuple{Source: at(f, 1, 1, 80), Destination: call.ServerSaw}, flow.Reply)

	// The target itself: its packet ends at the port that it came in by.
	self := assert.Unreachable(t, h.web, h.called, assert.Silence)
	assert.Path(t, self.Request, "web:eth0 "+to(f, 1, 1, 9, 1, 8088)+" out", "host:veth1 in")
	require.False(h, portNamed(h.host, "veth1").Hairpin)

	// In hairpin mode the port sends it back, but from the target's own address.
	h.veth1.SetHairpin(true)
	require.True(h, portNamed(h.host, "veth1").Hairpin)
	self = assert.Unreachable(t, h.web, h.called, assert.Silence)
	assert.Path(t, self.Request, "web:eth0 "+to(f, 1, 1, 9, 1, 8088)+" out", "host:veth1 in",
		"host:veth1 "+to(f, 1, 1, 1, 1, 80)+" out ttl 64", "web:eth0 "+to(f, 1, 1, 1, 1, 80)+" in ttl 64")

	// With a masquerade rule besides, for the target alone, it works.
	rule := h.host.Masquerade(harness.NAT{Source: f.addr(1, 1), Destination: f.addr(1, 1), Protocol: "tcp", Port: 80})
	call = assert.Reachable(t, h.web, h.called)
	assert.TTL(t, call, 64)
	require.Equal(h, f.addr(1, 254), call.ServerSaw.Addr().String())
	require.EqualValues(h, 1, rule.Packets())
	assert.Path(t, call.Request, "web:eth0 "+to(f, 1, 1, 9, 1, 8088)+" out", "host:veth1 in",
		"host:veth1 "+to(f, 1, 254, 1, 1, 80)+" out ttl 64", "web:eth0 "+to(f, 1, 254, 1, 1, 80)+" in ttl 64")
	assert.Path(t, call.Reply, "web:eth0 "+at(f, 1, 1, 80).String()+" > "+f.addr(1, 254)+" out", "host:veth1 in",
		"host:veth1 "+at(f, 9, 1, 8088).String()+" > "+f.addr(1, 1)+" out", "web:eth0 in ttl 64")
	return h.Lab
}

// portNamed is what a bridge of the node says of one of its ports.
func portNamed(n *harness.Node, name string) harness.BridgePort {
	for _, p := range n.BridgePorts() {
		if p.Interface == name {
			return p
		}
	}
	return harness.BridgePort{}
}
