package explain

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/netrig/netrig/capture"
)

// asks tells whether a packet asks for a neighbour.
func asks(p *capture.Packet) bool {
	return p != nil && (p.Kind == capture.ARPRequest || p.Kind == capture.NeighborSolicitation)
}

// answersFor tells whether a packet is a neighbour's answer about an address.
func answersFor(p *capture.Packet, a netip.Addr) bool {
	return p.Kind == capture.ARPReply && p.ARP.SenderIP == a || p.Kind == capture.NeighborAdvertisement && p.ND.Target == a
}

// askedFor is the address that a neighbour packet is about.
func askedFor(p *capture.Packet) netip.Addr {
	switch {
	case p.ARP != nil && p.Kind == capture.ARPReply:
		return p.ARP.SenderIP
	case p.ARP != nil:
		return p.ARP.TargetIP
	case p.ND != nil:
		return p.ND.Target
	}
	return netip.Addr{}
}

// unresolved tells whether a packet waited in a node for the hardware address
// of the next one, in vain: then the packet that died is the question or its
// answer.
func (r *reasoner) unresolved(v *Verdict, n *Node, next netip.Addr, device string) bool {
	entry, known := n.neighbor(next, device)
	var question, answer *capture.Flight
	for _, f := range r.Window.Flights() {
		switch first := f.First(); {
		case asks(first) && first.Node == n.Name && first.Direction == capture.Out && askedFor(first) == next:
			question = f
		case answersFor(first, next):
			answer = f
		}
	}
	usable := known && entry.usable()
	// What came later may have made the entry usable: the packets tell that nobody
	// had answered when this one waited. (A unicast question is about an entry that
	// was usable all the while.)
	if usable && question != nil && !answer.Reached(n.Name) && question.First().DstMAC[0]&1 == 1 {
		usable = false
	}
	if name := n.asksNobody(next, device); name != "" && !usable && question == nil {
		v.End = NeighborMissing
		v.cause("%s: %s = 0: it asks nobody for %s", n.Name, name, r.who(next))
		if known {
			v.cause("%s: %s", n.Name, entry)
		}
		if v.Seen != nil {
			r.noWayBack(n, v.Seen)
		}
		return true
	}
	switch {
	// The kernel forgets neighbours that failed when the machine has many. That it
	// was asked for says that the packet had passed all filters by then.
	case usable || !known && question == nil:
		return false
	case question == nil:
		if rule, ok := n.dropRule("output", "postrouting", "egress"); ok {
			v.Reasons = append(v.Reasons, "the "+v.Packet+" waited for it in "+n.Name)
			v.Packet, v.Seen, v.Before = questionName(next), nil, nil
			v.filtered(FilteredOut, n, rule)
			return true
		}
		v.End = NeighborMissing
		v.cause("%s: %s", n.Name, entry)
		return true
	}
	dead := r.ask
	if answer != nil {
		question, dead = answer, func(f *capture.Flight) Verdict { return r.silent(f, true) }
	}
	reasons, before := slices.Concat(v.Cause, v.Reasons), v.Before
	if v.Seen != nil {
		before = v.Seen
	}
	*v = dead(question)
	if before != nil && before.Node == n.Name && r.errorAbout(r.Window.Follow(before)) == nil {
		r.noWayBack(n, before)
	}
	v.Reasons = append(reasons, v.Reasons...)
	if known {
		v.Reasons = append(v.Reasons, n.Name+": neighbour "+entry.String())
	}
	if before != nil {
		v.Reasons = append(v.Reasons, "the "+name(before)+" waited for it in "+n.Name+"; it was "+LastSeen(before))
	}
	return true
}

// asksNobody is the sysctl by which a node asks nobody for an address that it does
// not know yet, "" for none (neigh_max_probes of net/core/neighbour.c).
func (n *Node) asksNobody(next netip.Addr, device string) string {
	family := "ipv4.neigh." + device
	if next.Is6() {
		family = "ipv6.neigh." + device
	}
	if n.sysctl(family+".mcast_solicit") != "0" || n.isOn(family+".app_solicit") {
		return ""
	}
	return "net." + family + ".mcast_solicit"
}

// usable tells whether packets can be sent to the neighbour.
func (e Neighbor) usable() bool { return e.State != "FAILED" && e.State != "INCOMPLETE" }

// questioned tells whether a node was seen asking for an address.
func (r *reasoner) questioned(n *Node, a netip.Addr) bool {
	return slices.ContainsFunc(r.Window.Packets(), func(p *capture.Packet) bool {
		return asks(p) && p.Node == n.Name && p.Direction == capture.Out && askedFor(p) == a
	})
}

// questionName is what a question for an address is called.
func questionName(a netip.Addr) string {
	if a.Is6() {
		return "neighbour solicitation"
	}
	return "ARP request"
}

