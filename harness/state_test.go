package harness_test

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	_, a, _, _ := pair(t)
	a.AddRoute("10.0.0.0/8", "192.168.0.2", harness.Metric(7))
	a.AddRoute("10.1.0.0/16", "", harness.Device("veth0"))
	a.AddRoute("10.2.0.0/16", "10.9.9.9", harness.Device("veth0"), harness.OnLink())
	a.AddRoute("10.3.0.0/16", "", harness.RouteType("blackhole"))
	a.AddRoute("10.4.0.0/16", "", harness.RouteType("unreachable"))
	a.AddRoute("10.5.0.0/16", "", harness.RouteType("prohibit"))
	a.AddDefaultRoute("192.168.0.2", harness.RouteMTU(1400))
	a.AddRoute("fd09::/64", "fd00::2", harness.Metric(9))
	a.AddDefaultRoute("fd00::2")
	a.AddRoute("172.16.0.1", "192.168.0.2", harness.PreferredSource("192.168.0.1"))

	var got []string
	for _, r := range a.Routes() {
		if r.Protocol == "boot" {
			got = append(got, r.String())
		}
	}
	assert.ElementsMatch(t, []string{
		"10.0.0.0/8 via 192.168.0.2 dev veth0 proto boot metric 7",
		"10.1.0.0/16 dev veth0 proto boot scope link",
		"10.2.0.0/16 via 10.9.9.9 dev veth0 proto boot",
		"blackhole 10.3.0.0/16 proto boot",
		"unreachable 10.4.0.0/16 proto boot",
		"prohibit 10.5.0.0/16 proto boot",
		"default via 192.168.0.2 dev veth0 proto boot mtu 1400",
		"fd09::/64 via fd00::2 dev veth0 proto boot metric 9",
		"default via fd00::2 dev veth0 proto boot metric 1024",
		"172.16.0.1/32 via 192.168.0.2 dev veth0 proto boot src 192.168.0.1",
	}, got)

	for to, want := range map[string]error{"10.3.0.1": syscall.EINVAL, "10.4.0.1": syscall.EHOSTUNREACH, "10.5.0.1": syscall.EACCES} {
		_, err := a.RouteTo(to)
		require.ErrorIs(t, err, want, to)
	}
	r, err := a.RouteTo("10.0.0.1")
	require.NoError(t, err)
	assert.Equal(t, netip.MustParseAddr("192.168.0.2"), r.Gateway)
	assert.Equal(t, "veth0", r.Device)
	assert.Equal(t, netip.MustParseAddr("192.168.0.1"), r.Source)
	r, err = a.RouteTo("fd09::1")
	require.NoError(t, err)
	assert.Equal(t, netip.MustParseAddr("fd00::2"), r.Gateway)

	a.ReplaceRoute("10.1.0.0/16", "192.168.0.2")
	r, err = a.RouteTo("10.1.0.1")
	require.NoError(t, err)
	assert.Equal(t, netip.MustParseAddr("192.168.0.2"), r.Gateway)

	a.DelRoute("default", "192.168.0.2")
	a.DelRoute("10.0.0.0/8", "")
	_, err = a.RouteTo("10.0.0.1")
	require.ErrorIs(t, err, syscall.ENETUNREACH)
}

// A route that the kernel refuses is an answer: the error is the kernel's own,
// and nothing has changed.
func TestRouteRefused(t *testing.T) {
	t.Parallel()
	_, a, _, cable := pair(t)
	require.NoError(t, a.TryAddRoute("10.0.0.0/8", "192.168.0.2"))
	before := a.Routes()
	require.ErrorIs(t, a.TryAddRoute("10.0.0.0/8", "", harness.Device("veth0")), syscall.EEXIST)
	require.ErrorIs(t, a.TryAddRoute("10.1.0.0/16", "192.168.9.1"), syscall.ENETUNREACH)
	require.ErrorIs(t, a.TryAddRoute("fd09::/64", "fd07::1"), syscall.EHOSTUNREACH)
	assert.Equal(t, before, a.Routes())
	cable.A.Down()
	require.ErrorIs(t, a.TryAddRoute("10.2.0.0/16", "", harness.Device("veth0")), syscall.ENETDOWN)
}

