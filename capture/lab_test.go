package capture

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/ns"
	"github.com/netrig/netrig/internal/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

// host is a namespace of a test, with what tests do in it.
type host struct {
	testing.TB
	name string
	ns   *ns.Namespace
	link *netlink.Handle
	next int
}

func newHost(t testing.TB, name string) *host {
	t.Helper()
	n, err := ns.New()
	require.NoError(t, err)
	t.Cleanup(n.Close)
	handle, err := netlink.NewHandleAt(netns.NsHandle(n.Fd()), unix.NETLINK_ROUTE)
	require.NoError(t, err)
	t.Cleanup(handle.Close)
	h := &host{TB: t, name: name, ns: n, link: handle, next: 10}
	for key, value := range map[string]string{
		"net/ipv6/conf/all/disable_ipv6":     "1",
		"net/ipv6/conf/default/disable_ipv6": "1",
		"net/ipv4/conf/all/rp_filter":        "0",
		"net/ipv4/conf/default/rp_filter":    "0",
		"net/ipv4/ip_forward":                "0",
	} {
		h.sysctl(key, value)
	}
	h.up("lo")
	return h
}

// sysctl is written from inside: /proc/sys/net shows the namespace of the
// thread that opens it.
func (h *host) sysctl(key, value string) {
	h.Helper()
	require.NoError(h, h.ns.Do(func() error {
		return os.WriteFile("/proc/sys/"+key, []byte(value), 0)
	}))
}

func (h *host) byName(name string) netlink.Link {
	h.Helper()
	link, err := h.link.LinkByName(name)
	require.NoError(h, err)
	return link
}

func (h *host) up(name string) {
	h.Helper()
	require.NoError(h, h.link.LinkSetUp(h.byName(name)))
}

// rename gives an interface another name, behind the recording's back, and returns when
// it carries packets again.
func (h *host) rename(from, to string) {
	h.Helper()
	require.NoError(h, h.link.LinkSetDown(h.byName(from)))
	require.NoError(h, h.link.LinkSetName(h.byName(from), to))
	h.up(to)
	require.Eventually(h, func() bool { return h.byName(to).Attrs().OperState == netlink.OperUp }, 5*time.Second, time.Millisecond)
}

// connect makes a cable between two hosts, both ends up, each with an address
// (none if empty), and returns when both carry packets.
func connect(a *host, aName, aAddr string, b *host, bName, bAddr string) {
	a.Helper()
	a.next++
	b.next += 101
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Index, attrs.Namespace = aName, a.next, netlink.NsFd(a.ns.Fd())
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: bName, PeerNamespace: netlink.NsFd(b.ns.Fd())}
	require.NoError(a, a.link.LinkAdd(veth))
	for _, end := range []struct {
		*host
		name, addr string
	}{{a, aName, aAddr}, {b, bName, bAddr}} {
		link := end.byName(end.name)
		if end.addr != "" {
			addr, err := netlink.ParseAddr(end.addr)
			require.NoError(a, err)
			require.NoError(a, end.link.AddrAdd(link, addr))
		}
		require.NoError(a, end.link.LinkSetUp(link))
	}
	for _, end := range []struct {
		*host
		name string
	}{{a, aName}, {b, bName}} {
		require.Eventually(a, func() bool {
			return end.byName(end.name).Attrs().OperState == netlink.OperUp
		}, 5*time.Second, 100*time.Microsecond, "%s:%s comes up", end.host.name, end.name)
	}
}

func (h *host) route(to, via string) {
	h.Helper()
	_, dst, err := net.ParseCIDR(to)
	require.NoError(h, err)
	require.NoError(h, h.link.RouteAdd(&netlink.Route{Dst: dst, Gw: net.ParseIP(via)}))
}

func (h *host) mac(name string) net.HardwareAddr {
	h.Helper()
	return h.byName(name).Attrs().HardwareAddr
}

// neighbour adds a permanent entry, so that no ARP packet is sent.
func (h *host) neighbour(dev, ip string, mac net.HardwareAddr) {
	h.Helper()
	require.NoError(h, h.link.NeighSet(&netlink.Neigh{LinkIndex: h.byName(dev).Attrs().Index, State: netlink.NUD_PERMANENT,
		IP: net.ParseIP(ip), HardwareAddr: mac}))
}

// udp opens a socket in the host that is connected to ip:port.
func (h *host) udp(to string) net.Conn {
	h.Helper()
	var conn net.Conn
	require.NoError(h, h.ns.Do(func() (err error) {
		conn, err = net.Dial("udp", to)
		return err
	}))
	h.Cleanup(func() { conn.Close() })
	return conn
}

// listenUDP opens a socket in the host that receives at ip:port.
func (h *host) listenUDP(at string) net.PacketConn {
	h.Helper()
	var conn net.PacketConn
	require.NoError(h, h.ns.Do(func() (err error) {
		conn, err = net.ListenPacket("udp", at)
		return err
	}))
	h.Cleanup(func() { conn.Close() })
	return conn
}

// pair is two hosts on one cable, 10.0.0.1 and 10.0.0.2, that know each
// other's MAC address.
func pair(t testing.TB) (a, b *host) {
	t.Helper()
	a, b = newHost(t, "a"), newHost(t, "b")
	connect(a, "veth0", "10.0.0.1/24", b, "veth1", "10.0.0.2/24")
	a.neighbour("veth0", "10.0.0.2", b.mac("veth1"))
	b.neighbour("veth1", "10.0.0.1", a.mac("veth0"))
	return a, b
}

// recording makes a recording of the hosts. A recording that lacks packets fails
// the test.
func recording(t testing.TB, hosts ...*host) *Recording {
	t.Helper()
	r := New()
	attach(t, r, hosts...)
	t.Cleanup(func() {
		require.Empty(t, r.Dropped())
		r.Close()
	})
	return r
}

func attach(t testing.TB, r *Recording, hosts ...*host) {
	t.Helper()
	for _, h := range hosts {
		_, err := r.Attach(h.name, h.ns)
		require.NoError(t, err)
	}
}

// onThreads has recordings use threads for all of their nodes, as large labs do.
func onThreads(t testing.TB) {
	t.Helper()
	before := directLimit
	directLimit = 0
	t.Cleanup(func() { directLimit = before })
}

// hold keeps a tap from being read until release is called.
func hold(tap *Tap) (release func()) {
	busy, begun := make(chan struct{}), make(chan struct{})
	go tap.recorder.post(func() error { close(begun); <-busy; return nil })
	<-begun
	return func() { close(busy) }
}

func settle(t testing.TB, r *Recording) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, r.Settle(ctx))
}

func send(t testing.TB, conn net.Conn, format string, args ...any) {
	t.Helper()
	_, err := fmt.Fprintf(conn, format, args...)
	require.NoError(t, err)
}

// inject sends a frame out of an interface.
func (h *host) inject(name string, data []byte) {
	h.Helper()
	index := h.byName(name).Attrs().Index
	require.NoError(h, h.ns.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, data, 0, &unix.SockaddrLinklayer{Ifindex: index})
	}))
}
