package scenarios

import (
	"fmt"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestECMP: a route with two next hops. What a flow is depends on the hash
// policy: by addresses alone all that ns0 sends goes one way; by ports too its
// flows spread, and each stays on its way. One without carrier is left out.
//
//	                   left0 --- eth0 left eth1 --- left0
//	ns0 eth0 --- eth0 edge                            server lo
//	                  right0 --- eth0 right eth1 --- right0
func TestECMP(t *testing.T) { bothFamilies(t, ecmp) }

func ecmp(t testing.TB, f family) *harness.Lab {
	w := newTwoWays(t, f)
	lab, ns0, edge, server := w.lab, w.ns0, w.edge, w.server
	service := "udp:" + at(f, 9, 1, 7).String()
	server.Serve("udp", at(f, 9, 1, 7).String())
	// Every neighbour is known before flows choose their ways.
	for _, hop := range []struct {
		from *harness.Node
		to   string
	}{{ns0, f.addr(1, 1)}, {edge, f.addr(2, 2)}, {edge, f.addr(3, 2)}, {w.left, f.addr(4, 2)}, {w.right, f.addr(5, 2)}} {
		assert.Reachable(t, hop.from, hop.to)
	}
	assert.Unreachable(t, ns0, f.addr(9, 1), assert.NetUnreachable.By("edge"))
	edge.AddRoute(f.net(9), "", harness.Hop(f.addr(2, 2), "", 1), harness.Hop(f.addr(3, 2), "right0", 1))
	require.Equal(lab, "left0 1, right0 1", hopsTo(edge, f.net(9)))
	if f.v6 {
		// A socket of IPv6 has a flow label of its own, which is hashed with the
		// addresses: it would be enough to spread the flows.
		ns0.SetSysctl("net.ipv6.auto_flowlabels", 0)
		edge.SetSysctl("net.ipv6.auto_flowlabels", 0)
	}
	policy := f.either("net.ipv4", "net.ipv6") + ".fib_multipath_hash_policy"

	lab.Step("by addresses")
	require.Equal(lab, "0", edge.Sysctl(policy))
	first := wayOf(assert.Reachable(t, ns0, service))
	for range 8 {
		require.Equal(lab, first, wayOf(assert.Reachable(t, ns0, service)), "the way of a flow between the same addresses")
	}

	lab.Step("by ports too")
	edge.SetSysctl(policy, 1)
	w.spreads(t, service)
	w.stays(t, at(f, 9, 1, 7).String())

	lab.Step("one next hop without carrier")
	for _, name := range []string{"left0", "right0"} {
		edge.SetSysctl(f.either("net.ipv4", "net.ipv6")+".conf."+name+".ignore_routes_with_linkdown", 1)
	}
	w.leftCable.B.Down()
	require.Equal(lab, "left0 1 dead linkdown, right0 1", hopsTo(edge, f.net(9)))
	for range 8 {
		require.Equal(lab, "right", wayOf(assert.Reachable(t, ns0, service)), "the way while left0 has no carrier")
	}

	lab.Step("back again")
	w.leftCable.B.Up()
	if f.v6 { // it went with the interface
		w.leftCable.B.AddAddress(f.with(2, 2))
	}
	require.Equal(lab, "left0 1, right0 1", hopsTo(edge, f.net(9)))
	assert.Reachable(t, edge, f.addr(2, 2))
	w.spreads(t, service)
	return lab
}

// wayOf is the node between edge and server that a packet went by.
func wayOf(e *assert.Exchange) string {
	for _, name := range []string{"left", "right"} {
		if e.Request.Reached(name) {
			return name
		}
	}
	return "neither"
}

// spreads demands that flows, of which each has a port of its own, take both ways.
// That 64 take the same by chance happens once in 2^63 times.
func (w *twoWays) spreads(t testing.TB, service string) {
	t.Helper()
	taken := map[string]int{}
	for range 64 {
		taken[wayOf(assert.Reachable(t, w.ns0, service))]++
		if taken["left"] > 0 && taken["right"] > 0 {
			return
		}
	}
	t.Fatalf("64 flows took the ways %v, want both left and right", taken)
}

// stays demands that the packets of one flow all take one way.
func (w *twoWays) stays(t testing.TB, service string) {
	t.Helper()
	conn, err := w.ns0.Dial("udp", service)
	require.NoError(t, err)
	defer conn.Close()
	window := w.lab.Record(func() {
		answer := make([]byte, 64)
		for i := range 8 {
			_, err := fmt.Fprintf(conn, "datagram %d", i)
			require.NoError(t, err)
			_, err = conn.Read(answer)
			require.NoError(t, err)
		}
	})
	port := window.First(capture.Match{Node: "ns0", Kind: capture.UDP, Direction: capture.Out}).SrcPort
	left := len(window.Find(capture.Match{Node: "left", Interface: "eth1", Kind: capture.UDP, SrcPort: port}))
	right := len(window.Find(capture.Match{Node: "right", Interface: "eth1", Kind: capture.UDP, SrcPort: port}))
	require.True(t, left == 8 && right == 0 || left == 0 && right == 8, "of one flow of 8 datagrams %d went left and %d right", left, right)
}

// hopsTo are the next hops of a node's route to a prefix: "left0 1, right0 1".
func hopsTo(n *harness.Node, prefix string) (text string) {
	for _, r := range n.Routes() {
		if r.Destination.String() != prefix {
			continue
		}
		for i, h := range r.NextHops {
			if i > 0 {
				text += ", "
			}
			text += fmt.Sprintf("%s %d", h.Device, h.Weight)
			if h.Dead {
				text += " dead"
			}
			if h.LinkDown {
				text += " linkdown"
			}
		}
	}
	return text
}
