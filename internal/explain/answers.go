package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netrig/netrig/capture"
)

// fromError is the end of a packet that an ICMP error tells of.
func (r *reasoner) fromError(f, e *capture.Flight) Verdict {
	said := e.First()
	n := r.Node(said.Node)
	v := Verdict{Packet: name(f.First()), Node: n.Name}
	for _, p := range slices.Backward(f.Hops) {
		if p.Node == n.Name && p.Direction == capture.In && !otherHost(p, r.Facts) {
			v.Seen = p
			break
		}
	}
	// Of one that went on from there, the last sighting is the one that counts.
	p := v.Seen
	to, translated := f.First().Dst, ""
	way := Route{}
	if p != nil {
		to, translated = n.destination(p)
		if written, by, ok := r.written(n, p, "prerouting", "ingress"); ok {
			r.aside = append(r.aside, fmt.Sprintf("%s: made %s out of %s: %s", n.Name, written, to, by))
			to, translated = written, ""
		}
		way = r.way(n, Query{To: to, From: p.Src, In: p.Interface}.of(p))
	} else {
		way = r.way(n, Query{To: to, From: f.First().Src}.of(f.First()))
	}
	rule, rejected := n.dropRule("prerouting", "input", "forward", "output", "postrouting")
	if rejected && strings.Contains(strings.ToLower(rule.Text), "reject") {
		end := FilteredOut
		if h := rule.hook(); h == "input" || h == "prerouting" {
			end = FilteredIn
		}
		v.filtered(end, n, rule)
		return v
	}
	if p != nil && loopback(&v, n, to, p.Interface) {
		return v
	}
	if translated != "" {
		v.Reasons = append(v.Reasons, n.Name+": translated by "+translated)
	}
	next := to
	if way.Gateway.IsValid() {
		next = way.Gateway
	}
	switch {
	case said.Kind == capture.TimeExceeded && r.looped(f):
		r.loop(&v, f)
	case said.Kind == capture.TimeExceeded:
		v.End = TTLExceeded
		v.cause("%s: it came with ttl 1, and set out with ttl %d", n.Name, f.First().TTL)
	case said.Kind == capture.PacketTooBig:
		v.End = TooBig
		size := f.First().Length - 14
		v.cause("%s: the packet has %d bytes, and %s:%s an MTU of %d%s; the error says %d", n.Name, size, n.Name, way.Device, n.link(way.Device).MTU, mtuOf(way), said.MTU)
	case r.refusedByRoute(&v, n, to, way):
	case closed(said) && n.Name == r.From && p != nil && p.Src != r.Target:
		// Its own socket refuses it: a socket takes answers from whom it asked.
		v.Packet, v.End = strings.Replace(v.Packet, "datagram", "answer", 1), WrongHost
		v.cause("it came from %s, but %s was asked", r.who(p.Src), r.Target)
	case closed(said):
		v.End = Refused
		v.cause("%s: nobody takes it there (%s)", n.Name, said.String())
		r.listeners(&v, n)
	case unreachableHost(said) && r.down(&v, n, n.link(way.Device)):
	case r.unresolved(&v, n, next, way.Device):
	case said.Kind == capture.DestinationUnreachable && unreachableHost(said):
		v.End = NeighborMissing
		v.cause("%s: %s does not answer", n.Name, next)
	default:
		v.End = DroppedByStack
		v.cause("%s said %s", n.Name, said.String())
	}
	return v
}

// closed tells whether an ICMP error is about a port or a protocol.
func closed(p *capture.Packet) bool {
	if p.Src.Is4() {
		return p.ICMPType == 3 && (p.ICMPCode == 2 || p.ICMPCode == 3)
	}
	return p.ICMPType == 1 && p.ICMPCode == 4
}

func unreachableHost(p *capture.Packet) bool {
	if p.Src.Is4() {
		return p.ICMPType == 3 && p.ICMPCode == 1
	}
	return p.ICMPType == 1 && p.ICMPCode == 3
}

// refused is the end of a TCP SYN that was answered with a reset.
func (r *reasoner) refused() Verdict {
	reset := r.Reply.First()
	n := r.Node(reset.Node)
	v := Verdict{Packet: r.requestName(), Node: n.Name, End: Refused}
	for _, p := range slices.Backward(r.Request.Hops) {
		if p.Node == n.Name && p.Direction == capture.In {
			v.Seen = p
			break
		}
	}
	if rule, ok := n.dropRule("prerouting", "input", "forward", "output"); ok {
		v.filtered(FilteredIn, n, rule)
		return v
	}
	if p := v.Seen; p != nil {
		to, translated := n.destination(p)
		v.cause("%s took it for itself: nobody listens on %s port %d", n.Name, to, p.DstPort)
		r.listeners(&v, n)
		if translated != "" {
			v.cause("%s: translated by %s", n.Name, translated)
		} else {
			r.untranslated(&v, n)
		}
	}
	return v
}

// untranslated names the rules that could have changed a destination, and did
// not.
func (r *reasoner) untranslated(v *Verdict, n *Node) {
	for _, rule := range n.Rules {
		if t := strings.ToLower(rule.Text); rule.Moved == 0 && (strings.Contains(t, "dnat") || strings.Contains(t, "redirect")) {
			v.cause("%s: the rule %s did not apply", n.Name, rule.Text)
		}
	}
}

// answered is an exchange that came to its end, which was not wanted so.
func (r *reasoner) answered() Verdict {
	v := Verdict{Packet: name(r.Reply.Last()), Node: r.From, End: Accepted, Seen: r.Reply.Last()}
	first := r.Reply.First()
	v.cause("the answer set out from %s with ttl %d", first.Where(), first.TTL)
	if mine := r.Node(first.Node).withAddress(first.Src); mine != nil {
		for _, n := range r.Nodes {
			if other := n.withAddress(first.Src); other != nil && n.Name != first.Node {
				v.End = WrongHost
				v.cause("%s:%s has %s, and so has %s:%s", first.Node, mine.Name, first.Src, n.Name, other.Name)
			}
		}
	}
	if path := routers(r.Reply); path != "" {
		v.cause("on its way back it was passed on by %s", path)
	}
	return v
}

// routers are the nodes that took one off the TTL.
func routers(f *capture.Flight) string {
	var names []string
	for i := 1; i < len(f.Hops); i++ {
		if a, b := f.Hops[i-1], f.Hops[i]; a.Node == b.Node && b.TTL < a.TTL {
			names = append(names, b.Node)
		}
	}
	return strings.Join(names, ", ")
}
