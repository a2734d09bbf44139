package harness

import (
	"fmt"
	"strings"
)

// NeighborsRefused is an error if the machine's table of neighbours was full at
// any moment since the lab's first node: it is one for all namespaces, and what
// it refuses is lost in silence (or ends in EINVAL or ENOBUFS for the sender).
// That nothing came back then proves nothing. It says how full the table is and
// what to do.
func (l *Lab) NeighborsRefused() error {
	if len(l.nodes) == 0 {
		return nil
	}
	tables, err := l.nodes[0].raw.NeighborTables()
	if err != nil {
		return err
	}
	var full []string
	for _, t := range tables {
		if t.Refused != l.refused[t.Name] {
			full = append(full, fmt.Sprintf("%s refused %d entries and now has %d of %d", t.Name, t.Refused-l.refused[t.Name], t.Entries, t.Limit))
		}
	}
	if full == nil {
		return nil
	}
	return fmt.Errorf("the kernel's table of neighbours, one for the whole machine, was full: %s; run fewer tests at once (-parallel, -p), use Lab.PermanentNeighbors (permanent entries do not count), or raise net.ipv4.neigh.default.gc_thresh3 and that of ipv6 on the machine", strings.Join(full, "; "))
}

// noteNeighbors remembers what the table has refused before there was a lab.
func (l *Lab) noteNeighbors(n *Node) error {
	tables, err := n.raw.NeighborTables()
	if err != nil {
		return err
	}
	l.refused = map[string]uint64{}
	for _, t := range tables {
		l.refused[t.Name] = t.Refused
	}
	return nil
}
