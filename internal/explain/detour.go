package explain

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/netrig/netrig/capture"
)

// detours says where the packet that died, or one that called for it, was led
// elsewhere, got other addresses than connection tracking gave it, or left by
// another way than the routes say; and which rule did it or could have.
func (r *reasoner) detours(v Verdict) {
	flights := r.flights(v)
	for _, f := range flights {
		r.rewrittenOnTheWay(f)
		if v.End == Accepted || v.End == WrongHost {
			r.diverted(f) // a copy too, which nobody has asked for
		} else {
			r.diverted(r.original(f))
		}
		switch {
		case v.End == TTLExceeded:
			r.changes(f, "ttl set", "hoplimit set", "-j TTL", "-j HL")
		case v.End == Refused || v.Packet == "TCP reset":
			r.changes(f, "dport set")
		}
	}
	switch v.End {
	case NotForwarded, NeighborMissing, NoRoute, WrongHost, LinkDown, NullRouted, Loop:
		if f := flights; v.Seen != nil && v.Seen.ARP == nil && len(f) > 0 {
			r.marked(r.Window.Follow(v.Seen), v)
		}
	}
}

// flights are the packets of the exchange that had a part in the verdict: the one
// that died, and those that called for it.
func (r *reasoner) flights(v Verdict) []*capture.Flight {
	all := []*capture.Flight{r.Request, r.Reply}
	for _, p := range []*capture.Packet{v.Seen, v.Before} {
		if p != nil {
			all = append(all, r.Window.Follow(p))
		}
	}
	var kept []*capture.Flight
	for _, f := range all {
		if f.First() != nil && !slices.ContainsFunc(kept, func(k *capture.Flight) bool { return k.First() == f.First() }) {
			kept = append(kept, f)
		}
	}
	return kept
}

// changes names the rules that changed a field of a packet in the nodes that it came
// to.
func (r *reasoner) changes(f *capture.Flight, words ...string) {
	var told []string
	for _, p := range f.Hops {
		if slices.Contains(told, p.Node) || otherHost(p, r.Facts) {
			continue
		}
		told = append(told, p.Node)
		for _, rule := range r.Node(p.Node).Rules {
			if rule.Moved > 0 && slices.ContainsFunc(words, func(w string) bool { return strings.Contains(rule.Text, w) }) {
				r.aside = append(r.aside, p.Node+": "+rule.did()+", and changes what it meets")
			}
		}
	}
}

// inBefore is the sighting at which a packet came into the node that it left at a
// hop; nil where it began there.
func inBefore(f *capture.Flight, hop int, facts *Facts) *capture.Packet {
	for _, p := range slices.Backward(f.Hops[:hop]) {
		if p.Node == f.Hops[hop].Node && p.Direction == capture.In && !otherHost(p, facts) {
			return p
		}
	}
	return nil
}

// rewrittenOnTheWay names the rules that changed a packet's addresses without
// connection tracking.
func (r *reasoner) rewrittenOnTheWay(f *capture.Flight) {
	for i, out := range f.Hops {
		n := r.Node(out.Node)
		src, dst := netip.Addr{}, netip.Addr{}
		switch in := inBefore(f, i, r.Facts); {
		case out.Direction != capture.Out:
			continue
		case in != nil:
			src, dst = in.Src, in.Dst
			if p := n.link(in.Interface); p.Master != "" && p.Master == n.link(out.Interface).Master && in.DstMAC.String() != out.DstMAC.String() {
				r.blame(n, "ether daddr", out.DstMAC.String(), fmt.Sprintf("sent the frame on to %s, which came for %s", r.whose(out.DstMAC), r.whose(in.DstMAC)))
			}
		case f == r.Request && n.Name == r.From && i == 0:
			src, dst = out.Src, r.Target
		default:
			continue
		}
		if !src.IsValid() || src == out.Src && dst == out.Dst || n.tracked(src, dst, out) {
			continue
		}
		made := fmt.Sprintf("made %s > %s out of %s > %s", out.Src, out.Dst, src, dst)
		if dst != out.Dst {
			r.blame(n, "daddr", out.Dst.String(), made)
		}
		if src != out.Src {
			r.blame(n, "saddr", out.Src.String(), made)
		}
	}
	// Of one that the node took for itself, the answers tell.
	if last := f.Last(); last.Direction == capture.In && last.Dst.IsValid() {
		if n := r.Node(last.Node); !otherHost(last, r.Facts) {
			if to, by, ok := r.written(n, last, "prerouting"); ok && n.withAddress(to) != nil {
				r.aside = append(r.aside, fmt.Sprintf("%s: made %s out of %s: %s", n.Name, to, last.Dst, by))
			}
		}
	}
}

