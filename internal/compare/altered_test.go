package compare

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	netrig "github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// network is a private subnet on a bridge, behind a gateway that masquerades.
//
//	ns1 eth0 --- veth1 | br0  gateway  eth0 --- eth0 outside
//	ns2 eth0 --- veth2 |
type network struct {
	lab                        *harness.Lab
	ns1, ns2, gateway, outside *harness.Node
	br0                        *harness.Bridge
	veth2                      *harness.Port
	spare                      *harness.Cable
	rule                       *harness.Rule
}

// drive builds the network, has it altered, and asks. It demands little, so that
// it passes whatever was altered.
func drive(t testing.TB, alter func(*network)) {
	n := &network{lab: harness.New(t)}
	n.ns1, n.ns2, n.gateway, n.outside = n.lab.Node("ns1"), n.lab.Node("ns2"), n.lab.Node("gateway"), n.lab.Node("outside")
	n.br0 = n.gateway.Bridge("br0", harness.Address("192.168.1.254/24"))
	n.lab.Connect(n.ns1.Port("eth0", "192.168.1.1/24"), n.br0.Port("veth1"))
	n.veth2 = n.br0.Port("veth2")
	n.lab.Connect(n.ns2.Port("eth0", "192.168.1.2/24"), n.veth2)
	n.lab.Connect(n.gateway.Port("eth0", "192.168.9.1/24"), n.outside.Port("eth0", "192.168.9.2/24"))
	n.spare = n.lab.Connect(n.ns2.Port("eth1", "192.168.7.1/24"), n.outside.Port("eth1", "192.168.7.2/24"))
	n.ns1.AddDefaultRoute("192.168.1.254")
	n.ns2.AddDefaultRoute("192.168.1.254")
	n.gateway.EnableForwarding()
	n.rule = n.gateway.Masquerade(harness.NAT{Source: "192.168.1.0/24", Out: "eth0"})
	n.lab.Step("as built")
	if alter != nil {
		alter(n)
	}
	n.lab.Step("asked")
	netrig.Reachable(t, n.ns1, "192.168.9.2")
	netrig.Reachable(t, n.ns1, "192.168.1.2")
	netrig.Unreachable(t, n.ns1, "192.168.9.2", netrig.Cause{}, netrig.OutgoingTTL(1))
	n.outside.Serve("tcp", ":80")
	netrig.Reachable(t, n.ns2, "tcp:192.168.9.2:80")
	n.lab.Settle()
}

// record runs the network so often, and returns the folder of its journals.
func record(t *testing.T, runs int, alter func(*network)) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "journals")
	w, err := journal.NewWriter(folder)
	require.NoError(t, err)
	for range runs {
		r := try.Run("TestGateway", func(tb testing.TB) { drive(journal.TB{TB: tb, Writer: w}, alter) })
		require.False(t, r.Failed, r.Log())
		if r.Skipped {
			t.Skip(r.Log())
		}
	}
	return folder
}

// asBuilt is the network as it is, recorded three times for all tests.
var asBuilt struct {
	once   sync.Once
	folder *journal.Folder
}

func recordedOnce(t *testing.T) *journal.Folder {
	t.Helper()
	harness.RequireBackend(t, "nftables")
	asBuilt.once.Do(func() {
		f, err := journal.Read(record(t, 3, nil))
		require.NoError(t, err)
		asBuilt.folder = f
	})
	require.NotNil(t, asBuilt.folder, "the recording failed in another test")
	return asBuilt.folder
}

// The same kernel against itself says nothing.
func TestSameSaysNothing(t *testing.T) {
	t.Parallel()
	before := recordedOnce(t)
	for range 3 {
		after, err := journal.Read(record(t, 1, nil))
		require.NoError(t, err)
		r, err := Compare([]*journal.Folder{before}, []*journal.Folder{after}, Options{})
		require.NoError(t, err)
		var text strings.Builder
		require.NoError(t, r.Text(&text))
		assert.Equal(t, StatusSame, r.Status, text.String())
		assert.Empty(t, r.Differences, text.String())
	}
}

