package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/ns"
	"github.com/netrig/netrig/internal/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

// topology is client (c0) - gateway (in0, out0) - server (s0), routed, without
// rules. The firewall is the gateway's.
type topology struct {
	*testing.T
	Backend
	family                  Family
	client, gateway, server *ns.Namespace

	clientAddr, inside, outside, spare, serverAddr, absent netip.Addr
	clientNet, serverNet                                   netip.Prefix
}

// everywhere runs a test on each backend and with each family.
func everywhere(t *testing.T, f func(*topology)) {
	eachBackend(t, func(t *testing.T, backend string) {
		for _, family := range []Family{IPv4, IPv6} {
			t.Run(family.String(), func(t *testing.T) {
				t.Parallel()
				f(newTopology(t, backend, family))
			})
		}
	})
}

func eachBackend(t *testing.T, f func(t *testing.T, backend string)) {
	eachOf(t, Names(), f)
}

func eachIPTables(t *testing.T, f func(t *testing.T, backend string)) {
	eachOf(t, []string{IPTables, IPTablesLegacy}, f)
}

func eachOf(t *testing.T, backends []string, f func(t *testing.T, backend string)) {
	t.Parallel()
	for _, name := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := Probe(name); err != nil {
				if sandbox.RequireAll() || name == NFTables {
					t.Fatal(err)
				}
				t.Skip(err)
			}
			f(t, name)
		})
	}
}

func namespace(t testing.TB) *ns.Namespace {
	t.Helper()
	n, err := ns.New()
	require.NoError(t, err)
	t.Cleanup(n.Close)
	return n
}

func open(t testing.TB, name string, n *ns.Namespace) Backend {
	t.Helper()
	b, err := Open(name, n)
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	require.Equal(t, name, b.Name())
	return b
}

func newTopology(t *testing.T, backend string, f Family) *topology {
	l := &topology{T: t, family: f, client: namespace(t), gateway: namespace(t), server: namespace(t)}
	format, length := "10.%d.0.%d", 24
	if f == IPv6 {
		format, length = "fd00:%d::%d", 64
	}
	at := func(net, host int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf(format, net, host)) }
	l.clientAddr, l.inside, l.outside, l.spare, l.serverAddr = at(1, 2), at(1, 1), at(2, 1), at(3, 1), at(2, 2)
	l.absent = at(2, 99)
	l.clientNet = netip.PrefixFrom(l.clientAddr, length).Masked()
	l.serverNet = netip.PrefixFrom(l.serverAddr, length).Masked()

	for _, n := range []*ns.Namespace{l.client, l.gateway, l.server} {
		for _, setting := range []string{
			"ipv6/conf/all/accept_dad=0", "ipv6/conf/default/accept_dad=0", "ipv4/conf/all/rp_filter=0",
			"ipv4/conf/default/rp_filter=0", "ipv4/icmp_ratemask=0", "ipv6/icmp/ratelimit=0", "ipv6/icmp/ratemask=",
		} {
			l.sysctl(n, setting)
		}
		l.cable(n, "lo", nil, "", nil, 0)
	}
	l.sysctl(l.gateway, "ipv4/ip_forward=1")
	l.sysctl(l.gateway, "ipv6/conf/all/forwarding=1")
	l.cable(l.client, "c0", l.gateway, "in0", []netip.Addr{l.clientAddr, l.inside}, length)
	l.cable(l.gateway, "out0", l.server, "s0", []netip.Addr{l.outside, l.serverAddr}, length)
	// On lo, so that it is not a candidate for the source of what goes out.
	l.address(l.gateway, "lo", l.spare, l.spare.BitLen())
	l.route(l.client, l.inside)
	l.route(l.server, l.outside)
	l.Backend = open(t, backend, l.gateway)
	return l
}

// Name is the test's, which both embedded fields have a method for.
func (l *topology) Name() string { return l.T.Name() }

func (l *topology) sysctl(n *ns.Namespace, setting string) {
	l.Helper()
	var name, value string
	for i := range setting {
		if setting[i] == '=' {
			name, value = setting[:i], setting[i+1:]
		}
	}
	require.NoError(l, n.Do(func() error { return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644) }))
}

