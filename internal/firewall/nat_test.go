package firewall

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/sandbox"
)

func TestMasquerade(t *testing.T) {
	everywhere(t, func(l *topology) {
		l.keepTracking()
		l.tcpServer(l.server, 80)
		server := l.udp(l.server, 53)
		sees := func(want netip.Addr) {
			l.Helper()
			require.Equal(l, want, l.overTCP(l.client, l.serverAddr, 80))
			require.Equal(l, want, l.overUDP(l.client, l.serverAddr, 53, server).Addr())
		}
		sees(l.clientAddr)
		for name, c := range map[string]struct {
			change  func(*Rule)
			matches bool
		}{
			"all":                {func(*Rule) {}, true},
			"source":             {func(r *Rule) { r.Source = l.clientNet }, true},
			"one source":         {func(r *Rule) { r.Source = netip.PrefixFrom(l.clientAddr, l.clientAddr.BitLen()) }, true},
			"other source":       {func(r *Rule) { r.Source = l.serverNet }, false},
			"not source":         {func(r *Rule) { r.Source, r.NotSource = l.serverNet, true }, true},
			"not this source":    {func(r *Rule) { r.Source, r.NotSource = l.clientNet, true }, false},
			"not destination":    {func(r *Rule) { r.Destination, r.NotDestination = l.serverNet, true }, false},
			"out":                {func(r *Rule) { r.Out = "out0" }, true},
			"other out":          {func(r *Rule) { r.Out = "out" }, false},
			"out, any rest":      {func(r *Rule) { r.Out = "out+" }, true},
			"not out":            {func(r *Rule) { r.Out, r.NotOut = "in0", true }, true},
			"not this out":       {func(r *Rule) { r.Out, r.NotOut = "out0", true }, false},
			"not out, any rest":  {func(r *Rule) { r.Out, r.NotOut = "out+", true }, false},
			"source and not out": {func(r *Rule) { r.Source, r.Out, r.NotOut = l.clientNet, "in0", true }, true},
		} {
			r := l.rule(Postrouting, Masquerade)
			c.change(&r)
			id := l.add(r)
			l.Logf("%s: %s", name, r)
			if c.matches {
				sees(l.outside)
				require.EqualValues(l, 2, l.count(id), "flows translated by %s", r)
			} else {
				sees(l.clientAddr)
				require.Zero(l, l.count(id), "flows translated by %s", r)
			}
			l.remove(id)
			sees(l.clientAddr)
		}
	})
}

func TestMasqueradeOfEchoes(t *testing.T) {
	everywhere(t, func(l *topology) {
		l.add(l.rule(Postrouting, Masquerade))
		watch := open(l.T, l.Backend.Name(), l.server)
		echo := l.rule(Input, Count)
		echo.Protocol, echo.ICMPType = "icmp", Type(8)
		if l.family == IPv6 {
			echo.Protocol, echo.ICMPType = "icmpv6", Type(128)
		}
		counts := map[netip.Addr]ID{}
		for _, source := range []netip.Addr{l.clientAddr, l.outside} {
			echo.Source = netip.PrefixFrom(source, source.BitLen())
			id, err := watch.Add(echo)
			require.NoError(l, err)
			counts[source] = id
		}
		l.ping(l.client, l.serverAddr, 5)
		for source, want := range map[netip.Addr]uint64{l.clientAddr: 0, l.outside: 5} {
			seen, err := watch.Counters(counts[source])
			require.NoError(l, err)
			require.Equal(l, want, seen[0].Packets, "echo requests from %s", source)
		}
	})
}

func TestSNAT(t *testing.T) {
	everywhere(t, func(l *topology) {
		l.tcpServer(l.server, 80)
		server := l.udp(l.server, 53)
		r := l.rule(Postrouting, SNAT)
		r.To, r.Out = l.spare, "out0"
		id := l.add(r)
		require.Equal(l, l.spare, l.overTCP(l.client, l.serverAddr, 80))
		require.Equal(l, l.spare, l.overUDP(l.client, l.serverAddr, 53, server).Addr())
		l.remove(id)

		r.Protocol, r.ToPort = "udp", 5555
		l.add(r)
		require.Equal(l, netip.AddrPortFrom(l.spare, 5555), l.overUDP(l.client, l.serverAddr, 53, server))
	})
}

func TestDNAT(t *testing.T) {
	everywhere(t, func(l *topology) {
		l.keepTracking()
		l.tcpServer(l.server, 80)
		server := l.udp(l.server, 53)
		forward := func(protocol string, port, toPort uint16) Rule {
			r := l.rule(Prerouting, DNAT)
			r.Destination = netip.PrefixFrom(l.inside, l.inside.BitLen())
			r.Protocol, r.DestinationPort, r.To, r.ToPort = protocol, port, l.serverAddr, toPort
			return r
		}
		l.refusedWith(unix.ECONNREFUSED, l.client, l.inside, 8080)

		tcp := l.add(forward("tcp", 8080, 80))
		require.Equal(l, l.clientAddr, l.overTCP(l.client, l.inside, 8080))
		require.EqualValues(l, 1, l.count(tcp))
		samePort := l.add(forward("tcp", 80, 0))
		require.Equal(l, l.clientAddr, l.overTCP(l.client, l.inside, 80))
		l.add(forward("udp", 5353, 53))
		require.Equal(l, l.clientAddr, l.overUDP(l.client, l.inside, 5353, server).Addr())
		l.remove(tcp, samePort)
		l.refusedWith(unix.ECONNREFUSED, l.client, l.inside, 8080)
		l.refusedWith(unix.ECONNREFUSED, l.client, l.inside, 80)

		notFrom := forward("tcp", 8080, 80)
		notFrom.In, notFrom.NotIn = "in0", true
		id := l.add(notFrom)
		l.refusedWith(unix.ECONNREFUSED, l.client, l.inside, 8080)
		require.Zero(l, l.count(id))
		l.remove(id)
		notFrom.In = "out0"
		l.add(notFrom)
		require.Equal(l, l.clientAddr, l.overTCP(l.client, l.inside, 8080))
	})
}

