package scenarios

import (
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/firewall"
	"github.com/netrig/netrig/internal/ns"
	"github.com/stretchr/testify/require"
)

// TestMasqueradeSubnet: a namespace on a bridge borrows the host's address, by
// a rule that is typed with an address of its subnet, `-s 192.168.1.1/24 -o
// eth0`, and stored with the subnet itself. Network 14 in the README's table.
//
//	ns1 eth0 --- veth1 | br0 | host eth0 --- eth0 outside
func TestMasqueradeSubnet(t *testing.T) { onEachBackend(t, masqueradeSubnet) }

func masqueradeSubnet(t testing.TB, f family, backend string) *harness.Lab {
	lab := harness.New(t, harness.WithBackend(backend))
	ns1, host, outside := lab.Node("ns1"), lab.Node("host"), lab.Node("outside")
	br0 := host.Bridge("br0", harness.Address(f.with(1, 1)))
	lab.Connect(ns1.Port("eth0", f.with(1, 2)), br0.Port("veth1"))
	lab.Connect(host.Port("eth0", f.with(9, 1)), outside.Port("eth0", f.with(9, 2)))
	ns1.AddDefaultRoute(f.addr(1, 1))
	host.EnableForwarding()
	assert.TTL(t, assert.Reachable(t, host, f.addr(9, 2)), 64)

	// Before: the request arrives, and its sender is nobody whom the outside
	// machine has a route to.
	lost := assert.Unreachable(t, ns1, f.addr(9, 2), assert.Silence)
	assert.Path(t, lost.Request, "ns1:eth0 out ttl 64", "host:veth1 in", "host:br0 in ttl 64", "host:eth0 out ttl 63",
		f.hop("outside:eth0", f.addr(1, 2), f.addr(9, 2), "in ttl 63"))
	assert.NotSeen(t, lost.Window, capture.Match{Kind: capture.EchoReply})
	_, err := outside.RouteTo(f.addr(1, 2))
	require.ErrorIs(lab, err, syscall.ENETUNREACH)

	lend(host, f, backend)
	stored := "-t nat -A POSTROUTING -s " + f.net(1) + " -o eth0 -j MASQUERADE"
	require.Len(lab, rulesLike(host, stored), 1, "all rules: %s", host.Rules())

	echo := assert.Reachable(t, ns1, f.addr(9, 2))
	assert.TTL(t, echo, 63)
	assert.Path(t, echo.Request,
		f.hop("ns1:eth0", f.addr(1, 2), f.addr(9, 2), "out ttl 64"), "host:veth1 in ttl 64",
		f.hop("host:br0", f.addr(1, 2), f.addr(9, 2), "in ttl 64"),
		f.hop("host:eth0", f.addr(9, 1), f.addr(9, 2), "out ttl 63"),
		f.hop("outside:eth0", f.addr(9, 1), f.addr(9, 2), "in ttl 63"))
	assert.Path(t, echo.Reply,
		f.hop("outside:eth0", f.addr(9, 2), f.addr(9, 1), "out ttl 64"),
		f.hop("host:eth0", f.addr(9, 2), f.addr(9, 1), "in ttl 64"),
		f.hop("host:br0", f.addr(9, 2), f.addr(1, 2), "out ttl 63"), "host:veth1 out ttl 63",
		f.hop("ns1:eth0", f.addr(9, 2), f.addr(1, 2), "in ttl 63"))
	assert.Neighbor(t, outside, f.addr(9, 1), host.MAC("eth0"))
	assert.NoNeighbor(t, outside, f.addr(1, 2))

	// Connection tracking has both directions, and the translation between.
	flow := assert.Connection(t, host, harness.Connection{Original: harness.Tuple{Source: at(f, 1, 2, 0)}, SourceNAT: true, SeenReply: true})
	id := flow.Original.Source.Port()
	require.Equal(lab, harness.Tuple{Source: at(f, 1, 2, id), Destination: at(f, 9, 2, id)}, flow.Original)
	require.Equal(lab, harness.Tuple{Source: at(f, 9, 2, id), Destination: at(f, 9, 1, id)}, flow.Reply)

	// What the host itself sends is not of the subnet, and passes the rule by.
	assert.TTL(t, assert.Reachable(t, host, f.addr(9, 2)), 64)
	require.EqualValues(lab, 1, rulesLike(host, stored)[0].Packets)
	return lab
}

// lend types the rule as the article does, with an address of the subnet, and
// demands that the kernel has the subnet. Without a program it is the harness
// that drops the rest of the address, and the kernel is asked by somebody who
// knows nothing of the rule.
func lend(host *harness.Node, f family, backend string) {
	host.Lab().Helper()
	if backend == firewall.NFTables {
		host.Masquerade(harness.NAT{Source: f.with(1, 1), Out: "eth0"})
		var all []firewall.Counted
		err := host.Do(func() error {
			here, err := ns.Current()
			if err != nil {
				return err
			}
			defer here.Close()
			stranger, err := firewall.Open(backend, here)
			if err != nil {
				return err
			}
			defer stranger.Close()
			all, err = stranger.List()
			return err
		})
		require.NoError(host.Lab(), err)
		require.Len(host.Lab(), all, 1)
		require.Contains(host.Lab(), all[0].Text, f.either("ip", "ip6")+" saddr "+f.net(1)+" ")
		return
	}
	program := iptablesOf(backend, f)
	host.Run(program, "-t", "nat", "-A", "POSTROUTING", "-s", f.with(1, 1), "-o", "eth0", "-j", "MASQUERADE")
	listed := host.Run(program, "-t", "nat", "-S", "POSTROUTING")
	require.Contains(host.Lab(), strings.Split(listed, "\n"), "-A POSTROUTING -s "+f.net(1)+" -o eth0 -j MASQUERADE")
}

// iptablesOf is the program of a backend that is there: by its full name or, where
// that is the only one, its short name, and also where an ordinary user's PATH
// does not lead.
func iptablesOf(backend string, f family) string {
	short := f.either("iptables", "ip6tables")
	full := short + map[string]string{firewall.IPTables: "-nft", firewall.IPTablesLegacy: "-legacy"}[backend]
	for _, name := range []string{full, short} {
		for _, folder := range []string{"", "/usr/sbin/", "/sbin/", "/usr/local/sbin/"} {
			if path, err := exec.LookPath(folder + name); err == nil {
				return path
			}
		}
	}
	return full
}

// at is a host's address with a port, or with the identifier of an echo.
func at(f family, subnet, host int, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(f.addr(subnet, host)), port)
}