func TestAddressesInMidTest(t *testing.T) {
	t.Parallel()
	_, a, _, cable := pair(t)
	cable.A.AddAddress("10.0.0.1/24")
	cable.A.AddAddress("fd05::1/64")
	assert.Contains(t, a.Addresses(), netip.MustParseAddr("10.0.0.1"))
	assert.Contains(t, a.Addresses(), netip.MustParseAddr("fd05::1"))
	cable.A.DelAddress("10.0.0.1/24")
	assert.NotContains(t, a.Addresses(), netip.MustParseAddr("10.0.0.1"))
	_, err := a.RouteTo("10.0.0.2")
	require.ErrorIs(t, err, syscall.ENETUNREACH, "the connected route went with it")
}

// Whatever switches IPv6 on in mid-test, the link-local addresses that the node
// gets by that can be used when the verb returns, also those of interfaces that
// the verb is not about.
func TestIPv6SwitchedOnIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]func(*harness.Node){
		"route":     func(n *harness.Node) { n.AddRoute("fd00::/64", "", harness.Device("x")) },
		"address":   func(n *harness.Node) { n.AddAddress("lo", "fd00::1/128") },
		"neighbour": func(n *harness.Node) { n.AddNeighbor("x", "fe80::9", net.HardwareAddr{2, 0, 0, 0, 0, 9}) },
	} {
		for range 4 {
			lab := harness.New(t)
			a, b := lab.Node("a"), lab.Node("b")
			lab.Connect(a.Port("x", "10.0.0.1/24"), b.Port("y", "10.0.0.2/24"))
			lab.Connect(a.Bridge("br0", harness.Address("10.1.0.1/24")).Port("z"), b.Port("z"))
			on(a)
			for _, at := range []string{"x", "br0"} {
				own := a.Interface(at).Addresses
				require.Len(t, own, 2, "IPv4 and link-local")
				_, err := a.Listen("tcp", "["+own[1].Prefix.Addr().String()+"%"+at+"]:0")
				require.NoError(t, err, "%s: %s", name, at)
			}
		}
	}
}

func TestNeighborTable(t *testing.T) {
	t.Parallel()
	_, a, b, _ := pair(t)
	mac := b.MAC("veth1")
	a.AddNeighbor("veth0", "192.168.0.2", mac)
	a.AddNeighbor("veth0", "fd00::2", mac)
	var texts []string
	for _, e := range a.Neighbors() {
		assert.True(t, e.State.Usable())
		texts = append(texts, e.String())
	}
	assert.ElementsMatch(t, []string{
		"192.168.0.2 dev veth0 lladdr " + mac.String() + " PERMANENT",
		"fd00::2 dev veth0 lladdr " + mac.String() + " PERMANENT",
	}, texts)
	a.FlushNeighbors()
	assert.Len(t, a.Neighbors(), 2, "permanent entries stay")
	a.DelNeighbor("veth0", "fd00::2")
	assert.Len(t, a.Neighbors(), 1)
}

// The machine's table, the entries of this lab included.
func TestMachinesNeighborTable(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	a, b := lab.Node("a"), lab.Node("b")
	lab.Connect(a.Port("eth0", "10.0.0.1/24", "fd00::1/64"), b.Port("eth0", "10.0.0.2/24", "fd00::2/64"))
	for i, address := range []string{"10.0.0.2", "fd00::2"} {
		a.AddNeighbor("eth0", address, b.MAC("eth0"))
		table := lab.NeighborTable(i == 1)
		assert.Positive(t, table.Entries)
		if limit, err := os.ReadFile([]string{"/proc/sys/net/ipv4", "/proc/sys/net/ipv6"}[i] + "/neigh/default/gc_thresh3"); err == nil {
			assert.Equal(t, strings.TrimSpace(string(limit)), strconv.Itoa(table.Limit))
		}
		assert.Less(t, table.Collections, uint64(1000), "since the lab began, not since the machine did")
	}
}

func TestPermanentNeighborsSpanBridges(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	sw, ns := lab.Node("sw"), lab.Nodes("ns%d", 3)
	br := sw.Bridge("br0")
	for i, n := range ns {
		lab.Connect(n.Port("eth0", "10.0.0."+string(rune('1'+i))+"/24"), br.Port("p"+string(rune('1'+i))))
	}
	br.AddAddress("10.0.0.9/24") // after the bridge was made
	lab.PermanentNeighbors()
	for _, n := range append(ns, sw) {
		require.Len(t, n.Neighbors(), 3, n.Name())
		for _, e := range n.Neighbors() {
			assert.Equal(t, harness.NeighborPermanent, e.State)
		}
	}
}