// Each of these alters a node before the network is asked, as a kernel that
// behaves otherwise would, and is found under its name.
func TestAlteredNodes(t *testing.T) {
	t.Parallel()
	before := recordedOnce(t)
	for name, c := range map[string]struct {
		alter func(*network)
		want  Difference // the fields that are set
	}{
		"a TTL": {
			func(n *network) { n.outside.SetSysctl("net.ipv4.ip_default_ttl", 32) },
			Difference{Kind: Answers, Step: "asked", Node: "ns1", What: "Reachable 192.168.9.2", Field: "ttl", Before: "63", After: "31"},
		},
		"a route": {
			func(n *network) { n.outside.AddRoute("10.9.0.0/16", "192.168.9.77") },
			Difference{Kind: Routes, Node: "outside", What: "route unicast 10.9.0.0/16 on eth0 in table 254"},
		},
		"a neighbour's state": {
			func(n *network) { n.ns1.AddNeighbor("eth0", "192.168.1.2", n.ns2.MAC("eth0")) },
			Difference{Kind: Neighbours, Node: "ns1", What: "neighbour 192.168.1.2 on eth0", Field: "state", After: "PERMANENT at ns2:eth0"},
		},
		"a time-out of connection tracking": {
			func(n *network) { n.gateway.SetSysctl("net.netfilter.nf_conntrack_icmp_timeout", 300) },
			Difference{Kind: Connections, Node: "gateway", What: "tracked connection icmp 192.168.1.1 > 192.168.9.2", Field: "time-out", Before: "30s", After: "5m0s"},
		},
		"an operational state": {
			func(n *network) { n.spare.B.Down() },
			Difference{Kind: Interfaces, Node: "ns2", What: "interface eth1", Field: "operational state", Before: "up"},
		},
		"a redirect": {
			func(n *network) {
				n.rule.Remove() // translation drops redirects
				n.outside.AddRoute("192.168.1.0/24", "192.168.9.1")
				n.ns1.AddRoute("192.168.1.2/32", "192.168.1.254")
			},
			Difference{Kind: Packets, Step: "asked", Node: "gateway", What: "redirect (code 1)"},
		},
		"a bridge port": {
			func(n *network) { n.veth2.SetLearning(false) },
			Difference{Kind: Bridges, Node: "gateway", What: "bridge port veth2", Field: "learning", Before: "yes", After: "no"},
		},
		"an address": {
			func(n *network) { n.outside.AddAddress("eth1", "10.8.0.1/24") },
			Difference{Kind: Addresses, Node: "outside", What: "address 10.8.0.1/24 on eth1"},
		},
		"a filter rule": {
			func(n *network) { n.gateway.Count(harness.Filter{Source: "192.168.1.0/24"}) },
			Difference{Kind: Filters, Node: "gateway", What: "filter rule -t filter -A FORWARD -s 192.168.1.0/24", After: "packets some"},
		},
		"a rule that no packet meets any more": {
			func(n *network) {
				n.gateway.SNAT(harness.NAT{Source: "192.168.1.0/24", Out: "eth0", To: "192.168.9.1"})
				n.rule.Remove()
				n.rule = n.gateway.Masquerade(harness.NAT{Source: "192.168.1.0/24", Out: "eth0"})
			},
			Difference{Kind: Filters, Node: "gateway", What: "filter rule -t nat -A POSTROUTING -s 192.168.1.0/24 -o eth0 -j MASQUERADE", Field: "packets", Before: "some", After: "none"},
		},
		"a routing rule": {
			func(n *network) {
				n.gateway.AddRoutingRule(harness.RoutingRule{Priority: 7, From: "10.0.0.0/8", Table: 9})
			},
			Difference{Kind: Routes, Node: "gateway", What: "routing rule IPv4 7: from 10.0.0.0/8 lookup 9"},
		},
		"a route without carrier": {
			func(n *network) { n.spare.B.Down() },
			Difference{Kind: Routes, Node: "ns2", What: "route unicast 192.168.7.0/24 on eth1 in table 254", Field: "state", After: "linkdown"},
		},
		"what the test does": {
			func(n *network) { n.outside.AddAddress("eth1", "10.8.0.1/24") },
			Difference{Kind: Actions, Step: "as built", Node: "outside", What: "what the test did", After: "AddAddress 10.8.0.1/24 on eth1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			after, err := journal.Read(record(t, 1, c.alter))
			require.NoError(t, err)
			demand(t, before, after, c.want)
		})
	}
}

// demand is that a difference like the one wanted is found, and counts.
func demand(t *testing.T, before, after *journal.Folder, want Difference) *Result {
	t.Helper()
	r, err := Compare([]*journal.Folder{before}, []*journal.Folder{after}, Options{})
	require.NoError(t, err)
	found := slices.ContainsFunc(r.Differences, func(d Difference) bool {
		return d.Kind == want.Kind && (want.Test == "" || d.Test == want.Test) && (want.Step == "" || d.Step == want.Step) &&
			(want.Node == "" || d.Node == want.Node) && d.What == want.What && (want.Field == "" || d.Field == want.Field) &&
			(want.Before == "" || d.Before == want.Before) && (want.After == "" || d.After == want.After)
	})
	var text strings.Builder
	require.NoError(t, r.Text(&text))
	assert.True(t, found, "not found: %+v in\n%s", want, text.String())
	assert.Equal(t, StatusWorse, r.Status, text.String())
	return r
}

