package compare

import (
	"slices"
	"strings"
	"testing"

	"github.com/netrig/netrig/internal/journal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is left out is left out for a reason.
func TestNoiseHasReasons(t *testing.T) {
	for _, q := range quietCounters {
		assert.NotEmpty(t, q.why, q.name)
	}
	for _, q := range quietSysctls {
		assert.NotEmpty(t, q.why, q.name)
	}
}

// Each of these was met between two runs on one kernel, and says nothing.
func TestNoise(t *testing.T) {
	t.Parallel()
	recorded := recordedOnce(t)
	step := func(l *journal.Lab) *journal.Step { return l.Steps[2] }
	node := func(l *journal.Lab, name string) *journal.Node {
		return &l.Nodes[slices.IndexFunc(l.Nodes, func(n journal.Node) bool { return n.Name == name })]
	}
	for name, alter := range map[string]func(*journal.Lab){
		"a multicast report more": func(l *journal.Lab) {
			s := step(l)
			s.Packets = append(s.Packets, journal.Packet{At: "ns1:eth0", Direction: "out", Flight: 999, Kind: "mld report", Src: "::", Dst: "ff02::16", Housekeeping: true})
		},
		"an acknowledgement less": func(l *journal.Lab) {
			s := step(l)
			i := slices.IndexFunc(s.Packets, func(p journal.Packet) bool { return p.Kind == "TCP ACK" })
			require.GreaterOrEqual(t, i, 0)
			flight := s.Packets[i].Flight
			s.Packets = slices.DeleteFunc(s.Packets, func(p journal.Packet) bool { return p.Flight == flight })
		},
		"an end by reset": func(l *journal.Lab) {
			s := step(l)
			for i := range s.Packets {
				if strings.Contains(s.Packets[i].Kind, "FIN") {
					s.Packets[i].Kind = "TCP RST|ACK"
				}
			}
		},
		"an entry that is closing": func(l *journal.Lab) {
			for i, o := range node(l, "gateway").Objects {
				if strings.HasPrefix(o.Name, "tcp ") {
					// As the recording has it in one of these states, whichever.
					node(l, "gateway").Objects[i].Fields["state"] = "LAST_ACK"
					node(l, "gateway").Objects[i].Fields["time-out"] = "30s"
				}
			}
		},
		"an entry of the same sort more": func(l *journal.Lab) {
			n := node(l, "gateway")
			for _, o := range n.Objects {
				if o.Kind == journal.Connection {
					o.Name += " #2"
					n.Objects = append(n.Objects, o)
					break
				}
			}
		},
		"a neighbour without an answer more": func(l *journal.Lab) {
			n := node(l, "ns1")
			n.Objects = append(n.Objects, journal.Object{Kind: journal.Neighbour, Name: "192.168.1.77 on eth0", Fields: map[string]string{"state": "FAILED"}})
		},
		"a device of a tunnel module": func(l *journal.Lab) {
			n := node(l, "ns1")
			n.Objects = append(n.Objects, journal.Object{Kind: journal.Interface, Name: "sit0", Fields: map[string]string{"kind": "sit"}})
		},
		"counters that are sums": func(l *journal.Lab) {
			n := node(l, "ns1")
			n.Objects = append(n.Objects, journal.Object{Kind: journal.Counter, Name: "TcpExtTCPDelivered", Fields: map[string]string{"value": "7"}})
		},
		"a question asked once more in its loop, and its packets": func(l *journal.Lab) {
			s := step(l)
			s.Verbs = append(s.Verbs, s.Verbs[0])
			for _, p := range slices.Clone(s.Packets) {
				if p.During == 1 {
					p.Flight += 1000
					s.Packets = append(s.Packets, p)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			altered := copied(t, recorded)
			for _, run := range altered.Tests {
				alter(run.Labs[0])
			}
			for _, way := range [][2]*journal.Folder{{recorded, altered}, {altered, recorded}} {
				r, err := Compare([]*journal.Folder{way[0]}, []*journal.Folder{way[1]}, Options{})
				require.NoError(t, err)
				var text strings.Builder
				require.NoError(t, r.Text(&text))
				assert.Empty(t, r.Differences, text.String())
			}
		})
	}
}

// Which of several next hops a flow takes is chance, another way out is not.
func TestHashedWays(t *testing.T) {
	t.Parallel()
	run := func(way string) *journal.Test {
		packets := []journal.Packet{
			{At: "edge:eth0", Direction: "in"}, {At: "edge:" + way + "0", Direction: "out"}, {At: way + ":eth0", Direction: "in"},
			{At: way + ":eth1", Direction: "out"}, {At: "server:" + way + "0", Direction: "in"},
		}
		for i := range packets {
			packets[i].Kind, packets[i].Src, packets[i].Dst, packets[i].Flight, packets[i].During = "echo request", "10.0.0.1", "10.9.0.1", 1, 1
		}
		return &journal.Test{Header: journal.Header{Version: journal.Version}, Name: "TestHashed", Outcome: journal.Passed, Labs: []*journal.Lab{{
			Steps: []*journal.Step{{Packets: packets, Verbs: []journal.Verb{{Verb: "Reachable", From: "edge", To: "10.9.0.1", Line: "a_test.go:1"}}}},
			Nodes: []journal.Node{{Name: "edge", Objects: []journal.Object{{Kind: journal.Route, Name: "unicast 10.9.0.0/16 in table 254",
				Fields: map[string]string{"next hops": "10.1.0.1 on left0 weight 1 dead linkdown, 10.2.0.1 on right0 weight 1"}}}}},
		}}}
	}
	side := func(way string) []*journal.Folder {
		return []*journal.Folder{{Tests: []*journal.Test{run(way), run(way), run(way)}}}
	}
	r, err := Compare(side("left"), side("right"), Options{})
	require.NoError(t, err)
	var text strings.Builder
	require.NoError(t, r.Text(&text))
	assert.Empty(t, r.Differences, text.String())

	r, err = Compare(side("left"), side("other"), Options{})
	require.NoError(t, err)
	assert.NotEmpty(t, r.Differences)
	assert.Equal(t, StatusWorse, r.Status)
}

// Another order at an interface counts where all runs of either side agree on
// theirs, and with fewer than three it does not.
func TestOrder(t *testing.T) {
	t.Parallel()
	recorded := recordedOnce(t)
	altered := copied(t, recorded)
	for _, run := range altered.Tests {
		s := run.Labs[0].Steps[2]
		first := slices.IndexFunc(s.Packets, func(p journal.Packet) bool { return p.Kind == "echo request" && p.Dst == "192.168.1.2" })
		require.GreaterOrEqual(t, first, 0)
		flight := s.Packets[first].Flight
		slices.SortStableFunc(s.Packets, func(a, b journal.Packet) int {
			return map[bool]int{true: 0, false: 1}[a.Flight == flight] - map[bool]int{true: 0, false: 1}[b.Flight == flight]
		})
	}
	demand(t, recorded, altered, Difference{Kind: Order, Node: "ns1", What: "eth0 out, question 2 (Reachable 192.168.1.2)", Field: "order of packets"})
	altered.Tests = altered.Tests[:2]
	r, err := Compare([]*journal.Folder{recorded}, []*journal.Folder{altered}, Options{})
	require.NoError(t, err)
	assert.Empty(t, r.Differences)
}