// A node without IPv6 has no neighbours by it.
func TestPermanentNeighborsOfTwoFamilies(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	a, b := lab.Node("a"), lab.Node("b")
	lab.Connect(a.Port("x", "10.0.0.1/24"), b.Port("y", "10.0.0.2/24", "fd00::2/64"))
	lab.PermanentNeighbors()
	require.Len(t, a.Neighbors(), 1)
	require.Len(t, b.Neighbors(), 1)
	require.Len(t, a.Interface("x").Addresses, 1, "IPv6 stays off")
}

func TestSysctls(t *testing.T) {
	t.Parallel()
	_, a, _, _ := pair(t)
	assert.Equal(t, "64", a.Sysctl("net.ipv4.ip_default_ttl"))
	a.SetSysctl("net.ipv4.ip_default_ttl", 65)
	assert.Equal(t, "65", a.Sysctl("net.ipv4.ip_default_ttl"))
	a.SetSysctl("net/ipv4/conf/veth0/rp_filter", true)
	assert.Equal(t, "1", a.Sysctl("net.ipv4.conf.veth0.rp_filter"))
	a.SetSysctl("net.ipv4.ip_local_port_range", "40000 50000")
	assert.Equal(t, "40000\t50000", a.Sysctl("net.ipv4.ip_local_port_range"))
	a.EnableForwarding()
	assert.Equal(t, "1", a.Sysctl("net.ipv4.ip_forward"))
	assert.Equal(t, "1", a.Sysctl("net.ipv6.conf.all.forwarding"))
	a.DisableForwarding()
	assert.Equal(t, "0", a.Sysctl("net.ipv4.ip_forward"))
	assert.Equal(t, []string{"net/ipv4/conf/veth0/rp_filter", "net/ipv4/ip_default_ttl", "net/ipv4/ip_forward",
		"net/ipv4/ip_local_port_range", "net/ipv6/conf/all/forwarding"}, a.SysctlsSet())
}

// What the kernel has by itself is there, and what it never has skips the test,
// with the name and, where there is one, the module that would bring it.
func TestRequireSysctl(t *testing.T) {
	t.Parallel()
	harness.RequireSysctl(t, "net.ipv4.ip_forward", "net/ipv4/ip_default_ttl")
	for name, says := range map[string]string{
		"net.bridge.no-such":    "modprobe br_netfilter",
		"net/netfilter/no_such": "modprobe nf_conntrack",
		"net.ipv4.no_such":      "this kernel has no sysctl net.ipv4.no_such in a network namespace",
	} {
		r := try.Run(name, func(t testing.TB) { harness.RequireSysctl(t, "net.ipv4.ip_forward", name) })
		assert.Equal(t, os.Getenv("NETRIG_REQUIRE") == "1", r.Failed, name)
		assert.NotEqual(t, r.Failed, r.Skipped, name)
		assert.Contains(t, r.Log(), says)
		assert.Contains(t, r.Log(), name)
	}
	r := try.Run("of the machine", func(t testing.TB) { harness.RequireSysctl(t, "kernel.ostype") })
	assert.True(t, r.Failed)
	assert.Contains(t, r.Log(), "only names below net.")
}

// The machine's settings do not leak in: a namespace copies the IPv4 ones from
// the machine, and a node does not keep them.
func TestBaselineHidesTheMachine(t *testing.T) {
	t.Parallel()
	_, a, _, _ := pair(t)
	a.Bridge("br0")
	if _, err := os.Stat("/proc/sys/net/bridge"); err == nil {
		for _, table := range []string{"iptables", "ip6tables", "arptables"} {
			assert.Equal(t, "0", a.Sysctl("net.bridge.bridge-nf-call-"+table))
		}
	}
	assert.Equal(t, "0", a.Sysctl("net.ipv6.icmp.ratelimit"))
	assert.Equal(t, "0", a.Sysctl("net.ipv4.icmp_ratemask"))
	for _, conf := range []string{"all", "default", "veth0"} {
		for name, want := range map[string]string{
			"rp_filter": "0", "arp_ignore": "0", "arp_announce": "0", "proxy_arp": "0", "accept_local": "0",
			"route_localnet": "0", "send_redirects": "1", "accept_redirects": "1", "forwarding": "0", "arp_accept": "0",
		} {
			assert.Equal(t, want, a.Sysctl("net.ipv4.conf."+conf+"."+name), "%s %s", conf, name)
		}
	}
	for _, conf := range []string{"all", "default", "veth0"} {
		assert.Equal(t, "0", a.Sysctl("net.ipv6.conf."+conf+".accept_dad"))
	}
	assert.Equal(t, "0", a.Sysctl("net.ipv6.conf.veth0.router_solicitations"))
}