// tracked tells whether connection tracking made the addresses of a packet out of
// others.
func (n *Node) tracked(src, dst netip.Addr, out *capture.Packet) bool {
	return slices.ContainsFunc(n.Conntrack, func(c Connection) bool {
		return c.From.Addr() == src && c.To.Addr() == dst && c.ReplyTo.Addr() == out.Src && c.ReplyFrom.Addr() == out.Dst ||
			c.ReplyFrom.Addr() == src && c.ReplyTo.Addr() == dst && c.To.Addr() == out.Src && c.From.Addr() == out.Dst
	})
}

// sets are the fields that a rule changes in packets, with their new values, in the
// words of nft; the last is of ebtables.
var sets = regexp.MustCompile(`(?:(?:ip6? |ether |arp )?[sd]addr(?: ether| ip)?) set (\S+)|xt target "([sd])nat" to (\S+)`)

// written is what a rule writes into a field, "daddr" or "ether daddr"; "" for
// nothing.
func (r Rule) written(field string) string {
	for _, m := range sets.FindAllStringSubmatch(r.Text, -1) {
		hardware := strings.HasPrefix(m[0], "ether ") || strings.HasPrefix(m[0], "xt ")
		of := map[string]string{"d": "daddr", "s": "saddr"}[m[2]]
		if of == "" {
			of = m[0][strings.Index(m[0], "addr")-1:][:len("daddr")]
		}
		if hardware {
			of = "ether " + of
		}
		if of == field {
			return m[1] + m[3]
		}
	}
	return ""
}

// blame says what a node made of a packet, and which of its rules did: one that
// counted it, or else one that does not count and says so.
func (r *reasoner) blame(n *Node, field, value, made string) {
	best, counted := "", false
	for _, rule := range n.Rules {
		w := rule.written(field)
		if w == "" || rule.Counted && rule.Moved == 0 {
			continue
		}
		if rank := w == value; best == "" || rank && !counted {
			best, counted = rule.did(), rank
		}
	}
	if best == "" && n.translates() {
		return // connections come and go, and their rules are told elsewhere
	}
	text := n.Name + ": " + made
	switch {
	case best != "":
		text += ": " + best
	case n.filtered() != "":
		text += ": " + n.filtered()
	}
	r.aside = append(r.aside, text)
}

// did is the rule with what it counted.
func (r Rule) did() string {
	if r.Counted {
		return fmt.Sprintf("the rule %s counted %d", r.Text, r.Moved)
	}
	return fmt.Sprintf("the rule %s, which does not count", r.Text)
}

// translates tells whether the node has rules of NAT.
func (n *Node) translates() bool {
	return slices.ContainsFunc(n.Rules, func(r Rule) bool {
		for _, word := range []string{"dnat", "snat", "masquerade", "redirect", "netmap"} {
			if strings.Contains(strings.ToLower(r.Text), word) {
				return true
			}
		}
		return false
	})
}

// filtered names the filters of traffic control in a node, which may change packets.
func (n *Node) filtered() string {
	for _, l := range n.Links {
		for _, f := range l.Filters {
			return fmt.Sprintf("the filter of traffic control at %s:%s could have done it: %s", n.Name, l.Name, f)
		}
	}
	return ""
}

// written is the destination that rules of a hook have given to a packet without
// connection tracking, and which: one that counted it, or one that does not count
// where the packets show that somebody is asked for at that address.
func (r *reasoner) written(n *Node, p *capture.Packet, hooks ...string) (netip.Addr, string, bool) {
	for _, rule := range n.Rules {
		to, err := netip.ParseAddr(rule.written("daddr"))
		if err != nil || to.Is6() != r.Target.Is6() || !rule.met(hooks) || p != nil && !rule.applies(p) {
			continue
		}
		if rule.Moved > 0 || !rule.Counted && (r.questioned(n, to) || r.answeredFrom(n, to)) {
			return to, rule.did(), true
		}
	}
	return netip.Addr{}, "", false
}

// answeredFrom tells whether a node was seen to send from an address.
func (r *reasoner) answeredFrom(n *Node, a netip.Addr) bool {
	return slices.ContainsFunc(r.Window.Packets(), func(p *capture.Packet) bool {
		return p.Node == n.Name && p.Direction == capture.Out && p.Src == a
	})
}

