package harness

import (
	"errors"
	"sync"
	"time"

	"github.com/netrig/netrig/internal/link"
	"golang.org/x/sys/unix"
)

// NeighborTable is the kernel's neighbour table of one family. It is one for
// all namespaces of the machine, so that the machine itself and other tests
// have their part in these numbers.
type NeighborTable struct {
	Entries int // now, in all namespaces
	Limit   int // gc_thresh3: more entries than that do not fit
	// Collections is how often, since the lab began or shortly before, the kernel
	// went through the table for entries to drop, those of neighbours that failed
	// among them (neigh_periodic_work and neigh_forced_gc in
	// net/core/neighbour.c): every 15 s or so, and whenever the table is full.
	Collections uint64
	// Overflows is how many entries did not fit, in the same time. Who wanted
	// such an entry could not send: ENOBUFS with IPv4, EINVAL with IPv6.
	Overflows uint64
}

// NeighborTable reads the kernel's neighbour table: ARP's, or with ipv6 that of
// neighbour discovery.
func (l *Lab) NeighborTable(ipv6 bool) NeighborTable {
	l.TB.Helper()
	i, family := 0, uint8(unix.AF_INET)
	if ipv6 {
		i, family = 1, unix.AF_INET6
	}
	now, err := link.ReadNeighborTable(family)
	if err := errors.Join(l.tables.err, err); err != nil {
		l.fatalf("%v", err)
	}
	before := l.tables.of[i]
	return NeighborTable{
		Entries: now.Entries, Limit: now.Limit,
		Collections: now.Collections - before.Collections, Overflows: now.Overflows - before.Overflows,
	}
}

// neighborTables are the tables of both families at one time.
type neighborTables struct {
	of  [2]link.NeighborTable // IPv4, IPv6
	err error
}

// tablesAge is how old the numbers may be that a lab begins with: to read them
// takes the lock that building needs.
const tablesAge = 200 * time.Millisecond

var lastTables struct {
	sync.Mutex
	neighborTables
	at time.Time
}

// recentTables reads the tables, unless that was done just now.
func recentTables() neighborTables {
	lastTables.Lock()
	defer lastTables.Unlock()
	if at := time.Now(); at.Sub(lastTables.at) > tablesAge {
		v4, err4 := link.ReadNeighborTable(unix.AF_INET)
		v6, err6 := link.ReadNeighborTable(unix.AF_INET6)
		if errors.Is(err6, unix.EOPNOTSUPP) || v6.Limit == 0 {
			err6 = nil // a kernel without IPv6, of which nobody will ask
		}
		lastTables.neighborTables, lastTables.at = neighborTables{[2]link.NeighborTable{v4, v6}, errors.Join(err4, err6)}, at
	}
	return lastTables.neighborTables
}
