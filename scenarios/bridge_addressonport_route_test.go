package scenarios

import (
	"syscall"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestBridgeAddressOnPortRoute: the way out of TestBridgeAddressOnPort. The
// address goes, and with it the route that the kernel made for it; then the
// subnet is routed by the bridge. Network 8 in the README's table.
//
//	outside eth0 --- eth0 host | br0 | veth1 --- eth0 ns1
func TestBridgeAddressOnPortRoute(t *testing.T) { bothFamilies(t, bridgeAddressOnPortRoute) }

func bridgeAddressOnPortRoute(t testing.TB, f family) *harness.Lab {
	lab, host, ns1, _, veth1 := addressOnPort(t, f)

	// While the address is there, its route is in the way.
	if f.v6 {
		// IPv6 refuses a second route only where the metric is the same, and that
		// of the kernel's own routes is 256. Without one the route is taken, with
		// 1024, and the other is better.
		err := host.TryAddRoute(f.net(1), "", harness.Device("br0"), harness.Metric(256))
		require.ErrorIs(lab, err, syscall.EEXIST)
		host.AddRoute(f.net(1), "", harness.Device("br0"))
	} else {
		require.ErrorIs(lab, host.TryAddRoute(f.net(1), "", harness.Device("br0")), syscall.EEXIST)
	}
	assert.Unreachable(t, host, f.addr(1, 1), assert.HostUnreachable.By("host"))
	assert.NeighborState(t, host, f.addr(1, 1), harness.NeighborFailed)

	veth1.DelAddress(f.with(1, 254))
	if f.v6 {
		host.DelRoute(f.net(1), "", harness.Device("br0"))
	}
	none := assert.Unreachable(t, host, f.addr(1, 1), assert.NoRoute)
	assert.Packets(t, none.Window)

	host.AddRoute(f.net(1), "", harness.Device("br0"))
	echo := assert.Reachable(t, host, f.addr(1, 1))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request, f.hop("host:br0", f.addr(9, 1), f.addr(1, 1), "out ttl 64"), "host:veth1 out", "ns1:eth0 in ttl 64")
	assert.Path(t, echo.Reply, "ns1:eth0 out ttl 64", "host:veth1 in", "host:br0 in ttl 64")
	require.Equal(lab, "br0", assert.Neighbor(t, host, f.addr(1, 1), ns1.MAC("eth0")).Interface)
	assert.NotSeen(t, echo.Window, capture.Match{Node: "outside"})
	return lab
}
