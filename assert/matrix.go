package assert

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/netrig/netrig/harness"
)

// Matrix has every node ask every other, by an echo to each of its addresses
// of the families that both have, and demands of each pair what want says:
// Reached, or the cause why not. On failure it prints the expected, the
// observed and the compared matrix side by side.
//
// With many nodes on one segment the kernel's neighbour table overflows, which
// is one for all namespaces of the machine: Lab.PermanentNeighbors goes
// before. Matrix refuses to start where it would.
func Matrix(t testing.TB, nodes []*harness.Node, want func(from, to *harness.Node) Cause) {
	t.Helper()
	if len(nodes) < 2 || want == nil {
		fatalf(t, "netrig: Matrix: it needs two nodes at least, and a wish for each pair")
	}
	if slices.Contains(nodes, nil) {
		fatalf(t, "netrig: Matrix: node %d of %d is nil", slices.Index(nodes, nil)+1, len(nodes))
	}
	addresses := map[*harness.Node][]netip.Addr{}
	for _, n := range nodes {
		addresses[n] = n.Addresses()
	}
	if err := neighborRoom(nodes, addresses); err != nil {
		fatalf(t, "netrig: Matrix: %v", err)
	}
	for _, n := range nodes {
		if len(addresses[n]) == 0 {
			fatalf(t, "netrig: Matrix: node %s has no address that others could ask", n)
		}
	}
	m := newGrid(nodes)
	for i, from := range nodes {
		r := newRow(from)
		defer r.close() // where the test ends in mid-row
		for j, to := range nodes {
			if i == j {
				continue
			}
			expected := want(from, to)
			m.expected[i][j] = short(expected)
			seen, asked := Cause{}, false
			for _, a := range addresses[to] {
				if !hasFamily(addresses[from], a) {
					continue
				}
				e := r.ask(t, a, expected)
				seen, asked = e.Cause, true
				if met := expected.Kind == Reached.Kind && e.reached() || expected.Kind != Reached.Kind && !e.reached() && expected.met(e.Cause, from.Lab()); !met {
					m.misses = append(m.misses, fmt.Sprintf("%s > %s (%s): %s, want %s", from, to, a, e.Cause, expected))
					m.wrong[i][j] = true
					if m.first == nil {
						m.first = e
					}
					break
				}
			}
			m.observed[i][j] = short(seen)
			if !asked {
				m.misses = append(m.misses, fmt.Sprintf("%s > %s: they have no address family in common", from, to))
				m.wrong[i][j], m.observed[i][j] = true, "family"
			}
		}
		r.close()
	}
	if len(m.misses) > 0 {
		why := crowded(nodes[0], addresses[nodes[0]][0].String())
		if e := m.first; e != nil {
			why += fmt.Sprintf("    the first, %s > %s:%s", e.From, e.To, e.explained())
		}
		fatalf(t, "%d of %d pairs are not as demanded:\n    %s\n%s%s", len(m.misses), len(nodes)*(len(nodes)-1), strings.Join(m.misses, "\n    "), m, why)
	}
}

func hasFamily(own []netip.Addr, a netip.Addr) bool {
	for _, o := range own {
		if o.Is4() == a.Is4() {
			return true
		}
	}
	return false
}

// neighborRoom refuses a matrix whose neighbours would not fit into the
// kernel's table.
func neighborRoom(nodes []*harness.Node, addresses map[*harness.Node][]netip.Addr) error {
	limit := nodes[0].Lab().NeighborTable(false).Limit
	permanent := map[string]map[netip.Addr]bool{}
	for _, n := range nodes {
		known := map[netip.Addr]bool{}
		for _, e := range n.Neighbors() {
			known[e.Addr] = e.State == harness.NeighborPermanent
		}
		permanent[n.Name()] = known
	}
	needed := 0
	for _, from := range nodes {
		segments := from.Subnets()
		for _, to := range nodes {
			if from == to {
				continue
			}
			for _, a := range addresses[to] {
				for _, s := range segments {
					if s.Contains(a) && !permanent[from.Name()][a] {
						needed++
						break
					}
				}
			}
		}
	}
	if needed > limit {
		return fmt.Errorf("%d nodes would need %d entries in the kernel's neighbour table, which is one for all namespaces of the machine and holds %d (net.ipv4.neigh.default.gc_thresh3); pings would get lost: call Lab.PermanentNeighbors first", len(nodes), needed, limit)
	}
	return nil
}