// ask is the end of a question for a neighbour that nobody answered. It is
// flooded to all: what counts is the way to the node that has the address.
func (r *reasoner) ask(f *capture.Flight) Verdict {
	target := askedFor(f.First())
	v := Verdict{Packet: name(f.First()), Seen: f.Last(), Node: f.Last().Node}
	asker := f.First()
	owner, link := r.owner(target)
	if link == nil || owner == asker.Node {
		r.nobody(&v, f, target)
		return v
	}
	// The owner has it on another interface perhaps, and answers all the same.
	for _, p := range slices.Backward(f.Hops) {
		if p.Node == owner && p.Direction == capture.In && r.Node(owner).link(p.Interface).Master == "" {
			v.Seen, v.Node = p, owner
			r.asked(&v, p)
			return v
		}
	}
	near, port, _ := strings.Cut(link.Peer, ":")
	if link.Kind == "bridge" {
		near, port = owner, ""
	}
	n := r.Node(near)
	for _, p := range slices.Backward(f.Hops) {
		in := n.link(p.Interface)
		switch {
		case p.Node != near:
		case p.Where() == link.Peer && p.Direction == capture.Out:
			v.Seen, v.Node = p, near
			r.afterOut(&v, p)
			return v
		case link.Kind == "bridge" && in.Master == link.Name && p.Direction == capture.In:
			v.Seen, v.Node = p, near
			r.bridged(&v, n, link.Name, in, nil, p)
			return v
		case port != "" && n.link(port).Master != "" && (in.Master == n.link(port).Master && p.Direction == capture.In || p.Interface == n.link(port).Master && p.Direction == capture.Out):
			v.Seen, v.Node = p, near
			r.bridged(&v, n, n.link(port).Master, in, n.link(port), p)
			return v
		}
	}
	// A bridge between the two that it came into, and no further.
	if last := f.Last(); last.Direction == capture.In && r.Node(last.Node).link(last.Interface).Master != "" {
		r.inBridge(&v, last)
		return v
	}
	if f.Last().Direction == capture.Out && !arrived(f, f.Last(), r.Facts) {
		r.afterOut(&v, f.Last())
		if v.End != DroppedByStack {
			return v
		}
		v.Cause, v.Detail = nil, ""
	}
	r.nobody(&v, f, target)
	return v
}

// nobody is the end of a question for an address that nobody on the link has.
func (r *reasoner) nobody(v *Verdict, f *capture.Flight, target netip.Addr) {
	v.End = NeighborMissing
	asker := r.Node(f.First().Node)
	if e, ok := asker.neighbor(target, ""); ok {
		v.cause("nobody on the link of %s has %s; %s: %s", f.First().Where(), target, asker.Name, e)
	} else {
		v.cause("nobody on the link of %s has %s", f.First().Where(), target)
	}
	if out := asker.link(f.First().Interface); out.Master != "" {
		v.cause("%s is a port of %s: what %s itself sends out of it reaches nobody but %s, and what comes in is for %s", f.First().Where(), out.Master, asker.Name, out.Peer, out.Master)
	}
	if owner, l := r.owner(target); l != nil {
		v.cause("%s belongs to %s:%s", target, owner, l.Name)
	}
	for _, p := range f.Hops {
		n := r.Node(p.Node)
		l := n.link(p.Interface)
		if p.Direction == capture.In && l.Master == "" {
			v.Reasons = append(v.Reasons, n.Name+":"+l.Name+" has "+l.addresses(target.Is4()))
		}
	}
}

// asked is the end of a neighbour packet at the interface that it was for: a
// question to the owner of the address, or the answer to who asked.
func (r *reasoner) asked(v *Verdict, p *capture.Packet) {
	n := r.Node(p.Node)
	target := askedFor(p)
	if rule, ok := n.dropRule("input", "prerouting", "ingress"); ok {
		v.filtered(FilteredIn, n, rule)
		return
	}
	if !asks(p) {
		r.byStack(v, n)
		return
	}
	own := n.withAddress(target)
	if unused(v, n, target) {
		return
	}
	if rule, ok := n.dropRule("output", "postrouting", "egress"); ok {
		v.filtered(FilteredOut, n, rule)
		return
	}
	in := n.link(p.Interface)
	if in.NoARP {
		v.End, v.Detail = DroppedByStack, "NOARP"
		v.cause("%s:%s has ARP and neighbour discovery off (NOARP)", n.Name, in.Name)
		return
	}
	if kind := n.control(in.Name); kind != "" {
		v.controlled(FilteredOut, n, in.Name, kind)
		return
	}
	for _, name := range []string{"arp_ignore", "arp_filter"} {
		value := max(n.sysctl("ipv4.conf.all."+name), n.sysctl("ipv4.conf."+p.Interface+"."+name))
		if target.Is4() && value != "" && value != "0" {
			v.End, v.Detail = DroppedByStack, name
			v.cause("%s: net.ipv4.conf.%s.%s = %s; it has %s on %s", n.Name, p.Interface, name, value, target, own.name())
			return
		}
	}
	if p.ARP != nil && r.estranged(v, n, target, p.ARP.SenderIP, p.Interface) {
		return
	}
	if p.ARP != nil {
		// The kernel answers only whom it would take packets from.
		way := r.route(n.Name, Query{To: target, From: p.ARP.SenderIP, In: p.Interface})
		if r.spoofed(v, n, p, way) {
			return
		}
	}
	if own != nil && target.Is6() && own.Name != in.Name {
		v.End = NeighborMissing
		v.cause("%s has %s on %s, not on %s, and answers for it there only", n.Name, target, own.Name, in.Name)
		return
	}
	if rule, ok := n.uncounted("input", "prerouting", "ingress"); ok {
		v.filtered(FilteredIn, n, rule)
		return
	}
	if rule, ok := n.uncounted("output", "egress"); ok { // it was the answer then
		v.filtered(FilteredOut, n, rule)
		return
	}
	if in.Master == "" && r.down(v, n, in) {
		return
	}
	// An advertisement is a packet of IPv6, and may be sent by a route.
	if p.ND != nil && own != nil && p.Src.IsValid() && !r.answering {
		r.answering = true // the question for that gateway ends the same way, at most
		if way := r.way(n, Query{To: p.Src, From: target}); way.Gateway.IsValid() && r.unresolved(v, n, way.Gateway, way.Device) {
			return
		}
	}
	r.byStack(v, n)
}
