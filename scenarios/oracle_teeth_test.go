package scenarios

import (
	"slices"
	"strings"
	"testing"

	"github.com/netrig/netrig/internal/oracle"
	"github.com/stretchr/testify/require"
)

// change is something altered in a node, and altered back.
type change struct {
	kind     string
	node     string
	do, undo string // commands
	want     string // what the difference is about: "link eth0: mtu"
	// carrier says that the bridge of the host loses its carrier or gets it back,
	// which the kernel may notice a second later, and forgets neighbours then.
	carrier bool
}

// changes are of each kind of thing that the oracle compares, in the network of
// TestPortForward; those without a family are made in one run only.
func changes(f family) []change {
	ipt, ip, addr := "iptables", "ip -4", f.addr
	other, ipOther := "ip6tables", "ip -6"
	if f.v6 {
		ipt, other, ip, ipOther = other, ipt, ipOther, ip
	}
	redirects, forwarding := f.sysctls()
	redirectsOther, _ := f.other().sysctls()
	ofFamily := []change{
		{"address", "client", ip + " addr add " + f.with(7, 1) + " dev eth0", ip + " addr del " + f.with(7, 1) + " dev eth0", "address " + f.with(7, 1) + " dev eth0", false},
		{"route", "client", ip + " route add " + f.net(5) + " via " + addr(9, 1), ip + " route del " + f.net(5), "route unicast " + f.net(5), false},
		{"next hop", "web", ip + " route replace default via " + addr(1, 253), ip + " route replace default via " + addr(1, 254), "route unicast default dev eth0 table main", false},
		{"route of another table", "host", ip + " route add blackhole " + f.net(5) + " table 100", ip + " route del blackhole " + f.net(5) + " table 100", "route blackhole " + f.net(5), false},
		{"rule of routing", "host", ip + " rule add pref 100 from " + f.net(5) + " lookup 100", ip + " rule del pref 100", "rule " + f.name + " 100", false},
		{"neighbour", "client", ip + " neigh add " + addr(9, 8) + " lladdr 02:00:00:00:00:08 dev eth0 nud permanent", ip + " neigh del " + addr(9, 8) + " dev eth0", "neighbour " + addr(9, 8) + " dev eth0", false},
		{"sysctl of the baseline", "host", "sysctl -qw " + redirects + "=0", "sysctl -qw " + redirects + "=1", "sysctl " + strings.ReplaceAll(redirects, ".", "/") + ": value", false},
		{"sysctl that was typed", "host", "sysctl -qw " + forwarding + "=0", "sysctl -qw " + forwarding + "=1", "sysctl " + strings.ReplaceAll(forwarding, ".", "/") + ": value", false},
		{"NAT rule", "host", ipt + " -t nat -A POSTROUTING -o eth0 -j MASQUERADE", ipt + " -t nat -D POSTROUTING -o eth0 -j MASQUERADE", "iptables " + f.name + " nat POSTROUTING", false},
		{"order of rules", "host", ipt + " -t nat -I PREROUTING -i eth0 -j ACCEPT", ipt + " -t nat -D PREROUTING -i eth0 -j ACCEPT", "iptables " + f.name + " nat PREROUTING: rule 1", false},
		{"policy of the other family", "host", other + " -P FORWARD DROP", other + " -P FORWARD ACCEPT", "iptables " + f.other().name + " filter FORWARD", false},
		{"rule of a node without filters", "web", other + " -A INPUT -p udp -j DROP", other + " -D INPUT -p udp -j DROP", "iptables " + f.other().name + " filter INPUT", false},
		{"rule of routing of the other family", "host", ipOther + " rule add pref 100 lookup 100", ipOther + " rule del pref 100", "rule " + f.other().name + " 100", false},
		{"sysctl of the other family", "host", "sysctl -qw " + redirectsOther + "=0", "sysctl -qw " + redirectsOther + "=1", "sysctl " + strings.ReplaceAll(redirectsOther, ".", "/") + ": value", false},
		{"policy", "host", ipt + " -P FORWARD DROP", ipt + " -P FORWARD ACCEPT", "iptables " + f.name + " filter FORWARD", false},
	}
	if f.v6 {
		return ofFamily
	}
	return append(ofFamily, []change{
		{"MTU", "client", "ip link set eth0 mtu 1400", "ip link set eth0 mtu 1500", "link eth0: mtu", false},
		{"flags", "web", "ip link set eth0 multicast off", "ip link set eth0 multicast on", "link eth0: flags", false},
		{"queue length", "host", "ip link set br0 txqlen 5", "ip link set br0 txqlen 1000", "link br0: txqlen", false},
		{"device", "web", "ip link add br9 type bridge", "ip link del br9", "link br9", false},
		// Not to a short time: on a busy machine the bridge had forgotten by then.
		{"bridge", "host", "ip link set br0 type bridge ageing_time 29000", "ip link set br0 type bridge ageing_time 30000", "link br0: linkinfo.info_data.ageing_time", false},
		{"state of a port", "host", "bridge link set dev veth1 state 0", "bridge link set dev veth1 state 3", "port veth1: state", true},
		{"flag of a port", "host", "bridge link set dev veth1 hairpin on", "bridge link set dev veth1 hairpin off", "port veth1: hairpin", false},
		{"forwarding database", "host", "bridge fdb add 02:00:00:00:00:07 dev veth1 master static", "bridge fdb del 02:00:00:00:00:07 dev veth1 master", "fdb 02:00:00:00:00:07 dev veth1", false},
		{"address of a bridge", "host", "bridge fdb add 02:00:00:00:00:06 dev br0 self permanent", "bridge fdb del 02:00:00:00:00:06 dev br0 self", "fdb 02:00:00:00:00:06 dev br0", false},
		{"operational state", "web", "ip link set eth0 down", "ip link set eth0 up", "link eth0: operstate", true},
		{"name", "web", "ip link set eth0 down; ip link set eth0 name eth7", "ip link set eth7 name eth0; ip link set eth0 up", "link eth7", true},
		{"master", "host", "ip link set veth1 nomaster", "ip link set veth1 master br0; " + unlearning, "link veth1: master", true},
	}...)
}