func TestTimerProfiles(t *testing.T) {
	t.Parallel()
	for profile, want := range map[harness.Timers]map[string]string{
		harness.FastTimers:   {"proxy_delay": "0", "delay_first_probe_time": "60", "mcast_solicit": "3"},
		harness.KernelTimers: {"proxy_delay": "80", "delay_first_probe_time": "5", "mcast_solicit": "3"},
	} {
		lab, a, b, _ := pair(t, harness.WithTimers(profile))
		br := b.Bridge("br0")
		lab.Connect(a.Port("late"), br.Port("port")) // after IPv6 was switched on
		for _, at := range []struct {
			node *harness.Node
			name string
		}{{a, "veth0"}, {b, "veth1"}, {b, "br0"}, {a, "late"}} {
			for _, family := range []string{"ipv4", "ipv6"} {
				// The kernel keeps it in ticks, of 1 to 10 ms.
				retransmit, err := strconv.Atoi(at.node.Sysctl("net." + family + ".neigh." + at.name + ".retrans_time_ms"))
				require.NoError(t, err)
				assert.Equal(t, profile == harness.FastTimers, retransmit <= 20, "%s %d ms", at.name, retransmit)
			}
			for name, value := range want {
				assert.Equal(t, value, at.node.Sysctl("net.ipv4.neigh."+at.name+"."+name), "%s %s", at.name, name)
				assert.Equal(t, value, at.node.Sysctl("net.ipv6.neigh."+at.name+"."+name), "%s %s", at.name, name)
			}
		}
		assert.Equal(t, profile, lab.Timers())
	}
}

func TestBridges(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	sw, n := lab.Node("sw"), lab.Node("n")
	br := sw.Bridge("br0", harness.Address("10.0.0.9/24"), harness.Ageing(90*time.Second), harness.BridgeMAC("02:aa:00:00:00:01"))
	cable := lab.Connect(n.Port("eth0", "10.0.0.1/24"), br.Port("p1"))

	i := sw.Interface("br0")
	assert.Equal(t, "bridge", i.Kind)
	assert.Equal(t, "up", i.OperState)
	assert.Equal(t, "02:aa:00:00:00:01", i.MAC.String())
	assert.Equal(t, "9000", strings.TrimSpace(sw.Run("cat", "/sys/class/net/br0/bridge/ageing_time")))
	assert.Equal(t, "0", strings.TrimSpace(sw.Run("cat", "/sys/class/net/br0/bridge/multicast_snooping")))
	assert.Equal(t, "br0", sw.Interface("p1").Master)
	require.Len(t, sw.BridgePorts(), 1)
	port := sw.BridgePorts()[0]
	assert.Equal(t, harness.BridgePort{
		Interface: "p1", Bridge: "br0", State: harness.Forwarding, Learning: true, Flood: true, MulticastFlood: true, BroadcastFlood: true, Cost: 2, Priority: 0x20,
	}, port)

	cable.B.Detach()
	assert.Empty(t, sw.BridgePorts())
	br.Attach(cable.B)
	assert.Equal(t, harness.Forwarding, sw.BridgePorts()[0].State)

	cable.B.SetHairpin(true)
	assert.True(t, sw.BridgePorts()[0].Hairpin)
	cable.B.SetHairpin(false)
	assert.False(t, sw.BridgePorts()[0].Hairpin)
}

// Counters that are read together are those of their rules, of both families where a
// rule has both, and in the order of the rules.
func TestCountersTogether(t *testing.T) {
	t.Parallel()
	for _, backend := range harness.Backends() {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			lab, a, b, _ := pair(t, harness.WithBackend(backend))
			rule := func(port uint16) *harness.Rule {
				return b.Count(harness.Filter{Hook: harness.Input, Protocol: "udp", Port: port})
			}
			nine, ten := rule(9), rule(10)
			for _, to := range []string{"192.168.0.2:9", "[fd00::2]:9", "192.168.0.2:10"} {
				c, err := a.Dial("udp", to)
				require.NoError(t, err)
				_, err = c.Write([]byte("x"))
				require.NoError(t, err)
				c.Close()
			}
			lab.Settle()
			assert.Equal(t, []harness.Count{{Packets: 1, Bytes: 29}, {Packets: 2, Bytes: 29 + 49}}, harness.Counts(ten, nine))
			assert.Empty(t, harness.Counts())
		})
	}
}