// copied is a copy of journals that shares nothing with them.
func copied(t *testing.T, f *journal.Folder) *journal.Folder {
	t.Helper()
	raw, err := json.Marshal(f)
	require.NoError(t, err)
	c := &journal.Folder{}
	require.NoError(t, json.Unmarshal(raw, c))
	return c
}

// Each of these alters the journals of every run of one side, and nothing but the
// one difference is found.
func TestAlteredJournals(t *testing.T) {
	t.Parallel()
	recorded := recordedOnce(t)
	packet := func(lab *journal.Lab, kind, at, direction string) *journal.Packet {
		for _, s := range lab.Steps {
			for i := range s.Packets {
				if p := &s.Packets[i]; p.Kind == kind && p.At == at && p.Direction == direction {
					return p
				}
			}
		}
		panic(fmt.Sprintf("no %s at %s %s", kind, at, direction))
	}
	object := func(lab *journal.Lab, node, kind, name string) *journal.Object {
		for i := range lab.Nodes {
			for j := range lab.Nodes[i].Objects {
				if o := &lab.Nodes[i].Objects[j]; lab.Nodes[i].Name == node && o.Kind == kind && o.Name == name {
					return o
				}
			}
		}
		panic(fmt.Sprintf("no %s %s in %s", kind, name, node))
	}
	const errorKind = "time exceeded (in transit)"
	for name, c := range map[string]struct {
		alter func(*journal.Lab)
		want  Difference
	}{
		"the source of an ICMP error": {
			func(l *journal.Lab) { packet(l, errorKind, "gateway:br0", "out").Src = "192.168.9.1" },
			Difference{Kind: Packets, Step: "asked", Node: "gateway", What: errorKind},
		},
		"a TTL on the way": {
			func(l *journal.Lab) { packet(l, "echo request", "outside:eth0", "in").TTL = 62 },
			Difference{Kind: Packets, Step: "asked", Node: "ns1", What: "echo request"},
		},
		"a packet less": {
			func(l *journal.Lab) { packet(l, "arp reply", "outside:eth0", "out").Kind = "arp request" },
			Difference{Kind: Packets, Step: "asked", Node: "outside", What: "arp reply"},
		},
		"who said it": {
			func(l *journal.Lab) { l.Steps[2].Verbs[2].Saw["said by"] = "192.168.9.1" },
			Difference{Kind: Answers, Step: "asked", Node: "ns1", What: "Unreachable 192.168.9.2", Field: "said by", Before: "192.168.1.254", After: "192.168.9.1"},
		},
		"what the server saw": {
			func(l *journal.Lab) { l.Steps[2].Verbs[3].Saw["server saw"] = "192.168.1.2:ephemeral" },
			Difference{Kind: Answers, Step: "asked", Node: "ns2", What: "Reachable tcp:192.168.9.2:80", Field: "server saw", Before: "192.168.9.1:ephemeral"},
		},
		"an operational state": {
			func(l *journal.Lab) {
				object(l, "gateway", journal.Interface, "br0").Fields["operational state"] = "unknown"
			},
			Difference{Kind: Interfaces, Node: "gateway", What: "interface br0", Field: "operational state", Before: "up", After: "unknown"},
		},
		"who made an address": {
			func(l *journal.Lab) {
				object(l, "ns1", journal.Address, "127.0.0.1/8 on lo").Fields["made by"] = "kernel_lo"
			},
			Difference{Kind: Addresses, Node: "ns1", What: "address 127.0.0.1/8 on lo", Field: "made by", After: "kernel_lo"},
		},
		"a route that the kernel makes": {
			func(l *journal.Lab) {
				l.Nodes[0].Objects = append(l.Nodes[0].Objects, journal.Object{Kind: journal.Route, Name: "broadcast 192.168.1.0/32 on eth0 in table 255", Fields: map[string]string{"made by": "kernel"}})
			},
			Difference{Kind: Routes, Node: "ns1", What: "route broadcast 192.168.1.0/32 on eth0 in table 255", After: "made by kernel"},
		},
		"a neighbour that is lost": {
			func(l *journal.Lab) {
				object(l, "gateway", journal.Neighbour, "192.168.9.2 on eth0").Fields["state"] = "FAILED"
			},
			Difference{Kind: Neighbours, Node: "gateway", What: "neighbour 192.168.9.2 on eth0", Field: "state", After: "unanswered"},
		},
		"a time-out": {
			func(l *journal.Lab) {
				object(l, "gateway", journal.Connection, "icmp 192.168.1.1 > 192.168.9.2").Fields["time-out"] = "1m0s"
			},
			Difference{Kind: Connections, Node: "gateway", What: "tracked connection icmp 192.168.1.1 > 192.168.9.2", Field: "time-out", Before: "30s", After: "1m0s"},
		},
		"a counter of errors": {
			func(l *journal.Lab) {
				l.Nodes[3].Objects = append(l.Nodes[3].Objects, journal.Object{Kind: journal.Counter, Name: "IpReasmFails", Fields: map[string]string{"value": "1"}})
			},
			Difference{Kind: Counters, Node: "outside", What: "counter IpReasmFails", Field: "value", Before: "0", After: "1"},
		},
		"a forwarding entry": {
			func(l *journal.Lab) {
				object(l, "gateway", journal.Forwarding, "ns1:eth0 behind veth1").Name = "ns1:eth0 behind veth2"
			},
			Difference{Kind: Bridges, Node: "gateway", What: "forwarding entry ns1:eth0 behind veth2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			altered := copied(t, recorded)
			for _, run := range altered.Tests {
				c.alter(run.Labs[0])
			}
			c.want.Test = "compare.TestGateway"
			r := demand(t, recorded, altered, c.want)
			for _, d := range r.Differences {
				assert.Equal(t, c.want.Kind, d.Kind, "nothing else: %s", d)
			}
			// And the other way about.
			c.want.Before, c.want.After = c.want.After, c.want.Before
			demand(t, altered, recorded, c.want)
		})
	}
}

