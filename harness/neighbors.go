package harness

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/netrig/netrig/internal/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// NeighborState is a state of the neighbour table (NUD_*, ip-neighbour(8)).
type NeighborState uint16

// The states of a neighbour. Incomplete is being asked for; Reachable, Stale,
// Delay, Probe, NoARP and Permanent can be sent to; Failed did not answer.
const (
	NeighborIncomplete NeighborState = unix.NUD_INCOMPLETE
	NeighborReachable  NeighborState = unix.NUD_REACHABLE
	NeighborStale      NeighborState = unix.NUD_STALE
	NeighborDelay      NeighborState = unix.NUD_DELAY
	NeighborProbe      NeighborState = unix.NUD_PROBE
	NeighborFailed     NeighborState = unix.NUD_FAILED
	NeighborNoARP      NeighborState = unix.NUD_NOARP
	NeighborPermanent  NeighborState = unix.NUD_PERMANENT
)

// Usable tells whether packets can be sent to the neighbour without asking for
// its address first (NUD_VALID of the kernel's include/net/neighbour.h).
func (s NeighborState) Usable() bool {
	return s&(NeighborReachable|NeighborStale|NeighborDelay|NeighborProbe|NeighborNoARP|NeighborPermanent) != 0
}

// String is the name of ip-neighbour(8), in capitals as it prints it.
func (s NeighborState) String() string {
	names := map[NeighborState]string{
		NeighborIncomplete: "INCOMPLETE", NeighborReachable: "REACHABLE", NeighborStale: "STALE", NeighborDelay: "DELAY",
		NeighborProbe: "PROBE", NeighborFailed: "FAILED", NeighborNoARP: "NOARP", NeighborPermanent: "PERMANENT", 0: "NONE",
	}
	if name, ok := names[s]; ok {
		return name
	}
	return fmt.Sprintf("0x%x", uint16(s))
}

// NeighborEntry is an entry of a neighbour table: ARP's for IPv4, neighbour
// discovery's for IPv6.
type NeighborEntry struct {
	Addr      netip.Addr
	Interface string
	MAC       net.HardwareAddr // nil while unknown
	State     NeighborState

	index int
}

// String writes the entry as ip-neighbour(8) does.
func (e NeighborEntry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s dev %s", e.Addr, e.Interface)
	if len(e.MAC) > 0 {
		fmt.Fprintf(&b, " lladdr %s", e.MAC)
	}
	fmt.Fprintf(&b, " %s", e.State)
	return b.String()
}

// Neighbors is the node's neighbour table, of both families. Entries that the
// kernel makes for multicast and loopback (NOARP) are left out.
func (n *Node) Neighbors() []NeighborEntry {
	n.lab.TB.Helper()
	list, err := n.neighbors()
	n.must(err, "list the neighbours")
	names := n.namesByIndex()
	var all []NeighborEntry
	for _, e := range list {
		if e.State == netlink.NUD_NOARP {
			continue
		}
		all = append(all, NeighborEntry{
			Addr: addrOf(e.IP), Interface: names[e.LinkIndex], MAC: e.HardwareAddr,
			State: NeighborState(e.State), index: e.LinkIndex,
		})
	}
	return all
}

// neighbors is one dump of both families.
func (n *Node) neighbors() ([]netlink.Neigh, error) {
	var list []netlink.Neigh
	err := link.Retry(func() (err error) { list, err = n.route.NeighList(0, netlink.FAMILY_ALL); return err })
	// With AF_UNSPEC the kernel adds the forwarding databases of some devices.
	kept := list[:0]
	for _, e := range list {
		if e.Family == netlink.FAMILY_V4 || e.Family == netlink.FAMILY_V6 {
			kept = append(kept, e)
		}
	}
	return kept, err
}

// pending tells capture what packets wait for where no packet shows it: a
// neighbour that is being asked for, or a queueing discipline that holds
// packets back.
func (l *Lab) pending() (string, bool) {
	for _, n := range l.All() {
		if what, yes := n.pending(); yes {
			return what, true
		}
	}
	return "", false
}

func (n *Node) pending() (string, bool) {
	list, err := n.neighbors()
	if err != nil {
		return "", false // the namespace is going away, with all its packets
	}
	for _, e := range list {
		if NeighborState(e.State) == NeighborIncomplete {
			return fmt.Sprintf("node %s is still asking for the neighbour %s", n.name, e.IP), true
		}
	}
	held := n.held()
	return held, held != ""
}

// held tells of packets in a queueing discipline of the node; "" for none.
func (n *Node) held() string {
	if !n.entered.Load() && !n.lab.foreign.Load() {
		return "" // the interfaces that the harness makes have no queue, and nobody has given them one
	}
	qdiscs, err := n.route.QdiscList(nil)
	if err != nil {
		return "" // the namespace is going away, with all its packets
	}
	for _, q := range qdiscs {
		if s := q.Attrs().Statistics; s != nil && s.Queue != nil && s.Queue.Backlog > 0 {
			return fmt.Sprintf("node %s holds %d packets back in a queueing discipline (%s)", n.name, s.Queue.Qlen, q.Type())
		}
	}
	return ""
}

// Held tells which node holds packets back in a queueing discipline, and how many:
// they are on their way, for as long as it takes. It is "" where none does.
func (l *Lab) Held() string {
	for _, n := range l.All() {
		if held := n.held(); held != "" {
			return held
		}
	}
	return ""
}
