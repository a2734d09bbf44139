package scenarios

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestPortForwardHairpin: those behind the host call the host's port, and are
// sent back to their own bridge. The server answers them without the host, from
// an address that they have not called; a masquerade rule mends that. Network 18
// in the README's table, with bridge-nf off.
//
//	client eth0 --- eth0 host | br0 | veth1 --- eth0 web
//	                          |     | veth2 --- eth0 ns2
func TestPortForwardHairpin(t *testing.T) { onEachBackend(t, portForwardHairpin) }

// hairpin is the network of both tests of that name: the port is forwarded
// whoever calls, those on the bridge included.
type hairpin struct {
	*harness.Lab
	client, host, web, ns2 *harness.Node
	veth1                  *harness.Port
	called                 string
}

func newHairpin(t testing.TB, f family, backend string) hairpin {
	lab := harness.New(t, harness.WithBackend(backend))
	h := hairpin{Lab: lab, client: lab.Node("client"), host: lab.Node("host"), web: lab.Node("web"), ns2: lab.Node("ns2"), called: f.tcp(9, 1, 8088)}
	br0 := h.host.Bridge("br0", harness.Address(f.with(1, 254)))
	h.veth1 = lab.Connect(h.web.Port("eth0", f.with(1, 1)), br0.Port("veth1")).B
	lab.Connect(h.ns2.Port("eth0", f.with(1, 2)), br0.Port("veth2"))
	lab.Connect(h.client.Port("eth0", f.with(9, 2)), h.host.Port("eth0", f.with(9, 1)))
	h.web.AddDefaultRoute(f.addr(1, 254))
	h.ns2.AddDefaultRoute(f.addr(1, 254))
	h.host.EnableForwarding()
	h.web.Serve("tcp", ":80")
	h.host.PortForward(harness.Forward{Port: 8088, To: at(f, 1, 1, 80).String()})
	return h
}

