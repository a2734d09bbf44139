package drops_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/netrig/netrig/internal/drops"
	"github.com/netrig/netrig/internal/ns"
	"github.com/netrig/netrig/internal/sandbox"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

// space is a namespace with lo up.
func space(t testing.TB) *ns.Namespace {
	t.Helper()
	n, err := ns.New()
	require.NoError(t, err)
	t.Cleanup(n.Close)
	h, err := netlink.NewHandleAt(netns.NsHandle(n.Fd()), unix.NETLINK_ROUTE)
	require.NoError(t, err)
	defer h.Close()
	lo, err := h.LinkByName("lo")
	require.NoError(t, err)
	require.NoError(t, h.LinkSetUp(lo))
	return n
}

// unheard sends a UDP datagram to a port of the namespace's own at which nobody
// listens, and waits until the kernel has refused it.
func unheard(t testing.TB, n *ns.Namespace, port int) {
	t.Helper()
	require.NoError(t, n.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return err
		}
		_, err = unix.Write(fd, []byte("hello"))
		if err != nil {
			return err
		}
		// The ICMP error comes after the drop, and by the same CPU's queue.
		if _, err := unix.Read(fd, make([]byte, 1)); !errors.Is(err, unix.ECONNREFUSED) {
			return err
		}
		return nil
	}))
}

// start begins a watch, or skips where the kernel rightly allows none: without
// root on the machine itself, or without what is needed.
func start(t testing.TB, spaces ...*ns.Namespace) *drops.Watch {
	t.Helper()
	var inodes []uint64
	for _, n := range spaces {
		inodes = append(inodes, n.Inode())
	}
	w, err := drops.Start(inodes)
	if _, missing := os.Stat("/sys/kernel/btf/vmlinux"); missing != nil || !machineRoot(t) {
		require.Error(t, err)
		t.Skip(err)
	}
	require.NoError(t, err)
	return w
}

// machineRoot tells whether the test is root on the machine itself, and not in a
// user namespace.
func machineRoot(t testing.TB) bool {
	ids, err := os.ReadFile("/proc/self/uid_map")
	require.NoError(t, err)
	return os.Geteuid() == 0 && strings.Join(strings.Fields(string(ids)), " ") == "0 0 4294967295"
}

func TestDropsOfOneNamespace(t *testing.T) {
	watched, other := space(t), space(t)
	unheard(t, watched, 5) // before: not told
	w := start(t, watched)
	unheard(t, watched, 7)
	unheard(t, other, 9)
	all, err := w.Stop()
	require.NoError(t, err)
	unheard(t, watched, 11) // after
	require.Len(t, all, 1, "%+v", all)
	d := all[0]
	assert.Equal(t, watched.Inode(), d.Inode)
	assert.Equal(t, 1, d.Index, "lo")
	assert.Equal(t, "NO_SOCKET", d.Reason)
	assert.Contains(t, d.Function, "udp")
	assert.EqualValues(t, unix.ETH_P_IP, d.EtherType)
	require.Len(t, d.Packet, 33, "20 bytes of IP, 8 of UDP, and hello")
	assert.Equal(t, []byte{0, 7}, d.Packet[22:24], "the port")
	assert.Equal(t, "hello", string(d.Packet[28:]))
}

// TestMany: what does not fit is left out, and the watch ends all the same.
func TestMany(t *testing.T) {
	n := space(t)
	w := start(t, n)
	for range 600 {
		unheard(t, n, 7)
	}
	all, err := w.Stop()
	require.NoError(t, err)
	assert.Len(t, all, 512)
}

// TestWatchesAtATime: each is told of its own namespaces, although the program
// in the kernel is one, and whoever ends first fetches what both have.
func TestWatchesAtATime(t *testing.T) {
	a, b := space(t), space(t)
	first, second := start(t, a), start(t, b)
	unheard(t, a, 7)
	unheard(t, b, 8)
	unheard(t, a, 9)
	ofFirst, err := first.Stop()
	require.NoError(t, err)
	unheard(t, a, 10) // nobody's any more
	unheard(t, b, 11)
	ofSecond, err := second.Stop()
	require.NoError(t, err)
	assert.Equal(t, []int{7, 9}, ports(ofFirst))
	assert.Equal(t, []int{8, 11}, ports(ofSecond))
}

func ports(all []drops.Drop) []int {
	var list []int
	for _, d := range all {
		list = append(list, int(d.Packet[22])<<8|int(d.Packet[23]))
	}
	return list
}

func BenchmarkWatch(b *testing.B) {
	n := space(b)
	for b.Loop() {
		_, err := start(b, n).Stop()
		require.NoError(b, err)
	}
}