func TestDNATOfOwnConnections(t *testing.T) {
	everywhere(t, func(l *topology) {
		l.tcpServer(l.server, 80)
		r := l.rule(Output, DNAT)
		r.Protocol, r.DestinationPort, r.To, r.ToPort = "tcp", 8080, l.serverAddr, 80
		l.add(r)
		require.Equal(l, l.outside, l.overTCP(l.gateway, l.absent, 8080))
	})
}

func TestSNATOfWhatComesIn(t *testing.T) {
	everywhere(t, func(l *topology) {
		l.tcpServer(l.gateway, 80)
		r := l.rule(Input, SNAT)
		r.To = l.spare
		l.add(r)
		require.Equal(l, l.spare, l.overTCP(l.client, l.inside, 80))
	})
}

func TestRedirect(t *testing.T) {
	everywhere(t, func(l *topology) {
		l.tcpServer(l.gateway, 3128)
		l.tcpServer(l.server, 80)
		r := l.rule(Prerouting, Redirect)
		r.Protocol, r.DestinationPort, r.ToPort = "tcp", 80, 3128
		id := l.add(r)
		l.overTCP(l.client, l.serverAddr, 80)
		require.EqualValues(l, 1, l.count(id))
		l.refusedWith(unix.ECONNREFUSED, l.client, l.serverAddr, 3128)
		l.remove(id)
		r.DestinationPort, r.ToPort = 3128, 0
		l.add(r)
		l.overTCP(l.client, l.serverAddr, 3128)
	})
}

// Removing the last rule that needs connection tracking switches it off, before
// Remove returns.
func TestTrackingEndsWithTheLastRule(t *testing.T) {
	everywhere(t, func(l *topology) {
		server := l.udp(l.server, 53)
		for port := uint16(4444); port < 4449; port++ { // a new flow each time
			client := l.udp(l.client, port)
			sees := func(want netip.Addr) {
				l.Helper()
				l.send(client, l.serverAddr, 53, "flow")
				_, from := l.receive(server)
				require.Equal(l, netip.AddrPortFrom(want, port), from)
			}
			first, second := l.add(l.rule(Postrouting, Masquerade)), l.add(l.rule(Postrouting, Masquerade))
			sees(l.outside)
			l.remove(first)
			sees(l.outside) // still tracked, for the sake of the other
			require.True(l, l.tracked(port))
			l.remove(second)
			client = l.udp(l.client, port+1000)
			l.send(client, l.serverAddr, 53, "new")
			l.receive(server)
			require.False(l, l.tracked(port+1000), "tracking is still on")
		}
	})
}

// Older kernels need another way of waiting, which works on newer ones too.
func TestSettleByCompat(t *testing.T) {
	t.Parallel()
	if err := Probe(IPTables); err != nil {
		if sandbox.RequireAll() {
			t.Fatal(err)
		}
		t.Skip("it needs the kernel modules of this backend:", err)
	}
	l := newTopology(t, NFTables, IPv4)
	b := l.Backend.(*nft)
	server := l.udp(l.server, 53)
	for port := uint16(4444); port < 4454; port++ {
		id := l.add(l.rule(Postrouting, Masquerade))
		l.overUDP(l.client, l.serverAddr, 53, server)
		line, known, _, err := b.find(id, chains{})
		require.NoError(t, err)
		require.NoError(t, b.remove(line.handle, known.in, true))
		waited, err := settleByCompat(l.gateway)
		require.NoError(t, err)
		require.True(t, waited)
		l.send(l.udp(l.client, port), l.serverAddr, 53, "new")
		l.receive(server)
		require.False(t, l.tracked(port), "tracking is still on")
		require.Empty(t, listOf(t, l))
	}
}

// A flow that was translated goes out untranslated as soon as the last rule is
// removed.
func TestTranslationEndsWithTheLastRule(t *testing.T) {
	everywhere(t, func(l *topology) {
		server := l.udp(l.server, 53)
		for port := uint16(4444); port < 4449; port++ { // a new flow each time
			client := l.udp(l.client, port)
			id := l.add(l.rule(Postrouting, Masquerade))
			for _, want := range []netip.Addr{l.outside, l.clientAddr} {
				l.send(client, l.serverAddr, 53, "flow")
				_, from := l.receive(server)
				require.Equal(l, netip.AddrPortFrom(want, port), from)
				if want == l.outside {
					l.remove(id)
				}
			}
		}
	})
}

// tracked reports whether the gateway tracks a flow from that port.
func (l *topology) tracked(port uint16) bool {
	l.Helper()
	var h *netlink.Handle
	require.NoError(l, l.gateway.Do(func() (err error) { h, err = netlink.NewHandle(unix.NETLINK_NETFILTER); return err }))
	defer h.Close()
	family := netlink.InetFamily(unix.AF_INET)
	if l.family == IPv6 {
		family = unix.AF_INET6
	}
	flows, err := h.ConntrackTableList(netlink.ConntrackTable, family)
	require.NoError(l, err)
	for _, f := range flows {
		if f.Forward.SrcPort == port {
			return true
		}
	}
	return false
}
