package harness_test

import (
	"io"
	"syscall"
	"testing"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConnectMakesWhatWasAsked(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	a, b := lab.Node("a"), lab.Node("b")
	pa, pb := a.Port("veth0", "192.168.0.1/24", "fd00::1/64"), b.Port("veth0")
	lab.Connect(pa, pb, harness.MTU(1400))

	ia, ib := a.Interface("veth0"), b.Interface("veth0")
	assert.Equal(t, "02:00:01:00:00:01", ia.MAC.String(), "first interface of the first node")
	assert.Equal(t, "02:00:02:00:00:01", ib.MAC.String())
	assert.NotEqual(t, ia.Index, ib.Index, "each end has an index of its own")
	assert.Equal(t, ib.Index, ia.PeerIndex)
	assert.Equal(t, ia.Index, ib.PeerIndex)
	assert.Equal(t, a.NetnsID(b), ia.PeerNetns)
	assert.Equal(t, b.NetnsID(a), ib.PeerNetns)
	assert.NotEqual(t, -1, a.NetnsID(b), "the cable has made the two namespaces known to each other")
	assert.Equal(t, -1, a.NetnsID(lab.Node("c")), "of an unknown one the kernel has no number")
	assert.Equal(t, 1400, ia.MTU)
	assert.Equal(t, 1400, ib.MTU)
	assert.Equal(t, "veth", ia.Kind)
	for _, i := range []harness.Interface{ia, ib} {
		assert.Equal(t, "up", i.OperState)
		assert.True(t, i.Up())
		assert.False(t, i.NoCarrier)
	}
	require.Len(t, ia.Addresses, 3, "IPv4, IPv6 and link-local")
	for _, x := range ia.Addresses {
		assert.False(t, x.Tentative, "%s can be used at once", x.Prefix)
	}
	assert.Empty(t, ib.Addresses, "IPv6 is off on a node without an IPv6 address")
	assert.True(t, a.Interface("lo").Up())
}

func TestBareNode(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	n := lab.Node("bare", harness.LoopbackDown())
	assert.False(t, n.Interface("lo").Up())
	assert.Empty(t, n.Routes())
	assert.Empty(t, n.Neighbors())
	assert.Empty(t, n.Rules())

	n.LoopbackUp()
	lo := n.Interface("lo")
	assert.True(t, lo.Up())
	require.Len(t, lo.Addresses, 2, "127.0.0.1 and ::1")
	for _, a := range lo.Addresses {
		assert.False(t, a.Tentative, "%s can be used at once", a.Prefix)
	}
}

// A node may have IPv6 and, for IPv4 alone, a link that is too narrow for IPv6,
// in either order.
func TestNarrowLinkBesideIPv6(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	r, narrow, wide := lab.Node("r"), lab.Node("narrow"), lab.Node("wide")
	lab.Connect(r.Port("n1", "10.0.1.1/24"), narrow.Port("n", "10.0.1.2/24"), harness.MTU(1000))
	lab.Connect(r.Port("w", "fd00::1/64"), wide.Port("w", "fd00::2/64"))
	lab.Connect(r.Port("n2", "10.0.2.1/24"), wide.Port("n"), harness.MTU(1000))
	r.Bridge("br0", harness.BridgeMTU(576), harness.Address("10.0.3.1/24"))
	for _, to := range []struct {
		node    *harness.Node
		address string
	}{{wide, "[fd00::2]:80"}, {narrow, "10.0.1.2:80"}} {
		to.node.Serve("tcp", ":80")
		c, err := r.Dial("tcp", to.address)
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
}

// What lo was given while it was down can be used as soon as LoopbackUp returns.
func TestLoopbackUpIsWaitedFor(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	for _, n := range lab.Nodes("n%d", 20, harness.LoopbackDown()) {
		n.AddAddress("lo", "fd00::7/128")
		n.LoopbackUp()
		for _, address := range []string{"[fd00::7]:0", "[::1]:0", "127.0.0.1:0"} {
			l, err := n.Listen("tcp", address)
			require.NoError(t, err, "node %s", n)
			conn, err := n.Dial("tcp", l.Addr().String())
			require.NoError(t, err, "node %s", n)
			require.NoError(t, conn.Close())
		}
	}
}

func TestDownAndUpAreSeenAtBothEnds(t *testing.T) {
	t.Parallel()
	_, a, b, cable := pair(t)
	for range 3 {
		cable.A.Down()
		assert.Equal(t, "down", a.Interface("veth0").OperState)
		assert.True(t, b.Interface("veth1").NoCarrier)
		assert.Contains(t, []string{"down", "lowerlayerdown"}, b.Interface("veth1").OperState, "LOWERLAYERDOWN up to Linux 6.1, DOWN from 6.12")
		cable.A.Up()
		assert.Equal(t, "up", a.Interface("veth0").OperState)
		assert.Equal(t, "up", b.Interface("veth1").OperState)
	}
}

func TestLeaveDown(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	a, b := lab.Node("a"), lab.Node("b")
	cable := lab.Connect(a.Port("veth0", "192.168.0.1/24"), b.Port("veth1"), harness.LeaveDown())
	assert.False(t, a.Interface("veth0").Up())
	assert.Empty(t, a.Routes(), "a connected route appears when the interface goes up")
	cable.A.Up()
	cable.B.Up()
	require.Len(t, a.Routes(), 1)
	assert.Equal(t, "192.168.0.0/24 dev veth0 proto kernel scope link src 192.168.0.1", a.Routes()[0].String())
}

func TestMove(t *testing.T) {
	t.Parallel()
	lab, a, b, cable := pair(t)
	c := lab.Node("c")
	require.NoError(t, cable.A.Move(c))
	assert.False(t, a.HasInterface("veth0"))
	moved := c.Interface("veth0")
	assert.False(t, moved.Up(), "a moved interface is down")
	assert.Empty(t, moved.Addresses, "and has lost its addresses")
	assert.Equal(t, c, cable.A.Node())

	// A name that is taken: it stays where it is.
	d := lab.Node("d")
	taken := lab.Connect(d.Port("veth0"), b.Port("other"))
	err := taken.A.Move(c)
	require.ErrorIs(t, err, syscall.EEXIST)
	assert.Contains(t, err.Error(), "move d:veth0 to node c: file exists")
	assert.True(t, d.HasInterface("veth0"))

	// In its new node it is a port like any other.
	cable.A.Up()
	cable.A.AddAddress("192.168.0.9/24")
	_, err = c.RouteTo("192.168.0.2")
	require.NoError(t, err)
}

func TestRename(t *testing.T) {
	t.Parallel()
	_, a, _, cable := pair(t)
	cable.A.Rename("eth0")
	assert.True(t, a.HasInterface("eth0"))
	assert.False(t, a.HasInterface("veth0"))
	assert.Equal(t, "a:eth0", cable.A.String())
	assert.Equal(t, "up", a.Interface("eth0").OperState)
	cable.A.Rename("veth0")
	assert.True(t, a.HasInterface("veth0"))
}

func TestInjectedFramesArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	lab, _, b, cable := pair(t)
	frame := append([]byte{2, 0, 2, 0, 0, 1, 2, 0, 1, 0, 0, 1, 0x88, 0xb6}, "anything at all"...)
	w := lab.Record(func() { cable.A.Inject(frame, frame) })
	arrived := w.Find(capture.Match{Node: b.Name(), Direction: capture.In, EtherType: 0x88b6})
	require.Len(t, arrived, 2)
	assert.Equal(t, frame, arrived[0].Data)
}

func TestWithoutOffloadsFramesFitTheMTU(t *testing.T) {
	t.Parallel()
	for _, offloads := range []bool{true, false} {
		lab := harness.New(t)
		a, b := lab.Node("a"), lab.Node("b")
		var options []harness.LinkOption
		if !offloads {
			options = append(options, harness.WithoutOffloads())
		}
		lab.Connect(a.Port("veth0", "192.168.0.1/24"), b.Port("veth1", "192.168.0.2/24"), options...)
		b.Serve("tcp", ":9")
		longest := 0
		w := lab.Record(func() {
			conn, err := a.Dial("tcp", "192.168.0.2:9")
			require.NoError(lab, err)
			defer conn.Close()
			data := make([]byte, 60000)
			go func() { _, _ = conn.Write(data) }()
			_, err = io.ReadFull(conn, make([]byte, len(data)))
			require.NoError(lab, err)
		})
		for _, p := range w.Find(capture.Match{Node: "a", Direction: capture.Out, Protocol: 6}) {
			longest = max(longest, p.Length)
			if !offloads {
				assert.Empty(t, p.BadChecksums())
			}
		}
		if offloads {
			assert.Greater(t, longest, 1514, "a veth hands over unsegmented frames")
		} else {
			assert.Equal(t, 1514, longest)
		}
	}
}

// Packets are named as of their time.
func TestRenameNamesPacketsByTheirTime(t *testing.T) {
	t.Parallel()
	lab, a, _, cable := pair(t)
	c, err := a.Dial("udp", "192.168.0.2:9")
	require.NoError(t, err)
	defer c.Close()
	for i := range 50 {
		before := cable.A.Name()
		w := lab.Record(func() {
			_, _ = c.Write([]byte{byte(i)}) // nobody listens, which the next write is told
			cable.A.Rename([]string{"one", "two"}[i%2])
		})
		for _, p := range w.Find(capture.Match{Node: "a", Kind: capture.UDP}) {
			assert.Equal(t, before, p.Interface)
		}
	}
}

func TestHardwareAddressesAreNotGivenTwice(t *testing.T) {
	t.Parallel()
	lab, a, b, cable := pair(t)
	second := a.Port("second")
	lab.Connect(second, b.Port("other"))
	require.NoError(t, cable.A.Move(lab.Node("c")))
	third := a.Port("third")
	lab.Connect(third, b.Port("another"))
	assert.NotEqual(t, second.MAC(), third.MAC())
}

func TestDoWithoutFunction(t *testing.T) {
	require.ErrorContains(t, harness.New(t).Node("a").Do(nil), "in node a: Do was given no function")
}
