package assert

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
)

// Neighbor demands that a node knows a neighbour by this hardware address, in
// a state in which packets are sent to it (REACHABLE, STALE, DELAY, PROBE,
// PERMANENT), and returns the entry. A nil mac means any.
func Neighbor(t testing.TB, n *harness.Node, address string, mac net.HardwareAddr) harness.NeighborEntry {
	t.Helper()
	var near []string
	began := time.Now()
	for _, e := range neighborsAt(t, n, address) {
		if e.State.Usable() && (mac == nil || bytes.Equal(e.MAC, mac)) {
			noteState("Neighbor", began, n, address, e.State.String())
			return e
		}
		near = append(near, e.String())
	}
	if near == nil {
		fatalf(t, "%s does not know the neighbour %s%s", n, address, table(n))
	}
	want := ""
	if mac != nil {
		want = fmt.Sprintf(" at %s%s", mac, macOwner(n.Lab(), mac))
	}
	fatalf(t, "%s knows the neighbour %s otherwise: %s; want it usable%s%s", n, address, strings.Join(near, "; "), want, table(n))
	panic("unreachable")
}

// NoNeighbor demands that a node has no usable entry for a neighbour: none at
// all, or one that is being asked for or did not answer.
func NoNeighbor(t testing.TB, n *harness.Node, address string) {
	t.Helper()
	for _, e := range neighborsAt(t, n, address) {
		if e.State.Usable() {
			fatalf(t, "%s knows the neighbour %s, but must not: %s%s", n, address, e, table(n))
		}
	}
}

// NeighborState demands the state of a neighbour's entry, such as
// harness.NeighborFailed.
//
// No entry counts as failed in one case: the node has asked for the neighbour,
// and since the lab began the kernel has gone through its table for entries to
// drop. It does so every 15 s or so, and whenever the table is full, and with
// more than gc_thresh1 (128) entries in all namespaces of the machine together
// those of neighbours that failed go first. No test can keep it from that.
func NeighborState(t testing.TB, n *harness.Node, address string, want harness.NeighborState) {
	t.Helper()
	var near []string
	for _, e := range neighborsAt(t, n, address) {
		if e.State == want {
			return
		}
		near = append(near, e.String())
	}
	if near != nil {
		fatalf(t, "%s has the neighbour %s as %s; want %s%s", n, address, strings.Join(near, "; "), want, table(n))
	}
	a := netip.MustParseAddr(address).Unmap().WithZone("")
	now := n.Lab().NeighborTable(a.Is6())
	if want == harness.NeighborFailed && forgotten(n, a, now) {
		return
	}
	fatalf(t, "%s has no entry for the neighbour %s, want one that is %s%s%s", n, address, want, table(n), overflowed(now))
}

// forgotten tells whether the kernel may have dropped the entry of a neighbour
// that did not answer.
func forgotten(n *harness.Node, a netip.Addr, now harness.NeighborTable) bool {
	return now.Collections > 0 && asked(n, a)
}

// asked tells whether the node was seen to ask for a neighbour.
func asked(n *harness.Node, a netip.Addr) bool {
	m := capture.Match{Node: n.Name(), Direction: capture.Out, Kind: capture.ARPRequest, ARPTargetIP: a}
	if a.Is6() {
		m = capture.Match{Node: n.Name(), Direction: capture.Out, Kind: capture.NeighborSolicitation, NDTarget: a}
	}
	return n.Lab().Recording().All().First(m) != nil
}

// crowded is overflowed, of the table that a probe to the target needs, and
// untracked.
func crowded(n *harness.Node, to string) string {
	target, err := parseTarget(to)
	if err != nil {
		return ""
	}
	return overflowed(n.Lab().NeighborTable(target.addr.Is6())) + untracked(n.Lab())
}

// crowdedOut tells whether neighbours of the probe's family did not fit into the
// kernel's table since the lab began.
func (p *probe) crowdedOut() bool {
	return p.node.Lab().NeighborTable(p.target.addr.Is6()).Overflows > 0
}

// overflowed says that neighbours did not fit into the kernel's table since the
// lab began, and what to do about it; "" where all did.
func overflowed(now harness.NeighborTable) string {
	if now.Overflows == 0 {
		return ""
	}
	return fmt.Sprintf("\n    this may be for want of room: since the lab began the kernel's neighbour table, of %d entries for all namespaces of the machine together"+
		" (net.ipv4.neigh.default.gc_thresh3, and its like of net.ipv6), was too full for another one %d times (%d now; the sender is told ENOBUFS, with IPv6 EINVAL, and a router is silent):"+
		" run fewer tests at once (-parallel, -p 1), or call Lab.PermanentNeighbors", now.Limit, now.Overflows, now.Entries)
}

func neighborsAt(t testing.TB, n *harness.Node, address string) []harness.NeighborEntry {
	t.Helper()
	if n == nil {
		fatalf(t, "netrig: the neighbour %s of which node? It is nil", address)
	}
	a, err := netip.ParseAddr(address)
	if err != nil {
		fatalf(t, "netrig: the neighbour %q is not an IP address", address)
	}
	zone := a.Zone() // the interface, by name
	a = a.Unmap().WithZone("")
	if zone != "" && !n.HasInterface(zone) {
		fatalf(t, "netrig: the neighbour %s: node %s has no interface %q", address, n, zone)
	}
	var found []harness.NeighborEntry
	for _, e := range n.Neighbors() {
		if e.Addr == a && (zone == "" || zone == e.Interface) {
			found = append(found, e)
		}
	}
	return found
}

// table is the node's whole neighbour table, below a message.
func table(n *harness.Node) string {
	var b strings.Builder
	for _, e := range n.Neighbors() {
		fmt.Fprintf(&b, "\n    %s%s", e, macOwner(n.Lab(), e.MAC))
	}
	if b.Len() == 0 {
		return "\n    its neighbour table is empty"
	}
	return b.String()
}

// macOwner is " (node:interface)" for a hardware address of the lab.
func macOwner(lab *harness.Lab, mac net.HardwareAddr) string {
	if len(mac) == 0 {
		return ""
	}
	for _, n := range lab.All() {
		for _, i := range n.Interfaces() {
			if bytes.Equal(i.MAC, mac) {
				return fmt.Sprintf(" (%s:%s)", n, i.Name)
			}
		}
	}
	return ""
}
