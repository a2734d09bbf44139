package explain

import (
	"slices"
	"strings"

	"github.com/netrig/netrig/capture"
)

// lostFragment is, of a packet that was seen in fragments, the first one that did not
// get to where another one did; nil where all got as far. The flight is that of the
// first fragment: each is a packet of its own on the wire, and they have the
// identification in common (RFC 791, RFC 8200).
func lostFragment(w capture.Window, f *capture.Flight) *capture.Flight {
	first := f.First()
	if first == nil || !first.Fragment.More || first.Fragment.Offset > 0 {
		return nil
	}
	all := []*capture.Flight{f}
	for _, other := range w.Flights() {
		p := other.First()
		if p.Fragment.Offset > 0 && p.IPID == first.IPID && p.Src == first.Src && p.Dst == first.Dst {
			all = append(all, other)
		}
	}
	for _, lost := range all {
		for _, other := range all {
			if beyond(other, lost) {
				return lost
			}
		}
	}
	return nil
}

// unassembled tells whether a node that puts fragments together, since it is where
// they are for or tracks connections, has thrown them away.
func (r *reasoner) unassembled(v *Verdict, n *Node, p *capture.Packet) bool {
	counter, limits := "IpReasmFails", []string{"ipv4.ipfrag_high_thresh"}
	if p.Dst.Is6() {
		counter, limits = "Ip6ReasmFails", []string{"ipv6.ip6frag_high_thresh", "netfilter.nf_conntrack_frag6_high_thresh"}
	}
	// Connection tracking of IPv6 puts fragments together on its own account, and
	// counts nothing.
	uncounted := p.Dst.Is6() && n.sysctl("netfilter.nf_conntrack_frag6_high_thresh") == "0" && n.tracks()
	if !p.Fragment.More && p.Fragment.Offset == 0 || n.Moved[counter] == 0 && !uncounted {
		return false
	}
	v.End, v.Detail = DroppedByStack, "fragments not put together"
	for _, name := range limits {
		if n.sysctl(name) == "0" {
			v.cause("%s: net.%s = 0: there is no memory for fragments", n.Name, name)
		}
	}
	if n.Moved[counter] > 0 {
		v.cause("%s: its fragments came, and were not put together: %s moved by %d", n.Name, counter, n.Moved[counter])
	}
	return true
}

// tracks tells whether connection tracking is on in the node, by its rules.
func (n *Node) tracks() bool {
	return n.translates() || slices.ContainsFunc(n.Rules, func(r Rule) bool {
		return strings.Contains(r.Text, "ct ") || strings.Contains(r.Text, "--ctstate") || strings.Contains(r.Text, "--state")
	})
}

// beyond tells whether a fragment was seen behind the place where another one was
// seen last.
func beyond(other, lost *capture.Flight) bool {
	last, passed := lost.Last(), false
	for _, p := range other.Hops {
		if p.Where() == last.Where() && p.Direction == last.Direction {
			passed = true
		} else if passed {
			return true
		}
	}
	return false
}
