package harness

import (
	"errors"
	"os"
	"strings"

	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"
)

// ConntrackTable is what the kernel tells of a node's connection tracking table.
// It is zero for a node that tracks no connection.
type ConntrackTable struct {
	Entries int // now, in this node
	// Limit is net.netfilter.nf_conntrack_max, which every namespace of the machine
	// may reach by itself, and which nobody can set inside a lab; 0 is no limit.
	Limit int
	// Dropped is how many packets the node has dropped because their connection
	// got no entry: the table was full ("nf_conntrack: table full, dropping
	// packet" in dmesg), or there was no memory.
	Dropped uint64
	// EarlyDropped is how many connections the node has given up for new ones, of
	// those that are not Assured: what comes for them is taken for new, and not
	// translated any more.
	EarlyDropped uint64
}

// ConntrackTable reads how full the node's connection tracking table is, and
// what for want of room was lost since the node was made.
func (n *Node) ConntrackTable() ConntrackTable {
	n.lab.TB.Helper()
	var t ConntrackTable
	if !n.tracksConnections() {
		return t
	}
	err := n.withConntrack(func(c *conntrack.Conn) error {
		global, err := c.StatsGlobal()
		if err != nil {
			return err
		}
		t.Entries, t.Limit = int(global.Entries), int(global.MaxEntries)
		all, err := c.Stats() // one of each processor
		for _, s := range all {
			t.Dropped += uint64(s.Drop)
			t.EarlyDropped += uint64(s.EarlyDrop)
		}
		return err
	})
	n.must(err, "read how full the connection tracking table is")
	return t
}

// conntrackCount is how many connections the node tracks, in decimal; ENOENT
// where the kernel has no connection tracking, or has not loaded it.
func (n *Node) conntrackCount() (count string, err error) {
	err = n.space.Do(func() error {
		raw, err := os.ReadFile(sysctlRoot + "net/netfilter/nf_conntrack_count")
		count = strings.TrimSpace(string(raw))
		return err
	})
	return count, err
}

// tracksConnections tells whether there is an entry to look at. To ask for the
// table has the kernel load a module, which a journal must not.
func (n *Node) tracksConnections() bool {
	if n.rules == nil && !n.entered.Load() && !n.lab.foreign.Load() {
		return false // nobody has put a rule there that tracks
	}
	count, err := n.conntrackCount()
	if errors.Is(err, unix.ENOENT) {
		return n.rules != nil
	}
	return err == nil && count != "0"
}
