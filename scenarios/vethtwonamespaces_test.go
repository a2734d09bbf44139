package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestVethTwoNamespaces: a cable between two namespaces, first down and bare,
// then with addresses, then up: the connected routes appear by themselves, and
// with them the way. Network 2 in the README's table.
//
//	ns0 veth0 172.16.0.1/16 ------------ 172.16.0.2/16 veth1 ns1
func TestVethTwoNamespaces(t *testing.T) { bothFamilies(t, vethTwoNamespaces) }

func vethTwoNamespaces(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	ns0, ns1 := lab.Node("ns0"), lab.Node("ns1")
	one, two, bits := f.either("172.16.0.1", "fd00:16::1"), f.either("172.16.0.2", "fd00:16::2"), f.either("/16", "/64")
	cable := lab.Connect(ns0.Port("veth0"), ns1.Port("veth1"), harness.LeaveDown())

	// Each end names the other, by its index and its namespace.
	veth0, veth1 := ns0.Interface("veth0"), ns1.Interface("veth1")
	require.Equal(lab, []int{veth1.Index, ns0.NetnsID(ns1)}, []int{veth0.PeerIndex, veth0.PeerNetns}, "the other end of veth0")
	require.Equal(lab, []int{veth0.Index, ns1.NetnsID(ns0)}, []int{veth1.PeerIndex, veth1.PeerNetns}, "the other end of veth1")
	require.NotEqual(lab, -1, veth0.PeerNetns, "the other end of veth0 is in another namespace")

	// Down and bare, and down with addresses: there is no route, and nothing is
	// sent.
	for _, addresses := range []bool{false, true} {
		if addresses {
			cable.A.AddAddress(one + bits)
			cable.B.AddAddress(two + bits)
		}
		for _, n := range []*harness.Node{ns0, ns1} {
			require.Empty(lab, n.Routes(), "routes of %s, with addresses: %t", n, addresses)
		}
		assert.Packets(t, assert.Unreachable(t, ns0, two, assert.NoRoute.By("local")).Window)
		assert.Packets(t, assert.Unreachable(t, ns1, one, assert.NoRoute.By("local")).Window)
	}

	cable.A.Up()
	cable.B.Up()
	for n, want := range map[*harness.Node]string{
		ns0: f.either("172.16.0.0/16 dev veth0 proto kernel scope link src 172.16.0.1", "fd00:16::/64 dev veth0 proto kernel metric 256"),
		ns1: f.either("172.16.0.0/16 dev veth1 proto kernel scope link src 172.16.0.2", "fd00:16::/64 dev veth1 proto kernel metric 256"),
	} {
		var routes []string
		for _, r := range n.Routes() {
			if r.Destination.String() != "fe80::/64" {
				routes = append(routes, r.String())
			}
		}
		require.Equal(lab, []string{want}, routes, "routes of %s", n)
	}

	// The first ping asks for the neighbour, the second knows it.
	ask, tell := f.resolution()
	first := assert.Reachable(t, ns0, two)
	assert.TTL(t, first, 64)
	assert.Path(t, first.Request, f.hop("ns0:veth0", one, two, "out ttl 64"), f.hop("ns1:veth1", one, two, "in ttl 64"))
	assert.Path(t, first.Reply, f.hop("ns1:veth1", two, one, "out ttl 64"), f.hop("ns0:veth0", two, one, "in ttl 64"))
	assert.Seen(t, first.Window, capture.Match{Node: "ns1", Direction: capture.In, Kind: ask})
	assert.Seen(t, first.Window, capture.Match{Node: "ns0", Direction: capture.In, Kind: tell})
	assert.Neighbor(t, ns0, two, cable.B.MAC())
	assert.Neighbor(t, ns1, one, cable.A.MAC())

	back := assert.Reachable(t, ns1, one)
	assert.TTL(t, back, 64)
	assert.Path(t, back.Request, f.hop("ns1:veth1", two, one, "out ttl 64"), f.hop("ns0:veth0", two, one, "in ttl 64"))
	assert.NotSeen(t, back.Window, capture.Match{Kind: ask})
	return lab
}