// Where there is br_netfilter, bridged packets meet the
// packet filter when the sysctl says so, and otherwise not.
func TestBridgedPacketsMeetTheFilter(t *testing.T) {
	harness.RequireSysctl(t, "net.bridge.bridge-nf-call-iptables")
	t.Parallel()
	lab := harness.New(t)
	sw, a, b := lab.Node("sw"), lab.Node("a"), lab.Node("b")
	br := sw.Bridge("br0")
	lab.Connect(a.Port("eth0", "10.0.0.1/24"), br.Port("p1"))
	lab.Connect(b.Port("eth0", "10.0.0.2/24"), br.Port("p2"))
	bridged := sw.Count(harness.Filter{Protocol: "udp", Port: 9})
	for i, on := range []bool{false, true} {
		sw.SetSysctl("net.bridge.bridge-nf-call-iptables", on)
		c, err := a.Dial("udp", "10.0.0.2:9")
		require.NoError(t, err)
		_, err = c.Write([]byte("x"))
		require.NoError(t, err)
		c.Close()
		lab.Settle()
		assert.EqualValues(t, i, bridged.Packets())
	}
}

func TestBridgesForget(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	sw, n := lab.Node("sw"), lab.Node("n")
	br := sw.Bridge("br0", harness.Address("10.0.0.9/24"))
	port := lab.Connect(n.Port("eth0", "10.0.0.1/24"), br.Port("p1")).B
	speak := func() {
		c, err := n.Dial("udp", "10.0.0.9:9")
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Write([]byte("here I am"))
		require.NoError(t, err)
		lab.Settle()
	}
	known := func() (learned bool) {
		for _, e := range sw.ForwardingDatabase() {
			learned = learned || !e.Permanent && e.MAC.String() == n.MAC("eth0").String()
		}
		return learned
	}

	port.SetLearning(false)
	assert.False(t, sw.BridgePorts()[0].Learning)
	speak()
	assert.False(t, known())
	port.SetLearning(true)
	speak()
	assert.True(t, known())

	br.SetAgeing(100 * time.Millisecond)
	assert.Equal(t, "10", strings.TrimSpace(sw.Run("cat", "/sys/class/net/br0/bridge/ageing_time")))
	br.AwaitForgotten(n.MAC("eth0"))
	assert.False(t, known())
}

// With the spanning tree protocol a port is ready when it forwards, which takes
// twice the forward delay.
func TestSTPIsWaitedFor(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	sw, n := lab.Node("sw"), lab.Node("n")
	br := sw.Bridge("br0", harness.STP(2*time.Second))
	lab.Connect(n.Port("eth0", "10.0.0.1/24"), br.Port("p1"))
	assert.Equal(t, harness.Forwarding, sw.BridgePorts()[0].State)
	assert.Equal(t, "1", strings.TrimSpace(sw.Run("cat", "/sys/class/net/br0/bridge/stp_state")))
}

func TestCounters(t *testing.T) {
	t.Parallel()
	_, a, b, _ := pair(t)
	before := b.Counters()
	c, err := a.Dial("udp", "192.168.0.2:9")
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("nobody listens"))
	require.NoError(t, err)
	a.Lab().Settle()
	moved := b.Counters().Since(before)
	assert.EqualValues(t, 1, moved["UdpNoPorts"])
	assert.EqualValues(t, 1, moved["IcmpOutDestUnreachs"])
	assert.NotContains(t, moved, "UdpInDatagrams")
	assert.Contains(t, moved.String(), "UdpNoPorts 1")
}