// diverted says where a packet left a node by an interface to which no route and no
// bridge sent it.
func (r *reasoner) diverted(f *capture.Flight) {
	for i, out := range f.Hops {
		if !out.Dst.IsValid() || out.DstMAC == nil || out.DstMAC[0]&1 == 1 {
			continue
		}
		n := r.Node(out.Node)
		l := n.link(out.Interface)
		if out.Direction == capture.In {
			r.broughtIn(f, i, n)
			continue
		}
		in := inBefore(f, i, r.Facts)
		switch {
		case in != nil && in.Interface != out.Interface && in.TTL == out.TTL && n.link(in.Interface).Master == "" && l.Master == "" && in.DstMAC.String() == out.DstMAC.String() && l.Kind != "bridge":
			// It came for the node itself, and left as it was.
			r.divert(n, in.Interface, out.Interface, fmt.Sprintf("the frame that came in by %s left by %s as it was, past the routes", in.Interface, out.Interface))
		case l.Master == "" && l.Kind != "bridge":
			if device, next, ok := n.meantFor(out); ok {
				r.divert(n, device, out.Interface, fmt.Sprintf("it was on its way out of %s to %s, and left by %s", device, next, out.Interface))
			}
		}
	}
}

// original is the way of a packet without that of a copy, which a rule or a filter
// sends elsewhere while the packet itself goes on.
func (r *reasoner) original(f *capture.Flight) *capture.Flight {
	for i, out := range f.Hops {
		in := inBefore(f, i, r.Facts)
		if out.Direction != capture.Out || in == nil || in.TTL != out.TTL || in.Interface == out.Interface || in.DstMAC.String() != out.DstMAC.String() || !r.Node(out.Node).copies(in.Interface, out.Interface) {
			continue
		}
		kept := &capture.Flight{Hops: slices.Clone(f.Hops[:i])}
		for _, p := range f.Hops[i+1:] {
			if p.TTL != out.TTL || p.DstMAC.String() != out.DstMAC.String() {
				kept.Hops = append(kept.Hops, p)
			}
		}
		return kept
	}
	return f
}

// copies tells whether a node sends copies of what comes in by one interface out of
// another one.
func (n *Node) copies(in, out string) bool {
	for _, rule := range n.Rules {
		if strings.Contains(rule.Text, `dup to "`+out+`"`) && (rule.Moved > 0 || !rule.Counted) {
			return true
		}
	}
	return slices.ContainsFunc(n.link(in).Filters, func(text string) bool { return strings.Contains(text, "egress mirror dev "+out) })
}

// broughtIn says where a frame that came in by one interface came in by another one of
// the same node too, which no cable brought it to.
func (r *reasoner) broughtIn(f *capture.Flight, hop int, n *Node) {
	if hop == 0 {
		return
	}
	was, is := f.Hops[hop-1], f.Hops[hop]
	if was.Node != is.Node || was.Direction != capture.In || was.Interface == is.Interface || was.DstMAC.String() != is.DstMAC.String() {
		return
	}
	for _, filter := range n.link(was.Interface).Filters {
		if strings.Contains(filter, "mirred ingress") && strings.HasSuffix(filter, " dev "+is.Interface) {
			r.aside = append(r.aside, fmt.Sprintf("%s: the filter of traffic control at %s:%s has the frame come in by %s: %s", n.Name, n.Name, was.Interface, is.Interface, filter))
			return
		}
	}
}

// meantFor is the interface behind which the node believes the addressee of a frame,
// if that is not the one by which the frame left.
func (n *Node) meantFor(out *capture.Packet) (device string, next netip.Addr, ok bool) {
	mac := out.DstMAC.String()
	for _, e := range n.Neighbors {
		if e.MAC != mac {
			continue
		}
		if l := n.link(e.Interface); e.Interface == out.Interface || l.Parent == out.Interface || l.Kind == "bridge" {
			return "", next, false
		}
		device, next, ok = e.Interface, e.Addr, true
	}
	return device, next, ok
}

// divert names what could have sent a packet from one interface to another.
func (r *reasoner) divert(n *Node, from, to, how string) {
	text := n.Name + ": " + how
	for _, rule := range n.Rules {
		t := rule.Text
		if rule.Counted && rule.Moved == 0 || !strings.Contains(t, `fwd to "`+to+`"`) && !strings.Contains(t, `dup to "`+to+`"`) && !strings.Contains(t, `device "`+to+`"`) && !strings.Contains(t, "-j TEE") {
			continue
		}
		r.aside = append(r.aside, text+": "+rule.did())
		return
	}
	for _, device := range []string{from, to} {
		for _, f := range n.link(device).Filters {
			r.aside = append(r.aside, fmt.Sprintf("%s: the filter of traffic control at %s:%s says so: %s", text, n.Name, device, f))
			return
		}
	}
	for _, device := range []string{from, to} {
		if ways := n.link(device).Control; len(ways) > 0 {
			text += fmt.Sprintf("; filters of traffic control hang at %s:%s (%s)", n.Name, device, strings.Join(ways, ", "))
		}
	}
	r.aside = append(r.aside, text)
}
