package scenarios

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestPortForwardDeadTarget: nobody answers for the address that the port leads
// to. The client is told that the host it called is unreachable, about the
// packet that it sent itself: nothing shows where the port leads to. Network 18
// in the README's table.
//
//	client eth0 --- eth0 host | br0 | veth1 --- eth0 web (without its address at first)
func TestPortForwardDeadTarget(t *testing.T) { onEachBackend(t, portForwardDeadTarget) }

func portForwardDeadTarget(t testing.TB, f family, backend string) *harness.Lab {
	lab := harness.New(t, harness.WithBackend(backend))
	client, host, web := lab.Node("client"), lab.Node("host"), lab.Node("web")
	br0 := host.Bridge("br0", harness.Address(f.with(1, 254)))
	eth0 := lab.Connect(web.Port("eth0"), br0.Port("veth1")).A
	lab.Connect(client.Port("eth0", f.with(9, 2)), host.Port("eth0", f.with(9, 1)))
	host.EnableForwarding()

	target := netip.MustParseAddr(f.addr(1, 1))
	ask, tell := f.resolution()
	protocols := []string{"tcp", "udp"}
	for _, protocol := range protocols {
		rule := host.PortForward(harness.Forward{Protocol: protocol, Port: 8088, In: "br0", NotIn: true, To: at(f, 1, 1, 80).String()})
		dead := assert.Unreachable(t, client, protocol+":"+at(f, 9, 1, 8088).String(), assert.HostUnreachable.By("host"))
		require.EqualValues(lab, 1, rule.Packets(), "the packet was translated, before it died in the host")
		assert.Path(t, dead.Request, "client:eth0 "+to(f, 9, 2, 9, 1, 8088)+" out ttl 64", "host:eth0 "+to(f, 9, 2, 9, 1, 8088)+" in ttl 64")
		assert.Seen(t, dead.Window, capture.Match{Node: "web", Interface: "eth0", Direction: capture.In, Kind: ask})
		assert.NotSeen(t, dead.Window, capture.Match{Node: "web", Direction: capture.Out, Kind: tell})
		assert.NeighborState(t, host, f.addr(1, 1), harness.NeighborFailed)

		// The error, and what it quotes, have been translated back.
		assert.Path(t, dead.Error, f.hop("host:eth0", f.addr(9, 1), f.addr(9, 2), "out ttl 64"), f.hop("client:eth0", f.addr(9, 1), f.addr(9, 2), "in ttl 64"))
		quoted, ok := dead.Error.Last().Quoted()
		require.True(lab, ok)
		require.Equal(lab, harness.Tuple{Source: at(f, 9, 2, dead.Request.First().SrcPort), Destination: at(f, 9, 1, 8088)}, tupleOf(quoted))
		assert.NotSeen(t, dead.Window, capture.Match{Node: "client", Func: func(p *capture.Packet) bool {
			return bytes.Contains(p.Data, target.AsSlice()) || p.SrcPort == 80 || p.DstPort == 80
		}})
	}

	// The target comes alive.
	eth0.AddAddress(f.with(1, 1))
	web.AddDefaultRoute(f.addr(1, 254))
	for _, protocol := range protocols {
		web.Serve(protocol, ":80")
		call := assert.Reachable(t, client, protocol+":"+at(f, 9, 1, 8088).String())
		assert.TTL(t, call, 63)
		require.Equal(lab, f.addr(9, 2), call.ServerSaw.Addr().String())
		assert.Path(t, call.Request, "client:eth0 out", "host:eth0 "+to(f, 9, 2, 9, 1, 8088)+" in ttl 64",
			"host:br0 "+to(f, 9, 2, 1, 1, 80)+" out ttl 63", "host:veth1 out", "web:eth0 in ttl 63")
	}
	assert.Neighbor(t, host, f.addr(1, 1), web.MAC("eth0"))
	return lab
}

// tupleOf is where a packet comes from and goes to.
func tupleOf(p *capture.Packet) harness.Tuple {
	return harness.Tuple{Source: netip.AddrPortFrom(p.Src, p.SrcPort), Destination: netip.AddrPortFrom(p.Dst, p.DstPort)}
}
