package link

import (
	"encoding/binary"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// NeighborTable is what the kernel tells of its neighbour table of one family,
// which is one for all namespaces of the machine.
type NeighborTable struct {
	Entries     int    // in all namespaces
	Limit       int    // gc_thresh3
	Collections uint64 // since boot: how often it has looked for entries to drop
	Overflows   uint64 // since boot: entries that did not fit
}

// The attributes and offsets of include/uapi/linux/neighbour.h that x/sys does
// not name.
const (
	ndtaThresh3    = 4
	ndtaConfig     = 5  // struct ndt_config
	ndtaStats      = 7  // struct ndt_stats, 64-bit counters
	configEntries  = 4  // ndtc_entries, 32 bits
	statPeriodic   = 8  // ndts_periodic_gc_runs
	statForced     = 9  // ndts_forced_gc_runs
	statTableFulls = 10 // ndts_table_fulls
)

// ReadNeighborTable reads it; family is AF_INET (ARP) or AF_INET6 (neighbour
// discovery). Any namespace is told the same.
func ReadNeighborTable(family uint8) (t NeighborTable, err error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETNEIGHTBL, unix.NLM_F_DUMP)
	req.AddData(&familyHeader{family})
	answers, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNEIGHTBL)
	if err != nil {
		return t, fmt.Errorf("ask for the neighbour table: %w", err)
	}
	for _, answer := range answers {
		if len(answer) < (&familyHeader{}).Len() || answer[0] != family {
			continue
		}
		attrs, err := nl.ParseRouteAttr(answer[(&familyHeader{}).Len():])
		if err != nil {
			return t, fmt.Errorf("read the neighbour table: %w", err)
		}
		// Only the message about the table itself has these; the others are about
		// its timers at one interface each.
		for _, a := range attrs {
			switch v := a.Value; {
			case a.Attr.Type == ndtaThresh3 && len(v) >= 4:
				t.Limit = int(binary.NativeEndian.Uint32(v))
			case a.Attr.Type == ndtaConfig && len(v) >= configEntries+4:
				t.Entries = int(binary.NativeEndian.Uint32(v[configEntries:]))
			case a.Attr.Type == ndtaStats && len(v) >= 8*(statTableFulls+1):
				stat := func(i int) uint64 { return binary.NativeEndian.Uint64(v[8*i:]) }
				t.Collections, t.Overflows = stat(statPeriodic)+stat(statForced), stat(statTableFulls)
			}
		}
	}
	if t.Limit == 0 {
		return t, fmt.Errorf("read the neighbour table: the kernel told nothing of family %d", family)
	}
	return t, nil
}
