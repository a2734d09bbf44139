package scenarios

import (
	"fmt"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestVethCarrier: a cable with one end down has no carrier at the other, and
// nothing passes, whichever end it is. Network 3 in the README's table.
//
//	host veth0 -----/ /----- veth1 ns0
func TestVethCarrier(t *testing.T) { bothFamilies(t, vethCarrier) }

func vethCarrier(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host, ns0 := lab.Node("host"), lab.Node("ns0")
	cable := lab.Connect(host.Port("veth0", f.with(1, 1)), ns0.Port("veth1", f.with(1, 2)))
	assert.Reachable(t, host, f.addr(1, 2))
	for _, end := range []harness.Interface{host.Interface("veth0"), ns0.Interface("veth1")} {
		require.Equal(lab, "up", end.OperState, "the state of %s", end.Name)
		require.False(lab, end.NoCarrier, "%s is without carrier", end.Name)
	}

	cable.B.Down()
	assertCarrierLost(lab, ns0.Interface("veth1"), host.Interface("veth0"))
	before := counted(cable.A)
	// The host still has its route: it asks for the neighbour, not even that
	// leaves, and it tells itself. The namespace has lost its own route.
	lost := assert.Unreachable(t, host, f.addr(1, 2), assert.HostUnreachable.By("host"))
	assert.NotSeen(t, lost.Window, capture.Match{Interface: "veth0"})
	assert.NotSeen(t, lost.Window, capture.Match{Node: "ns0"})
	assert.NoNeighbor(t, host, f.addr(1, 2))
	assert.Packets(t, assert.Unreachable(t, ns0, f.addr(1, 1), assert.NoRoute.By("local")).Window)
	require.Equal(lab, before, counted(cable.A), "counted by host:veth0 before and after")
	require.Equal(lab, before, counted(cable.B).turned(), "counted by host:veth0 and by ns0:veth1")

	// Up again the way is back; IPv6 addresses go with the interface and don't
	// come back.
	cable.B.Up()
	if f.v6 {
		cable.B.AddAddress(f.with(1, 2))
	}
	echo := assert.Reachable(t, host, f.addr(1, 2))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request, "host:veth0 out ttl 64", "ns0:veth1 in ttl 64")
	assert.Reachable(t, ns0, f.addr(1, 1))
	assert.Neighbor(t, ns0, f.addr(1, 1), cable.A.MAC())

	// The same from the other end, whose neighbour goes with the carrier.
	cable.A.Down()
	assertCarrierLost(lab, host.Interface("veth0"), ns0.Interface("veth1"))
	assert.NoNeighbor(t, ns0, f.addr(1, 1))
	require.Equal(lab, counted(cable.A), counted(cable.B).turned(), "counted by host:veth0 and by ns0:veth1")
	return lab
}

// assertCarrierLost demands what the kernel says of a cable with one end down,
// its other end being in another namespace.
func assertCarrierLost(lab *harness.Lab, down, other harness.Interface) {
	lab.Helper()
	require.False(lab, down.Up(), "%s is up", down.Name)
	require.Equal(lab, "down", down.OperState, "the state of %s", down.Name)
	require.True(lab, other.Up(), "%s is up", other.Name)
	require.True(lab, other.NoCarrier, "%s is without carrier", other.Name)
	require.Equal(lab, operStateWithoutCarrier(lab), other.OperState, "the state of %s", other.Name)
}

// operStateWithoutCarrier is the operational state of a veth whose other end is
// down. Up to 6.1 the kernel took any difference between the two indices for a
// lower layer that is down; since 6.2 it looks for the other end among the
// interfaces of the same namespace, where it is not, and calls it down
// (default_operstate, net/core/link_watch.c).
func operStateWithoutCarrier(t testing.TB) string {
	t.Helper()
	var u unix.Utsname
	require.NoError(t, unix.Uname(&u))
	var major, minor int
	_, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	require.NoError(t, err)
	if major < 6 || major == 6 && minor < 2 {
		return "lowerlayerdown"
	}
	return "down"
}
