package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestMasqueradeWithoutForwarding: the rule alone does nothing. While the host
// does not forward, nothing leaves it, whether the connection is new or known.
// Network 14 in the README's table; TestMasqueradeNotBridge has that of network 15.
//
//	ns1 eth0 --- veth1 | br0 | host eth0 --- eth0 outside
func TestMasqueradeWithoutForwarding(t *testing.T) { onEachBackend(t, masqueradeWithoutForwarding) }

func masqueradeWithoutForwarding(t testing.TB, f family, backend string) *harness.Lab {
	lab := harness.New(t, harness.WithBackend(backend))
	ns1, host, outside := lab.Node("ns1"), lab.Node("host"), lab.Node("outside")
	br0 := host.Bridge("br0", harness.Address(f.with(1, 254)))
	lab.Connect(ns1.Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(host.Port("eth0", f.with(9, 1)), outside.Port("eth0", f.with(9, 2)))
	ns1.AddDefaultRoute(f.addr(1, 254))
	rule := host.Masquerade(harness.NAT{Source: f.net(1), Out: "eth0"})

	// The host itself goes where it likes, and answers for both its addresses.
	assert.TTL(t, assert.Reachable(t, host, f.addr(9, 2)), 64)
	assert.TTL(t, assert.Reachable(t, ns1, f.addr(9, 1)), 64)

	// The request ends in the host, which counts it as one for another's
	// address, before it has got to the rule or into the connection tracking table.
	refused := func() harness.Tuple {
		t.Helper()
		before, matched := host.Counters(), rule.Packets()
		lost := assert.Unreachable(t, ns1, f.addr(9, 2), assert.Silence)
		assert.Path(t, lost.Request, "ns1:eth0 out ttl 64", "host:veth1 in", "host:br0 in ttl 64")
		assert.NotSeen(t, lost.Window, capture.Match{Node: "host", Interface: "eth0"})
		counter := map[bool]string{false: "IpInAddrErrors", true: "Ip6InAddrErrors"}[f.v6]
		require.EqualValues(lab, 1, host.Counters().Since(before)[counter])
		require.Equal(lab, matched, rule.Packets())
		id := lost.Request.First().ICMPID
		return harness.Tuple{Source: at(f, 1, 1, id), Destination: at(f, 9, 2, id)}
	}
	protocol := map[bool]string{false: "icmp", true: "icmpv6"}[f.v6]
	_, known := host.Tracked(protocol, refused())
	require.False(lab, known)

	host.EnableForwarding()
	echo := assert.Reachable(t, ns1, f.addr(9, 2))
	assert.TTL(t, echo, 63)
	assert.Path(t, echo.Request, "ns1:eth0 out ttl 64", "host:veth1 in", "host:br0 in ttl 64",
		f.hop("host:eth0", f.addr(9, 1), f.addr(9, 2), "out ttl 63"), "outside:eth0 in ttl 63")
	require.EqualValues(lab, 1, rule.Packets())
	assert.Neighbor(t, outside, f.addr(9, 1), host.MAC("eth0"))
	flow := assert.Connection(t, host, harness.Connection{Protocol: protocol, Original: harness.Tuple{Source: at(f, 1, 1, 0)}, SourceNAT: true})
	require.Equal(lab, at(f, 9, 1, flow.Original.Source.Port()), flow.Reply.Destination)

	host.DisableForwarding()
	refused()
	return lab
}
