package scenarios

import (
	"net"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestFreshNamespace: a fresh namespace holds nothing but `lo`, and that is
// down. Until it is up, the namespace's own addresses do not answer it; peers
// do. Network 1 in the README's table.
//
//	host veth0 ------------ veth1 ns0 lo
func TestFreshNamespace(t *testing.T) { bothFamilies(t, freshNamespace) }

func freshNamespace(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host, ns0 := lab.Node("host"), lab.Node("ns0", harness.LoopbackDown())
	loopback := f.either("127.0.0.1", "::1")

	// Where the machine has loaded a tunnel module, that puts a device of its own
	// into every namespace (net.core.fb_tunnels_only_for_init_net), down as `lo`.
	require.Equal(lab, "down", ns0.Interface("lo").OperState, "the state of lo")
	usual := []string{"lo", "tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6tnl0", "ip6gre0"}
	for _, i := range ns0.Interfaces() {
		require.Contains(lab, usual, i.Name, "what a fresh namespace has besides lo")
		require.False(lab, i.Up(), "%s is up", i.Name)
		require.Empty(lab, i.Addresses, "the addresses of %s", i.Name)
	}
	require.Empty(lab, ns0.TableRoutes(0), "routes of ns0")
	require.Empty(lab, ns0.Rules(), "packet-filter rules of ns0")
	require.Empty(lab, ns0.Neighbors(), "neighbours of ns0")

	// Peers reach each other all the same. Their neighbour tables are two.
	lab.Connect(host.Port("veth0", f.with(1, 1)), ns0.Port("veth1", f.with(1, 2)))
	host.AddNeighbor("veth0", f.addr(1, 9), net.HardwareAddr{2, 0, 0, 0, 0, 9})
	assert.NoNeighbor(t, ns0, f.addr(1, 9))
	assert.NoNeighbor(t, ns0, f.addr(1, 1))
	assert.TTL(t, assert.Reachable(t, host, f.addr(1, 2)), 64)
	echo := assert.Reachable(t, ns0, f.addr(1, 1))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request, "ns0:veth1 out ttl 64", "host:veth0 in ttl 64")
	assert.Neighbor(t, ns0, f.addr(1, 1), host.MAC("veth0"))
	assert.NoNeighbor(t, ns0, f.addr(1, 9))

	// To its own address the kernel has a way, through `lo`: the request is
	// counted, and seen nowhere. To the loopback address it has none.
	before := ns0.Counters()
	lost := assert.Unreachable(t, ns0, f.addr(1, 2), assert.Silence)
	assert.Packets(t, lost.Window)
	require.EqualValues(lab, 1, ns0.Counters().Since(before)[f.either("IcmpOutEchos", "Icmp6OutEchos")], "echo requests that ns0 has counted")
	assert.Packets(t, assert.Unreachable(t, ns0, loopback, assert.NoRoute.By("local")).Window)

	ns0.LoopbackUp()
	for _, own := range []string{f.addr(1, 2), loopback} {
		echo := assert.Reachable(t, ns0, own)
		assert.TTL(t, echo, 64)
		assert.Path(t, echo.Request, f.hop("ns0:lo", own, own, "out ttl 64"), f.hop("ns0:lo", own, own, "in ttl 64"))
	}
	lo := ns0.Interface("lo")
	require.EqualValues(lab, 4, lo.Sent.Packets, "sent by lo: two requests and two replies")
	require.Equal(lab, lo.Sent.Packets, lo.Received.Packets, "sent and received by lo")
	return lab
}