// sysctls are two of the family, for the host: whether it heeds redirects at
// eth0, and whether it forwards.
func (f family) sysctls() (redirects, forwarding string) {
	if f.v6 {
		return "net.ipv6.conf.eth0.accept_redirects", "net.ipv6.conf.all.forwarding"
	}
	return "net.ipv4.conf.eth0.accept_redirects", "net.ipv4.ip_forward"
}

// unlearning stops the bridge from learning whom it hears. A port that goes down
// forgets whom it knew, and what a node then sends by itself, seconds later (it
// asks whether a neighbour is still there), taught only one of the two bridges.
const unlearning = "bridge link set dev veth1 learning off"

// TestOracleTeeth alters one thing at a time in either of two networks that are
// alike, and the oracle has to find it: first in the harness's, then in the
// script's too, which makes them alike again; and back in the other order.
func TestOracleTeeth(t *testing.T) {
	t.Parallel()
	requireOracle(t)
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			p := twins(t, network{name: "PortForward", body: portForward, filters: true}, f)
			p.alike(t)
			for _, s := range []*side{&p.built, &p.typed} {
				words := strings.Fields(unlearning)
				_, err := s.Run("host", "", words[0], words[1:]...)
				require.NoError(t, err)
				s.state = nil
			}
			p.alike(t)
			for _, c := range changes(f) {
				for _, step := range []struct {
					side    *side
					command string
					differ  bool
				}{{&p.built, c.do, true}, {&p.typed, c.do, false}, {&p.typed, c.undo, true}, {&p.built, c.undo, false}} {
					for command := range strings.SplitSeq(step.command, "; ") {
						words := strings.Fields(command)
						_, err := step.side.Run(c.node, "", words[0], words[1:]...)
						require.NoError(t, err, c.kind)
					}
					step.side.state = nil
					if step.differ {
						p.differ(t, c)
					} else {
						p.alike(t)
					}
				}
			}
		})
	}
}

// differ demands a difference that is what the change is about.
func (p *pair) differ(t testing.TB, c change) {
	t.Helper()
	differences, err := p.compare(func(all []oracle.Difference) bool {
		about := func(node, want string) bool {
			return slices.ContainsFunc(all, func(d oracle.Difference) bool {
				return d.Node == node && strings.HasPrefix(d.Object+": "+d.Field, want)
			})
		}
		return about(c.node, c.want) && (!c.carrier || about("host", "link br0: operstate"))
	})
	require.NoError(t, err, "%s: %s: %s; found instead: %v", c.kind, c.node, c.want, differences)
}