func (l *topology) handle(n *ns.Namespace) (h *netlink.Handle) {
	l.Helper()
	require.NoError(l, n.Do(func() (err error) { h, err = netlink.NewHandle(unix.NETLINK_ROUTE); return err }))
	l.Cleanup(h.Close)
	return h
}

// cable connects two namespaces. It gives every interface an index of its own: a veth whose ends have
// the same one is slow to come up.
func (l *topology) cable(a *ns.Namespace, nameA string, b *ns.Namespace, nameB string, addrs []netip.Addr, length int) {
	l.Helper()
	h := l.handle(a)
	if b != nil {
		link := netlink.NewLinkAttrs()
		link.Name, link.Index = nameA, int(nameA[0])
		require.NoError(l, h.LinkAdd(&netlink.Veth{LinkAttrs: link, PeerName: nameB, PeerNamespace: netlink.NsFd(b.Fd())}))
		for n, name := range map[*ns.Namespace]string{a: nameA, b: nameB} { // a neighbour request that is lost costs little
			l.sysctl(n, "ipv4/neigh/"+name+"/retrans_time_ms=20")
			l.sysctl(n, "ipv6/neigh/"+name+"/retrans_time_ms=20")
		}
		l.address(a, nameA, addrs[0], length)
		l.address(b, nameB, addrs[1], length)
		l.up(b, nameB)
	}
	l.up(a, nameA)
	if b != nil { // a look at each end, once both are up, also completes the carrier
		for n, name := range map[*ns.Namespace]string{a: nameA, b: nameB} {
			l.answering(n, name)
		}
	}
}

func (l *topology) up(n *ns.Namespace, name string) {
	l.Helper()
	h := l.handle(n)
	link, err := h.LinkByName(name)
	require.NoError(l, err)
	require.NoError(l, h.LinkSetUp(link))
}

func (l *topology) address(n *ns.Namespace, name string, a netip.Addr, length int) {
	l.Helper()
	h := l.handle(n)
	link, err := h.LinkByName(name)
	require.NoError(l, err)
	ip, err := netlink.ParseAddr(netip.PrefixFrom(a, length).String())
	require.NoError(l, err)
	require.NoError(l, h.AddrAdd(link, ip))
}

// answering waits until the IPv6 addresses of an interface that is up are no
// longer tentative: until then the kernel does not answer for them.
func (l *topology) answering(n *ns.Namespace, name string) {
	l.Helper()
	h := l.handle(n)
	link, err := h.LinkByName(name)
	require.NoError(l, err)
	require.NoError(l, deadline.Poll(5*time.Second, "an address of "+name+" is tentative", func() (bool, error) {
		addresses, err := h.AddrList(link, unix.AF_INET6)
		if errors.Is(err, netlink.ErrDumpInterrupted) {
			return false, nil
		}
		return !slices.ContainsFunc(addresses, func(a netlink.Addr) bool { return a.Flags&unix.IFA_F_TENTATIVE != 0 }), err
	}))
}

func (l *topology) route(n *ns.Namespace, via netip.Addr) {
	l.Helper()
	require.NoError(l, l.handle(n).RouteAdd(&netlink.Route{Gw: via.AsSlice()}))
}

// keepTracking keeps connection tracking on while NAT rules come and go. Else
// the last packets of a closing TCP connection can look like a new flow to the
// next rule.
func (l *topology) keepTracking() {
	l.Helper()
	r := l.rule(Output, Count)
	r.States = []string{"invalid"}
	l.add(r)
}

// rule is a rule of the family of l.
func (l *topology) rule(h Hook, v Verdict) Rule { return Rule{Family: l.family, Hook: h, Verdict: v} }

func (l *topology) add(r Rule) ID {
	l.Helper()
	id, err := l.Add(r)
	require.NoError(l, err)
	return id
}

func (l *topology) remove(ids ...ID) {
	l.Helper()
	for _, id := range ids {
		require.NoError(l, l.Remove(id))
	}
}

func (l *topology) count(id ID) uint64 {
	l.Helper()
	counts, err := l.Counters(id)
	require.NoError(l, err)
	return counts[0].Packets
}
