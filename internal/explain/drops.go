package explain

import (
	"fmt"

	"github.com/netrig/netrig/capture"
)

// Drop is a packet that the kernel threw away, by its own account.
type Drop struct {
	Node string
	// Reason is the kernel's word, "NETFILTER_DROP"; Function is where, "nf_hook_slow".
	Reason, Function string
	Text             string          // the packet in words
	Packet           *capture.Packet `json:"-"`
}

// dropped is what the kernel says of the packet that died: of those that it
// threw away in that node the one of the same sort that has most addresses in
// common with it. The identifiers are others: it was sent once more.
func (r *reasoner) dropped(v *Verdict) (Drop, bool) {
	best, most := Drop{}, 0
	if r.Answered { // the copy for those who did not ask is thrown away even so
		return best, false
	}
	for _, d := range r.Drops {
		// What is for another host is another copy of it, unless it strayed.
		if d.Node != v.Node || d.Packet == nil || name(d.Packet) != v.Packet || d.Reason == "OTHERHOST" && v.End != WrongHost {
			continue
		}
		if alike := r.alike(v, d.Packet); alike > most {
			best, most = d, alike
		}
	}
	return best, most > 0
}

// alike counts what a packet has in common with the one that died: addresses,
// of which translation changes one at a time.
func (r *reasoner) alike(v *Verdict, p *capture.Packet) int {
	src, dst := r.Source, r.Target
	switch {
	case v.Seen != nil && name(v.Seen) == v.Packet:
		src, dst = v.Seen.Src, v.Seen.Dst
	case v.Before != nil:
		src, dst = v.Before.Dst, v.Before.Src
	}
	n := 0
	if p.Src == src {
		n++
	}
	if p.Dst == dst {
		n++
	}
	return n
}

// String is as in "the kernel dropped it in nf_hook_slow: NETFILTER_DROP".
func (d Drop) String() string {
	if d.unspecified() {
		return fmt.Sprintf("the kernel dropped it in %s, and gives no reason", d.Function)
	}
	return fmt.Sprintf("the kernel dropped it in %s: %s", d.Function, d.Reason)
}

// unspecified tells that the kernel has no word for the reason yet.
func (d Drop) unspecified() bool { return d.Reason == "" || d.Reason == "NOT_SPECIFIED" }
