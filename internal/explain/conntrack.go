package explain

// The counters of connection tracking, by the names of
// /proc/net/stat/nf_conntrack: packets that were dropped since their connection
// got no entry in the table, and connections that were given up for new ones.
const (
	ConntrackDrop      = "nf_conntrack drop"
	ConntrackEarlyDrop = "nf_conntrack early_drop"
)

// untracked tells whether a node dropped the packet since there was no room for
// its connection.
func (r *reasoner) untracked(v *Verdict, n *Node) bool {
	dropped, held := n.Moved[ConntrackDrop], len(n.Conntrack)
	switch {
	case dropped == 0:
		return false
	case n.ConntrackLimit > 0 && held >= n.ConntrackLimit:
		v.Detail = "the connection tracking table is full"
		v.cause("%s: it tracks %d connections, and net.netfilter.nf_conntrack_max = %d: packets of new ones are dropped (%s +%d%s)", n.Name, held, n.ConntrackLimit, ConntrackDrop, dropped, r.when())
	default:
		v.Detail = "connection tracking had no entry for it"
		v.cause("%s: the counter %s moved by %d%s", n.Name, ConntrackDrop, dropped, r.when())
	}
	v.End = DroppedByStack
	return true
}
