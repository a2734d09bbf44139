package scenarios

import (
	"fmt"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
)

// TestBridgeThreeNamespaces: the host, and three namespaces whose interfaces are
// all renamed eth0, on a bridge with an address: each reaches each (network 5 in
// the README's table).
//
//	ns1 veth-ns1 = eth0 --- veth1 |     |
//	ns2 veth-ns2 = eth0 --- veth2 | br0 | host
//	ns3 veth-ns3 = eth0 --- veth3 |     |
func TestBridgeThreeNamespaces(t *testing.T) { bothFamilies(t, bridgeThreeNamespaces) }

func bridgeThreeNamespaces(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host, ns := lab.Node("host"), lab.Nodes("ns%d", 3)
	br0 := host.Bridge("br0")
	for i, n := range ns {
		// Renamed while it is down, as older kernels demand.
		cable := lab.Connect(n.Port("veth-"+n.Name()), br0.Port(fmt.Sprintf("veth%d", i+1)), harness.LeaveDown())
		cable.A.Rename("eth0")
		cable.A.AddAddress(f.with(1, i+1))
		cable.A.Up()
		cable.B.Up()
	}

	// A bridge joins the namespaces without any address; the host is not one of
	// them: it has no route, and nobody answers for the address that it is to have.
	assert.TTL(t, assert.Reachable(t, ns[0], f.addr(1, 2)), 64)
	assert.Packets(t, assert.Unreachable(t, host, f.addr(1, 1), assert.NoRoute).Window)
	ask, _ := f.resolution()
	lost := assert.Unreachable(t, ns[0], f.addr(1, 254), assert.HostUnreachable.By("ns1"))
	assert.Seen(t, lost.Window, capture.Match{Node: "host", Interface: "br0", Direction: capture.In, Kind: ask})
	assert.NoNeighbor(t, ns[0], f.addr(1, 254))

	br0.AddAddress(f.with(1, 254))
	all := append(ns, host)
	for i, from := range all {
		for j, to := range all {
			if i != j {
				address := []string{f.addr(1, 1), f.addr(1, 2), f.addr(1, 3), f.addr(1, 254)}[j]
				assert.TTL(t, assert.Reachable(t, from, address), 64)
				assert.Neighbor(t, from, address, to.MAC([]string{"eth0", "eth0", "eth0", "br0"}[j]))
			}
		}
	}
	for i, n := range ns {
		assert.Learned(t, br0, n.MAC("eth0"), fmt.Sprintf("veth%d", i+1))
	}
	// To the host a packet goes up through br0, between namespaces it does not.
	up := assert.Reachable(t, ns[2], f.addr(1, 254))
	assert.Path(t, up.Request, "ns3:eth0 out ttl 64", "host:veth3 in", "host:br0 in ttl 64")
	assert.Path(t, up.Reply, "host:br0 out ttl 64", "host:veth3 out", "ns3:eth0 in ttl 64")
	across := assert.Reachable(t, ns[2], f.addr(1, 1))
	assert.Path(t, across.Request, "ns3:eth0 out ttl 64", "host:veth3 in", "host:veth1 out", "ns1:eth0 in ttl 64")
	return lab
}