// A module that only one side has needed is told, where both have modules.
func TestAlteredModules(t *testing.T) {
	t.Parallel()
	recorded := copied(t, recordedOnce(t))
	process := func(modules, loaded []string) *journal.Process {
		return &journal.Process{Header: recorded.Tests[0].Header, Sysctls: map[string]string{"net.ipv4.ip_default_ttl": "64"}, Modules: modules, Loaded: loaded}
	}
	for name, c := range map[string]struct {
		before, after *journal.Process
		want          []string
	}{
		"one more":                {process([]string{"veth"}, []string{"veth"}), process([]string{"nf_tables", "veth"}, []string{"nf_tables"}), []string{"module nf_tables: loaded"}},
		"loaded by somebody else": {process([]string{"veth"}, nil), process([]string{"nf_tables", "veth"}, []string{"veth"}), nil},
		"built in":                {process(nil, nil), process([]string{"veth"}, []string{"veth"}), nil},
	} {
		before, after := copied(t, recorded), copied(t, recorded)
		before.Processes, after.Processes = []*journal.Process{c.before}, []*journal.Process{c.after}
		r, err := Compare([]*journal.Folder{before}, []*journal.Folder{after}, Options{})
		require.NoError(t, err)
		var told []string
		for _, d := range r.Differences {
			assert.Equal(t, Modules, d.Kind)
			told = append(told, d.What+": "+d.After)
		}
		assert.Equal(t, c.want, told, name)
		assert.Equal(t, StatusSame, r.Status, "%s: it is to know", name)
	}
}

func TestAlteredSysctls(t *testing.T) {
	t.Parallel()
	recorded := copied(t, recordedOnce(t))
	header := recorded.Tests[0].Header
	recorded.Processes = []*journal.Process{{Header: header, Sysctls: map[string]string{
		"net.ipv4.tcp_challenge_ack_limit": "1000", "net.core.netdev_rss_key": "a", "net.ipv4.tcp_mem": "1 2 3", "net.ipv6.old": "1",
	}}}
	altered := copied(t, recorded)
	s := altered.Processes[0].Sysctls
	s["net.core.netdev_rss_key"], s["net.ipv4.tcp_mem"], s["net.ipv4.new"] = "b", "4 5 6", "1"
	r, err := Compare([]*journal.Folder{recorded}, []*journal.Folder{altered}, Options{})
	require.NoError(t, err)
	require.Len(t, r.Differences, 1)
	assert.Equal(t, "sysctl net.ipv4.new", r.Differences[0].What)
	assert.Equal(t, StatusSame, r.Status, "one that is new is not for the worse")

	s["net.ipv4.tcp_challenge_ack_limit"] = "2147483647"
	demand(t, recorded, altered, Difference{Kind: Sysctls, What: "sysctl net.ipv4.tcp_challenge_ack_limit", Before: "1000", After: "2147483647"})
	delete(s, "net.ipv6.old")
	demand(t, recorded, altered, Difference{Kind: Sysctls, What: "sysctl net.ipv6.old", Before: "1"})
}