func TestConntrackAndRules(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	a, gw, b := lab.Node("a"), lab.Node("gw"), lab.Node("b")
	lab.Connect(a.Port("eth0", "10.0.1.2/24"), gw.Port("eth1", "10.0.1.1/24"))
	lab.Connect(gw.Port("eth0", "10.0.9.1/24"), b.Port("eth0", "10.0.9.2/24"))
	a.AddDefaultRoute("10.0.1.1")
	gw.EnableForwarding()
	assert.Empty(t, gw.Conntrack())
	assert.Zero(t, gw.ConntrackTable())
	rule := gw.Masquerade(harness.NAT{Source: "10.0.1.0/24", Out: "eth0"})
	assert.Equal(t, "-t nat -A POSTROUTING -s 10.0.1.0/24 -o eth0 -j MASQUERADE", rule.String())
	s := b.Serve("udp", ":53")
	c, err := a.DialFrom(t.Context(), "udp", "10.0.1.2:4000", "10.0.9.2:53")
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
	ctx, cancel := deadline.Context(linkTimeForTests)
	defer cancel()
	_, err = s.WaitFor(ctx, netip.MustParseAddrPort("10.0.9.1:4000"))
	require.NoError(t, err)
	lab.Settle()

	limit, err := strconv.Atoi(gw.Sysctl("net/netfilter/nf_conntrack_max"))
	require.NoError(t, err)
	assert.Equal(t, harness.ConntrackTable{Entries: 1, Limit: limit}, gw.ConntrackTable())
	assert.Zero(t, a.ConntrackTable(), "it tracks nothing")
	require.Len(t, gw.Conntrack(), 1)
	f := gw.Conntrack()[0]
	assert.Equal(t, "udp 10.0.1.2:4000 > 10.0.9.2:53, reply 10.0.9.2:53 > 10.0.9.1:4000", f.String())
	one, ok := gw.Tracked("udp", f.Original)
	require.True(t, ok)
	assert.Equal(t, f.String(), one.String())
	_, ok = gw.Tracked("tcp", f.Original)
	assert.False(t, ok)
	assert.True(t, f.SourceNAT)
	assert.False(t, f.DestinationNAT)
	assert.EqualValues(t, 1, rule.Packets())
	assert.EqualValues(t, 29, rule.Bytes())
	require.Len(t, gw.Rules(), 1)
	assert.Equal(t, rule.String()+" (1 packets, 29 bytes)", gw.Rules()[0].String())
	gw.FlushConntrack()
	assert.Empty(t, gw.Conntrack())
	rule.Remove()
	assert.Empty(t, gw.Rules())
}

// realTest hides that a testing.TB is that of a run of Try.
type realTest struct {
	testing.TB
	folder string
}

func (t realTest) ArtifactDir() string { return t.folder }

// What a failed test leaves behind can be found and read.
func TestFailedTestKeepsItsPackets(t *testing.T) {
	t.Parallel()
	r := try.Run("failing", func(tb testing.TB) {
		lab, a, _, _ := pair(realTest{tb, t.TempDir()})
		lab.Step("first step")
		c, err := a.Dial("udp", "192.168.0.2:9")
		require.NoError(lab, err)
		_, err = c.Write([]byte("x"))
		require.NoError(lab, err)
		c.Close()
		lab.Step("second step")
		tb.Error("on purpose")
	})
	require.True(t, r.Failed)
	_, folder, ok := strings.Cut(strings.TrimSpace(r.Log()), "saved story.txt, lab.pcapng, state.json, topology.{svg,mmd,dot}, ladder.{svg,mmd} and test.json in ")
	require.True(t, ok, r.Log())
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	before, after, ok := strings.Cut(read(t, folder, "story.txt"), "second step")
	require.True(t, ok)
	assert.Contains(t, before, "first step")
	assert.Contains(t, before, "UDP")
	assert.NotContains(t, after, "UDP")
	assert.Contains(t, read(t, folder, "topology.svg"), "a:veth0 to b:veth1")
	assert.Contains(t, read(t, folder, "topology.mmd"), "flowchart")
	assert.Contains(t, read(t, folder, "topology.dot"), "192.168.0.2/24")
	assert.Contains(t, read(t, folder, "ladder.svg"), "first step")
	assert.Contains(t, read(t, folder, "ladder.mmd"), "sequenceDiagram")
	assert.Equal(t, "\x0a\x0d\x0d\x0a", read(t, folder, "lab.pcapng")[:4], "a pcapng file begins with a section header")
}

// What fails in a run of Try keeps nothing, and speaks of no folder: it would
// be gone when the text is read, or stay when the test is killed.
func TestTryKeepsNothing(t *testing.T) {
	t.Parallel()
	r := try.Run("failing", func(t testing.TB) {
		lab := harness.New(t)
		harness.New(lab).Error("on purpose")
	})
	require.True(t, r.Failed)
	assert.NotContains(t, r.Log(), "saved")
}

func read(t testing.TB, folder, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	return string(raw)
}
