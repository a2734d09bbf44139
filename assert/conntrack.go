package assert

import (
	"fmt"
	"strings"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
)

// untracked is the node in which what the probe sent, or its answer, may have
// been dropped since the table of tracked connections was full; nil for none.
// Only a probe that was dropped without a word asks for it, in the node where that
// was.
func (e *Exchange) untracked() *harness.Node {
	end := e.From.Name()
	switch e.Cause.Kind {
	case Silence.Kind:
		for _, f := range []*capture.Flight{e.Request, e.Reply} {
			if last := f.Last(); last != nil {
				end = last.Node
			}
		}
	case NotPermitted.Kind: // by the sender itself
	default:
		return nil
	}
	for _, n := range e.From.Lab().All() {
		if n.Name() == end && outOfRoom(n.ConntrackTable()) != "" {
			return n
		}
	}
	return nil
}

// untracked says which nodes of a lab have no room to track connections, and
// what to do about it; "" where all have.
func untracked(lab *harness.Lab) string {
	var b strings.Builder
	for _, n := range lab.All() {
		if why := outOfRoom(n.ConntrackTable()); why != "" {
			fmt.Fprintf(&b, "\n    this may be for want of room: node %s %s", n, why)
		}
	}
	return b.String()
}

// outOfRoom says what a node has lost for want of room in its table, "" for
// nothing. A packet may also be dropped since two of its connection came at
// once: then there is room.
func outOfRoom(t harness.ConntrackTable) string {
	if t.EarlyDropped == 0 && (t.Dropped == 0 || t.Limit == 0 || t.Entries < t.Limit) {
		return ""
	}
	return fmt.Sprintf("tracks %d connections, of %d that the machine lets each namespace track (net.netfilter.nf_conntrack_max);"+
		" since the node was made it has dropped %d packets of others, and given up %d connections for new ones:"+
		" raise that sysctl, as root and outside of the test, or have fewer connections at a time", t.Entries, t.Limit, t.Dropped, t.EarlyDropped)
}
