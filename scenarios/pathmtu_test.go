package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestPathMTU: a link in the middle takes 1400 bytes. The router before it says so
// to the sender of what does not fit, who remembers it for this destination. Where
// that error is filtered, large packets vanish and small ones pass: a black hole.
//
//	ns0 eth0 --- eth0 near eth1 --(1400)-- eth0 far eth1 --- eth0 ns1
func TestPathMTU(t *testing.T) { onEachBackend(t, pathMTU) }

func pathMTU(t testing.TB, f family, backend string) *harness.Lab {
	const narrow = 1400
	lab := harness.New(t, harness.WithBackend(backend))
	ns0, near, far, ns1 := lab.Node("ns0"), lab.Node("near"), lab.Node("far"), lab.Node("ns1")
	lab.Connect(ns0.Port("eth0", f.with(1, 2)), near.Port("eth0", f.with(1, 1)))
	lab.Connect(near.Port("eth1", f.with(2, 1)), far.Port("eth0", f.with(2, 2)), harness.MTU(narrow))
	lab.Connect(far.Port("eth1", f.with(3, 1)), ns1.Port("eth0", f.with(3, 2)))
	ns1.AddAddress("eth0", f.with(3, 3))
	ns0.AddDefaultRoute(f.addr(1, 1))
	ns1.AddDefaultRoute(f.addr(3, 1))
	near.AddRoute(f.net(3), f.addr(2, 2))
	far.AddRoute(f.net(1), f.addr(2, 1))
	near.EnableForwarding()
	far.EnableForwarding()

	// The payload of an echo that fills a packet of so many bytes.
	filling := func(packet int) assert.Option { return assert.Size(packet - f.echoHeaders()) }
	assert.TTL(t, assert.Reachable(t, ns0, f.addr(3, 2), filling(narrow), assert.DontFragment()), 62)
	require.Zero(lab, knownMTU(lab, ns0, f.addr(3, 2)))

	lab.Step("one byte too many")
	tooBig := assert.TooBig.By("near")
	tooBig.MTU = narrow
	lost := assert.Unreachable(t, ns0, f.addr(3, 2), tooBig, filling(narrow+1))
	assert.Path(t, lost.Request, "ns0:eth0 out ttl 64", "near:eth0 in ttl 64")
	assert.Path(t, lost.Error, f.hop("near:eth0", f.addr(1, 1), f.addr(1, 2), "out ttl 64"), "ns0:eth0 in ttl 64")
	said := assert.Seen(t, lost.Window, capture.Match{Node: "ns0", Direction: capture.In, Kind: capture.PacketTooBig, MTU: narrow})
	quoted, ok := said.Quoted()
	require.True(lab, ok, "%s", said)
	require.Equal(lab, narrow+1, quoted.Length, "what the error is about: %s", quoted)

	lab.Step("remembered")
	// The sender knows, for this destination: it cuts, or refuses what must not be
	// cut; of another address it knows nothing.
	require.Equal(lab, narrow, knownMTU(lab, ns0, f.addr(3, 2)))
	require.Zero(lab, knownMTU(lab, ns0, f.addr(3, 3)))
	refused := assert.Unreachable(t, ns0, f.addr(3, 2), assert.MessageTooLong.By("local"), filling(narrow+1), assert.DontFragment())
	assert.NotSeen(t, refused.Window, capture.Match{Kind: capture.EchoRequest})
	if f.v6 {
		// The answer is as large, and routers of IPv6 cut nothing: ns1 is told, too. (That
		// of IPv4 may be cut on its way, since the kernel does not forbid it.)
		answer := assert.Unreachable(t, ns0, f.addr(3, 2), assert.Silence, filling(narrow+1))
		assert.Path(t, answer.Reply, "ns1:eth0 out ttl 64", "far:eth1 in ttl 64")
		assert.Seen(t, answer.Window, capture.Match{Node: "ns1", Direction: capture.In, Kind: capture.PacketTooBig, MTU: narrow})
		require.Equal(lab, narrow, knownMTU(lab, ns1, f.addr(1, 2)))
	}
	before := ns1.Counters()
	cut := assert.Reachable(t, ns0, f.addr(3, 2), filling(narrow+1))
	assert.TTL(t, cut, 62)
	sent := cut.Window.Find(capture.Match{Node: "ns0", Interface: "eth0", Direction: capture.Out, Dst: cut.Request.First().Dst})
	require.Len(lab, sent, 2)
	require.True(lab, sent[0].Fragment.More, "%s", sent[0])
	require.LessOrEqual(lab, sent[0].Length, 14+narrow)
	require.EqualValues(lab, 1, ns1.Counters().Since(before)[f.counter("IpReasmOKs")])

	lab.Step("the error is filtered")
	kind := map[bool]harness.Filter{
		false: {Hook: harness.Output, Protocol: "icmp", ICMPType: harness.ICMPType(3)},
		true:  {Hook: harness.Output, Protocol: "icmpv6", ICMPType: harness.ICMPType(2)},
	}[f.v6]
	filter := near.Drop(kind)
	hole := assert.Unreachable(t, ns0, f.addr(3, 3), assert.Silence, filling(narrow+1))
	assert.Path(t, hole.Request, "ns0:eth0 out ttl 64", "near:eth0 in ttl 64")
	assert.NotSeen(t, hole.Window, capture.Match{Kind: capture.PacketTooBig})
	require.EqualValues(lab, 1, filter.Packets())
	require.Zero(lab, knownMTU(lab, ns0, f.addr(3, 3)))
	assert.Reachable(t, ns0, f.addr(3, 3), filling(narrow))
	// What is remembered helps the other address on.
	assert.Reachable(t, ns0, f.addr(3, 2), filling(narrow+1))

	lab.Step("told by a route")
	// A way out: a route that knows.
	ns0.AddRoute(f.net(3), f.addr(1, 1), harness.RouteMTU(narrow))
	assert.Reachable(t, ns0, f.addr(3, 3), filling(narrow+1))
	return lab
}

// echoHeaders are the bytes of an echo before its payload: those of the IP header
// and of ICMP.
func (f family) echoHeaders() int {
	if f.v6 {
		return 40 + 8
	}
	return 20 + 8
}

// knownMTU is what a node knows of the MTU of the path to an address, 0 for
// nothing.
func knownMTU(lab *harness.Lab, n *harness.Node, to string) int {
	lab.Helper()
	r, err := n.RouteTo(to)
	require.NoError(lab, err)
	return r.MTU
}