func portForwardHairpin(t testing.TB, f family, backend string) *harness.Lab {
	h := newHairpin(t, f, backend)
	assert.TTL(t, assert.Reachable(t, h.client, h.called), 63)

	// The call goes in by br0 and out by br0. The answer does not go back to the
	// host, which alone knows of the translation: who called does not know whose
	// it is, and resets it.
	lost := assert.Unreachable(t, h.ns2, h.called, assert.Silence)
	assert.Path(t, lost.Request, "ns2:eth0 "+to(f, 1, 2, 9, 1, 8088)+" out ttl 64", "host:veth2 in", "host:br0 in ttl 64",
		"host:br0 "+to(f, 1, 2, 1, 1, 80)+" out ttl 63", "host:veth1 out", "web:eth0 "+to(f, 1, 2, 1, 1, 80)+" in ttl 63")
	wrong := assert.Seen(t, lost.Window, capture.Match{Node: "web", Direction: capture.Out, TCPFlags: capture.SYN | capture.ACK})
	assert.Path(t, lost.Window.Follow(wrong), "web:eth0 "+at(f, 1, 1, 80).String()+" > "+f.addr(1, 2)+" out ttl 64", "host:veth1 in", "host:veth2 out",
		"ns2:eth0 "+at(f, 1, 1, 80).String()+" > "+f.addr(1, 2)+" in ttl 64")
	reset := assert.Seen(t, lost.Window, capture.Match{Node: "ns2", Direction: capture.Out, TCPFlags: capture.RST})
	assert.Path(t, lost.Window.Follow(reset), "ns2:eth0 "+to(f, 1, 2, 1, 1, 80)+" out", "host:veth2 in", "host:veth1 out", "web:eth0 in")

	// The target that calls itself gets a packet from its own address: IPv4 drops
	// it, IPv6 answers on lo, where nobody has called that address either.
	self := assert.Unreachable(t, h.web, h.called, assert.Silence)
	assert.Path(t, self.Request, "web:eth0 "+to(f, 1, 1, 9, 1, 8088)+" out ttl 64", "host:veth1 in", "host:br0 in",
		"host:br0 "+to(f, 1, 1, 1, 1, 80)+" out ttl 63", "host:veth1 out", "web:eth0 "+to(f, 1, 1, 1, 1, 80)+" in ttl 63")
	onLo := capture.Match{Node: "web", Interface: "lo", Direction: capture.In, TCPFlags: capture.SYN | capture.ACK, SrcPort: 80}
	if f.v6 {
		assert.Seen(t, self.Window, onLo)
	} else {
		assert.NotSeen(t, self.Window, onLo)
	}

	rule := h.host.Masquerade(harness.NAT{Source: f.net(1), Destination: f.addr(1, 1), Protocol: "tcp", Port: 80, Out: "br0"})
	for i, n := range []*harness.Node{h.web, h.ns2} {
		call := assert.Reachable(t, n, h.called)
		assert.TTL(t, call, 63)
		require.Equal(h, f.addr(1, 254), call.ServerSaw.Addr().String(), "the server sees the bridge")
		own, port := n.Name()+":eth0", []string{"host:veth1", "host:veth2"}[i]
		assert.Path(t, call.Request, own+" "+to(f, 1, i+1, 9, 1, 8088)+" out", port+" in", "host:br0 in",
			"host:br0 "+to(f, 1, 254, 1, 1, 80)+" out ttl 63", "host:veth1 out", "web:eth0 in ttl 63")
		assert.Path(t, call.Reply, "web:eth0 "+at(f, 1, 1, 80).String()+" > "+f.addr(1, 254)+" out", "host:veth1 in", "host:br0 in",
			"host:br0 "+at(f, 9, 1, 8088).String()+" > "+f.addr(1, i+1)+" out ttl 63", port+" out", own+" in ttl 63")
		assert.Connection(t, h.host, harness.Connection{Protocol: "tcp", SourceNAT: true, DestinationNAT: true,
			Original: harness.Tuple{Source: at(f, 1, i+1, 0), Destination: at(f, 9, 1, 8088)},
			Reply:    harness.Tuple{Source: at(f, 1, 1, 80), Destination: call.ServerSaw}})
	}
	require.EqualValues(h, 2, rule.Packets())
	assert.Neighbor(t, h.web, f.addr(1, 254), h.host.MAC("br0"))

	// Who calls from outside is seen as before.
	call := assert.Reachable(t, h.client, h.called)
	require.Equal(h, f.addr(9, 2), call.ServerSaw.Addr().String())
	return h.Lab
}

// TestPortForwardHairpinTimesOut: what the caller of TestPortForwardHairpin is
// told in the end, without the rule that mends it. Network 18 in the README's
// table.
func TestPortForwardHairpinTimesOut(t *testing.T) {
	bothFamilies(t, func(t testing.TB, f family) *harness.Lab {
		h := newHairpin(t, f, "nftables")
		// The kernel gives up when it would send the SYN a third time, which this
		// brings forward to right after the second: 1 s, and not 7 s with
		// tcp_syn_retries at its smallest or minutes without anything.
		impatient := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
			var refused error
			err := c.Control(func(fd uintptr) { refused = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 1) })
			return errors.Join(err, refused)
		}}
		calling := h.Record(func() {
			err := h.ns2.Do(func() error {
				conn, err := impatient.Dial("tcp", strings.TrimPrefix(h.called, "tcp:"))
				if err == nil {
					conn.Close()
				}
				return err
			})
			require.ErrorIs(h, err, syscall.ETIMEDOUT)
		})
		for _, m := range []capture.Match{{Direction: capture.Out, TCPFlags: capture.SYN}, {Direction: capture.In, TCPFlags: capture.SYN | capture.ACK}, {Direction: capture.Out, TCPFlags: capture.RST}} {
			m.Node = "ns2"
			require.GreaterOrEqual(h, len(calling.Find(m)), 2, "a SYN, its answer from the wrong address and the reset: each at least twice")
		}
		return h.Lab
	})
}
