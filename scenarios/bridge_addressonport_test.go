package scenarios

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestBridgeAddressOnPort: the host's address is on a port of its bridge, where
// it is of no use: what comes in by the port is the bridge's, answers to what
// the port has asked included. Network 8 in the README's table.
//
//	outside eth0 --- eth0 host | br0 | veth1 (192.168.1.254) --- eth0 ns1
func TestBridgeAddressOnPort(t *testing.T) { bothFamilies(t, bridgeAddressOnPort) }

func bridgeAddressOnPort(t testing.TB, f family) *harness.Lab {
	lab, host, ns1, eth0, _ := addressOnPort(t, f)
	ask, tell := f.resolution()

	// From the port: ns1 is asked, and it answers, over and over.
	dead := assert.Unreachable(t, host, f.addr(1, 1), assert.HostUnreachable.By("host"), assert.Interface("veth1"))
	round := []capture.Match{
		{Node: "host", Interface: "veth1", Direction: capture.Out, Kind: ask},
		{Node: "ns1", Direction: capture.In, Kind: ask},
		{Node: "ns1", Direction: capture.Out, Kind: tell, DstMAC: host.MAC("veth1")},
		{Node: "host", Interface: "veth1", Direction: capture.In, Kind: tell},
		{Node: "host", Interface: "br0", Direction: capture.In, Kind: tell}, // and there nobody has asked
	}
	told := []capture.Match{{Interface: "lo", Direction: capture.Out, Kind: capture.DestinationUnreachable}, {Interface: "lo", Direction: capture.In}}
	assert.Packets(t, dead.Window, slices.Concat(round, round, round, told)...)
	assert.NeighborState(t, host, f.addr(1, 1), harness.NeighborFailed)
	assertIncomplete(t, host, f, tell)

	if f.v6 {
		// From br0: of IPv6 only routes by br0 would do, and there is none.
		none := assert.Unreachable(t, host, f.addr(1, 1), assert.NoRoute, assert.Interface("br0"))
		assert.Packets(t, none.Window)
		return lab
	}
	// From br0: IPv4 takes the target to be on br0's link then, and as br0 has no
	// address it sends from that of the first interface that has one: eth0. (Were
	// eth0 made after veth1, it would be veth1's.)
	assertFromBridge(t, host, ns1, f, f.addr(9, 1))
	// That is all that eth0 is needed for: without its address it goes from
	// veth1's, and the answer is taken in by br0 all the same.
	eth0.DelAddress(f.with(9, 1))
	assertFromBridge(t, host, ns1, f, f.addr(1, 254))
	eth0.AddAddress(f.with(9, 1))
	assertFromBridge(t, host, ns1, f, f.addr(9, 1))
	return lab
}

// assertFromBridge demands that the host reaches ns1 from br0, by the source given,
// and not with reverse path filtering: the route back to ns1 is by veth1.
func assertFromBridge(t testing.TB, host, ns1 *harness.Node, f family, source string) {
	t.Helper()
	host.SetSysctl("net.ipv4.conf.br0.rp_filter", 0)
	echo := assert.Reachable(t, host, f.addr(1, 1), assert.Interface("br0"))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request, f.hop("host:br0", source, f.addr(1, 1), "out ttl 64"), "host:veth1 out", "ns1:eth0 in ttl 64")
	assert.Path(t, echo.Reply, "ns1:eth0 out ttl 64", "host:veth1 in", f.hop("host:br0", f.addr(1, 1), source, "in ttl 64"))
	require.Equal(host.Lab(), "br0", assert.Neighbor(t, host, f.addr(1, 1), ns1.MAC("eth0")).Interface)

	host.SetSysctl("net.ipv4.conf.br0.rp_filter", 1)
	before := host.Counters()
	lost := assert.Unreachable(t, host, f.addr(1, 1), assert.Silence, assert.Interface("br0"))
	assert.Path(t, lost.Reply, "ns1:eth0 out ttl 64", "host:veth1 in", f.hop("host:br0", f.addr(1, 1), source, "in ttl 64"))
	require.EqualValues(host.Lab(), 1, host.Counters().Since(before)["TcpExtIPReversePathFilter"])
}

// addressOnPort is a host with an address on the port of its bridge that leads
// to ns1, and another on an interface of its own. ns1 has a default route that
// leads to the bridge.
func addressOnPort(t testing.TB, f family) (lab *harness.Lab, host, ns1 *harness.Node, eth0, veth1 *harness.Port) {
	t.Helper()
	lab = harness.New(t)
	host, ns1 = lab.Node("host"), lab.Node("ns1")
	eth0 = lab.Connect(host.Port("eth0", f.with(9, 1)), lab.Node("outside").Port("eth0", f.with(9, 2))).A
	br0 := host.Bridge("br0")
	veth1 = br0.Port("veth1", f.with(1, 254))
	lab.Connect(ns1.Port("eth0", f.with(1, 1)), veth1)
	if !f.v6 {
		ns1.AddDefaultRoute("", harness.Device("eth0"))
		return lab, host, ns1, eth0, veth1
	}
	// A host answers ARP for any of its addresses on any of its interfaces, but
	// neighbour solicitations only for those of the interface itself: ns1 would
	// not find eth0's address on the link.
	br0.AddAddress("fe80::1/64")
	ns1.AddDefaultRoute("fe80::1", harness.Device("eth0"))
	return lab, host, ns1, eth0, veth1
}

// assertIncomplete demands that the host's entry for ns1 on veth1 is still
// incomplete when ns1's answer is there. It asks with half a minute between
// tries, so that this is not about who is faster.
func assertIncomplete(t testing.TB, host *harness.Node, f family, tell capture.Kind) {
	t.Helper()
	name := "net.ipv4.neigh.veth1.retrans_time_ms"
	if f.v6 {
		name = "net.ipv6.neigh.veth1.retrans_time_ms"
	}
	fast := host.Sysctl(name)
	host.SetSysctl(name, 30_000)
	host.FlushNeighbors()
	mark := host.Lab().Recording().Start()
	conn, err := host.Dial("udp", strings.TrimPrefix(f.tcp(1, 1, 9), "tcp:"))
	require.NoError(host.Lab(), err)
	defer conn.Close()
	_, err = conn.Write([]byte("anything"))
	require.NoError(host.Lab(), err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err = host.Lab().Recording().Wait(ctx, mark, capture.Match{Node: "host", Interface: "br0", Kind: tell})
	require.NoError(host.Lab(), err)
	assert.NeighborState(t, host, f.addr(1, 1), harness.NeighborIncomplete)
	host.DelNeighbor("veth1", f.addr(1, 1)) // and with it the datagram
	host.SetSysctl(name, fast)
}
