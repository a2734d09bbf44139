package scenarios

import (
	"slices"
	"syscall"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestMovedInterface: an interface can't be moved into a namespace where its
// name is taken, and stays as it is. Once the name is free it can: it is gone
// from where it was, and arrives down and bare. Network 1 in the README's table.
//
//	host veth1 ------------ veth3 ns0, at first called veth0
//	host veth2 ------------ veth0 ns0, at first host's own
func TestMovedInterface(t *testing.T) { bothFamilies(t, movedInterface) }

func movedInterface(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host, ns0 := lab.Node("host"), lab.Node("ns0")
	first := lab.Connect(host.Port("veth1", f.with(1, 1)), ns0.Port("veth0", f.with(1, 2)))
	cable := lab.Connect(host.Port("veth0", f.with(2, 2)), host.Port("veth2"))

	// Before, the address is the host's own, and answers without a cable.
	own := assert.Reachable(t, host, f.addr(2, 2))
	assert.Path(t, own.Request, "host:lo out ttl 64", "host:lo in ttl 64")
	before := host.Interface("veth0")
	require.Equal(lab, "up", before.OperState, "the state of host:veth0")
	require.True(lab, slices.ContainsFunc(before.Addresses, func(a harness.InterfaceAddress) bool { return a.Prefix.String() == f.with(2, 2) }), "the addresses of host:veth0: %v", before.Addresses)
	require.Equal(lab, cable.B.Index(), before.PeerIndex, "the other end of host:veth0")
	require.Equal(lab, -1, before.PeerNetns, "the namespace of the other end: the same")

	err := cable.A.Move(ns0)
	require.ErrorIs(lab, err, syscall.EEXIST)
	require.ErrorContains(lab, err, "move host:veth0 to node ns0: file exists")
	stayed := host.Interface("veth0")
	require.Equal(lab, before.Flags, stayed.Flags, "the flags of host:veth0")
	require.Equal(lab, before.Addresses, stayed.Addresses, "the addresses of host:veth0")
	require.Equal(lab, first.B.MAC(), ns0.MAC("veth0"), "ns0 has the one that it had")
	assert.Path(t, assert.Reachable(t, host, f.addr(2, 2)).Request, "host:lo out", "host:lo in")

	// The other one is renamed, since to be renamed can cost an interface both
	// (before Linux 6.2): what this one loses it loses by the move.
	first.B.Rename("veth3")
	leaving := host.Interface("veth0")
	require.True(lab, leaving.Up(), "host:veth0 is up until it is moved")
	require.Equal(lab, before.Addresses, leaving.Addresses, "the addresses of host:veth0 until it is moved")
	require.NoError(lab, cable.A.Move(ns0))
	require.False(lab, host.HasInterface("veth0"), "host still has it")
	moved := ns0.Interface("veth0")
	require.False(lab, moved.Up(), "ns0:veth0 is up")
	require.Equal(lab, "down", moved.OperState, "the state of ns0:veth0")
	require.Empty(lab, moved.Addresses, "the addresses of ns0:veth0")
	require.Equal(lab, before.MAC, moved.MAC, "its hardware address")

	// The other end has noticed, and the host has no way to the address.
	left := host.Interface("veth2")
	require.True(lab, left.Up() && left.NoCarrier, "host:veth2 is up without carrier: %+v", left)
	require.Equal(lab, []int{moved.Index, host.NetnsID(ns0)}, []int{left.PeerIndex, left.PeerNetns}, "index and namespace of the other end of host:veth2")
	assert.Packets(t, assert.Unreachable(t, host, f.addr(2, 2), assert.NoRoute.By("local")).Window)

	// Set up anew, it is an interface like any other.
	cable.A.AddAddress(f.with(2, 2))
	cable.B.AddAddress(f.with(2, 1))
	cable.A.Up()
	echo := assert.Reachable(t, host, f.addr(2, 2))
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request,
		f.hop("host:veth2", f.addr(2, 1), f.addr(2, 2), "out ttl 64"), f.hop("ns0:veth0", f.addr(2, 1), f.addr(2, 2), "in ttl 64"))
	assert.Path(t, echo.Reply, "ns0:veth0 out ttl 64", "host:veth2 in ttl 64")
	assert.Neighbor(t, host, f.addr(2, 2), cable.A.MAC())
	return lab
}
