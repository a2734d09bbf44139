package scenarios

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestHostAsJump: a namespace behind the bridge is reached from outside by a
// jump over the host, as ssh -J does: a connection to the host, and one from
// there. Neither end knows the other, and nothing is forwarded. (Network 13 in
// the README's table.)
//
//	outside eth0 --- eth0 host | br0 | veth1 --- eth0 ns1
func TestHostAsJump(t *testing.T) { bothFamilies(t, hostAsJump) }

func hostAsJump(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	outside, host, ns1 := lab.Node("outside"), lab.Node("host"), lab.Node("ns1")
	br0 := host.Bridge("br0", harness.Address(f.with(1, 254)))
	lab.Connect(ns1.Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(outside.Port("eth0", f.with(9, 2)), host.Port("eth0", f.with(9, 1)))
	server := ns1.Serve("tcp", ":22")
	at := func(subnet, host int) string {
		return netip.AddrPortFrom(netip.MustParseAddr(f.addr(subnet, host)), 22).String()
	}

	// The host reaches both, and is refused itself; they have no way to each other.
	assert.TTL(t, assert.Reachable(t, host, f.addr(1, 1)), 64)
	assert.TTL(t, assert.Reachable(t, host, f.addr(9, 2)), 64)
	assert.Unreachable(t, outside, f.tcp(9, 1, 22), assert.Reset.By("host"))
	assert.Packets(t, assert.Unreachable(t, outside, f.tcp(1, 1, 22), assert.NoRoute.By("local")).Window)
	assert.Packets(t, assert.Unreachable(t, ns1, f.addr(9, 2), assert.NoRoute.By("local")).Window)

	jump := host.Relay("tcp", at(9, 1), at(1, 1))
	question := []byte("who is there?")
	var session net.Conn
	said := lab.Record(func() {
		var err error
		session, err = outside.Dial("tcp", at(9, 1))
		require.NoError(lab, err)
		lab.Cleanup(func() { session.Close() })
		_, err = session.Write(question)
		require.NoError(lab, err)
		answer := make([]byte, len(question))
		_, err = io.ReadFull(session, answer)
		require.NoError(lab, err)
		require.Equal(lab, question, answer)
	})

	// Two sessions, each with the host at one end. What one says is said anew in
	// the other: none of their packets passes through the host.
	carried := func(from string) *capture.Flight {
		return said.Follow(assert.Seen(t, said, capture.Match{Src: netip.MustParseAddr(from), Payload: question}))
	}
	assert.Path(t, carried(f.addr(9, 2)), "outside:eth0 "+to(f, 9, 2, 9, 1, 22)+" out ttl 64", "host:eth0 in ttl 64")
	assert.Path(t, carried(f.addr(1, 254)), "host:br0 "+to(f, 1, 254, 1, 1, 22)+" out ttl 64", "host:veth1 out", "ns1:eth0 in ttl 64")
	assert.Path(t, carried(f.addr(1, 1)), "ns1:eth0 out ttl 64", "host:veth1 in", "host:br0 in ttl 64")
	assert.Path(t, carried(f.addr(9, 1)), "host:eth0 out ttl 64", "outside:eth0 in ttl 64")
	require.Equal(lab, session.LocalAddr().String(), jump.Peers()[0].String())
	require.Equal(lab, f.addr(1, 254), server.Peers()[0].Addr().String(), "the namespace sees the host")
	require.Zero(lab, host.Counters()[f.counter("IpForwDatagrams")], "forwarded packets")
	assert.Neighbor(t, ns1, f.addr(1, 254), br0.MAC())
	assert.Neighbor(t, outside, f.addr(9, 1), host.MAC("eth0"))

	// By itself the way is as closed as before.
	assert.Packets(t, assert.Unreachable(t, outside, f.addr(1, 1), assert.NoRoute.By("local")).Window)
	return lab
}
