package explain

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/netrig/netrig/capture"
)

// inStack is the end of a packet behind an interface that took it in: in the
// node's own stack, on the way to a program or to another interface.
func (r *reasoner) inStack(v *Verdict, p *capture.Packet, isReply bool) {
	n := r.Node(p.Node)
	if !p.Src.IsValid() || p.ARP != nil {
		r.asked(v, p)
		return
	}
	if p.Kind == capture.NeighborSolicitation || p.Kind == capture.NeighborAdvertisement {
		r.asked(v, p)
		return
	}
	if kind := n.control(p.Interface); kind == "ingress" || kind == "clsact" && n.link(p.Interface).filters("ingress") {
		v.controlled(FilteredIn, n, p.Interface, kind)
		return
	}
	if rule, ok := n.dropRule("prerouting", "ingress"); ok {
		v.filtered(FilteredIn, n, rule)
		return
	}
	if r.unassembled(v, n, p) || r.untracked(v, n) {
		return
	}
	to, translated := n.destination(p)
	if written, by, ok := r.written(n, p, "prerouting", "ingress"); ok {
		r.aside = append(r.aside, fmt.Sprintf("%s: made %s out of %s: %s", n.Name, written, to, by))
		to, translated = written, ""
	}
	way := r.way(n, Query{To: to, From: p.Src, In: p.Interface}.of(p))
	local := n.withAddress(to) != nil || way.Type == "local"
	if r.spoofed(v, n, p, way) || loopback(v, n, to, p.Interface) {
		return
	}
	if r.estranged(v, n, to, p.Src, p.Interface) || r.twin(v, n, p, to) {
		return
	}
	if local {
		r.local(v, n, p, to, isReply)
		return
	}
	if !n.forwards(to, p.Interface) {
		v.End = NotForwarded
		name := "net.ipv4.ip_forward"
		if to.Is6() {
			name = "net.ipv6.conf.all.forwarding"
		}
		value := n.Sysctls[name]
		if value != "0" {
			name = "net.ipv4.conf." + p.Interface + ".forwarding"
			value = n.Sysctls[name]
		}
		v.cause("%s: %s = %s, and %s is no address of its own", n.Name, name, value, to)
		if other, l := r.owner(to); l != nil {
			v.cause("%s belongs to %s:%s", to, other, l.Name)
		}
		r.redirected(v, p)
		return
	}
	if translated != "" {
		v.cause("%s: translated by %s", n.Name, translated)
	}
	r.onward(v, n, p, to, way)
}

// onward is the end of a packet that a node was to send out, one of its own
// (p is nil or came in for it) or one that it forwards.
func (r *reasoner) onward(v *Verdict, n *Node, p *capture.Packet, to netip.Addr, way Route) {
	switch {
	case r.refusedByRoute(v, n, to, way):
		return
	case p != nil && r.ipsec(v, n, p.Src, to, "fwd", "out"):
		return
	case p != nil && p.TTL == 1:
		v.End = TTLExceeded
		v.cause("%s: it came with ttl 1, and a router takes one away", n.Name)
		r.unsaid(v, n)
		return
	case p != nil && tooBig(v, n, p, way):
		r.unsaid(v, n)
		return
	}
	if rule, ok := n.dropRule("forward"); ok && p != nil {
		v.filtered(FilteredOut, n, rule)
		return
	}
	r.outward(v, n, p, to, way)
}

// outward is the end of a packet on its way out of a node, which has a route.
func (r *reasoner) outward(v *Verdict, n *Node, p *capture.Packet, to netip.Addr, way Route) {
	next := to
	// What changes the destination behind the routes changes whom the packet is for
	// on the link.
	late := []string{"postrouting"}
	if p == nil {
		late = append(late, "output")
	}
	if written, by, ok := r.written(n, nil, late...); ok {
		next = written
		r.aside = append(r.aside, fmt.Sprintf("%s: made %s out of %s: %s", n.Name, written, to, by))
	}
	if way.Gateway.IsValid() {
		next = way.Gateway
	}
	if rule, ok := n.dropRule("output", "postrouting", "egress"); ok {
		// What waits for a neighbour has passed the filter: its question has not.
		e, waits := n.neighbor(next, way.Device)
		if (waits && !e.usable() || !waits && rule.solicitations()) && !r.questioned(n, next) {
			if p != nil || v.Before != nil {
				v.Reasons = append(v.Reasons, "the "+v.Packet+" waited for it in "+n.Name)
			}
			v.Packet, v.Seen, v.Before = questionName(next), nil, nil
		}
		v.filtered(FilteredOut, n, rule)
		return
	}
	if r.untracked(v, n) {
		return
	}
	device := n.link(way.Device)
	if r.down(v, n, device) {
		return
	}
	if kind := n.control(device.Name); kind != "" {
		// What gets to the queue has its neighbour; without, it is the question
		// that got there (and the kernel may have forgotten it meanwhile).
		if e, known := n.neighbor(next, way.Device); (!known || !e.usable()) && device.Name != "lo" && !device.NoARP {
			v.Packet, v.Seen, v.Before = questionName(next), nil, nil
		}
		v.controlled(FilteredOut, n, device.Name, kind)
		return
	}
	if r.unresolved(v, n, next, way.Device) {
		return
	}
	if rule, ok := n.uncounted("forward", "output", "postrouting", "egress"); ok {
		v.filtered(FilteredOut, n, rule)
		return
	}
	r.byStack(v, n)
}

// refusedByRoute tells whether the route look-up ended the packet.
func (r *reasoner) refusedByRoute(v *Verdict, n *Node, to netip.Addr, way Route) bool {
	route := n.routeFor(to)
	switch {
	case way.Error == "" && way.Type != "blackhole" && way.Type != "unreachable" && way.Type != "prohibit":
		return false
	case way.Error == "EINVAL" || way.Type == "blackhole":
		v.End, v.Detail = NullRouted, "blackhole route"
	case way.Error == "EACCES" || way.Type == "prohibit":
		v.End, v.Detail = NullRouted, "prohibit route"
	case way.Type == "unreachable" || way.Error == "EHOSTUNREACH" && (strings.HasPrefix(route, "unreachable") || route != "" && len(n.Policy) > 0) || way.Error == "ENETUNREACH" && route != "" && n.refusing(to.Is6()):
		v.End, v.Detail = NullRouted, "unreachable route"
	default:
		if r.cutOff(v, n, to) {
			return true
		}
		tooSmall(v, n, r.Facts, to)
		v.End = NoRoute
		v.cause("%s has no route to %s: %s", n.Name, r.who(to), way)
		for _, e := range n.Routes {
			if strings.Contains(e, ":") != to.Is6() || strings.HasPrefix(e, "fe80::/64") {
				continue
			}
			v.Reasons = append(v.Reasons, n.Name+": route "+e)
		}
		return true
	}
	if kind, _, _ := strings.Cut(v.Detail, " "); route != "" && !strings.HasPrefix(route, kind) && way.Error != "" {
		v.cause("%s: the way to %s is %s, though there is a route, %s: a rule decides before it (ip rule)", n.Name, to, way, route)
		return true
	}
	v.cause("%s: the route to %s is %s", n.Name, to, firstOf(route, way.String()))
	return true
}

// cutOff tells whether a node has no route because an interface is down, with
// which the kernel takes its routes away: that whose subnet, or that of the
// other end of its cable, has the address; or every interface of the node.
func (r *reasoner) cutOff(v *Verdict, n *Node, to netip.Addr) bool {
	var down []*Link
	up := 0
	for i := range n.Links {
		l := &n.Links[i]
		far, name, _ := strings.Cut(l.Peer, ":")
		switch {
		case l.Name == "lo":
		case l.Up:
			up++
		case l.covers(to) || r.Node(far).link(name).covers(to):
			v.End = LinkDown
			v.cause("%s:%s is down, and its routes are gone with it", n.Name, l.Name)
			return true
		case l.Peer != "":
			down = append(down, l)
		}
	}
	if up > 0 || len(down) == 0 {
		return false
	}
	v.End = LinkDown
	for _, l := range down {
		v.cause("%s:%s is down, and its routes are gone with it", n.Name, l.Name)
	}
	return true
}

// covers tells whether an address is in a subnet of the interface.
func (l *Link) covers(to netip.Addr) bool {
	for _, a := range l.Addresses {
		if a.Prefix.Contains(to) {
			return true
		}
	}
	return false
}

// local is the end of a packet that is for the node itself.
func (r *reasoner) local(v *Verdict, n *Node, p *capture.Packet, to netip.Addr, isReply bool) {
	if rule, ok := n.dropRule("input"); ok {
		v.filtered(FilteredIn, n, rule)
		return
	}
	if r.ipsec(v, n, p.Src, to, "in") {
		return
	}
	if isReply && n.Name != r.From {
		v.End = WrongHost
		v.cause("%s takes it for itself: it has %s on %s", n.Name, to, n.withAddress(to).name())
		return
	}
	if isReply {
		v.End = Accepted
		if src := r.Target; p.Src != src {
			v.End = WrongHost
			v.cause("it came from %s, but %s was asked", p.Src, src)
		} else {
			v.cause("%s:%s took it in", n.Name, p.Interface)
		}
		return
	}
	if unused(v, n, to) {
		return
	}
	if rule, ok := n.uncounted("prerouting", "input", "ingress"); ok {
		v.filtered(FilteredIn, n, rule)
		return
	}
	if r.ignored(v, n, p, to) {
		return
	}
	if r.thrownAway(v, n, p) {
		return
	}
	if n.Moved["UdpNoPorts"]+n.Moved["Udp6NoPorts"] > 0 && p.Protocol == udp {
		v.End = Refused
		v.cause("%s: nobody takes it there: UdpNoPorts moved", n.Name)
		r.listeners(v, n)
		r.unsaid(v, n)
		return
	}
	if counter := n.unwanted(); counter != "" {
		v.End, v.Detail = DroppedByStack, counter
		v.cause("%s: the counter %s moved by %d", n.Name, counter, n.Moved[counter])
		return
	}
	// The request was taken; the answer is what is missing.
	answer := r.unsent(n.Name, r.answerName(n), p.Src, to, p)
	if answer.Packet == r.answerName(n) && answer.End == DroppedByStack && answer.Detail == "" {
		if d, ok := r.dropped(v); ok && !d.unspecified() {
			v.End, v.Detail = DroppedByStack, "the kernel says "+d.Reason
			return
		}
		v.End = Accepted
		v.cause("%s took it, and made no answer", n.Name)
		return
	}
	*v = answer
	if v.Packet == "TCP reset" {
		v.cause("%s: nobody listens on %s port %d", n.Name, to, p.DstPort)
		r.listeners(v, n)
	}
}

// unused tells whether a node has an address that it may not use: it answers
// nobody who asks for it, and takes nothing that is sent there.
func unused(v *Verdict, n *Node, address netip.Addr) bool {
	l := n.withAddress(address)
	if l == nil {
		return false
	}
	for _, a := range l.Addresses {
		if a.Prefix.Addr() == address && (a.Tentative || a.DADFailed) {
			v.End, v.Detail = DroppedByStack, "the address is not in use"
			v.cause("%s:%s: %s is tentative or has failed duplicate address detection", n.Name, l.Name, address)
			return true
		}
	}
	return false
}

// ignored tells whether the node takes a request and never answers such.
func (r *reasoner) ignored(v *Verdict, n *Node, p *capture.Packet, to netip.Addr) bool {
	switch {
	case p.Kind == capture.EchoRequest && to.Is4() && n.isOn("ipv4.icmp_echo_ignore_all"):
		v.cause("%s: net.ipv4.icmp_echo_ignore_all = 1: echo requests are not answered", n.Name)
	case p.Kind == capture.EchoRequest && to.Is6() && n.isOn("ipv6.icmp.echo_ignore_all"):
		v.cause("%s: net.ipv6.icmp.echo_ignore_all = 1: echo requests are not answered", n.Name)
	case n.Moved["TcpExtListenOverflows"] > 0:
		v.End, v.Detail = DroppedByStack, "the listener's queue is full"
		v.cause("%s: TcpExtListenOverflows moved by %d", n.Name, n.Moved["TcpExtListenOverflows"])
		return true
	default:
		return false
	}
	v.End = Accepted
	return true
}

// spoofed tells whether the kernel took the source address for a false one.
func (r *reasoner) spoofed(v *Verdict, n *Node, p *capture.Packet, way Route) bool {
	if p.Src.Is6() {
		return false
	}
	strict := max(n.sysctl("ipv4.conf.all.rp_filter"), n.sysctl("ipv4.conf."+p.Interface+".rp_filter"))
	back := r.route(n.Name, Query{To: p.Src})
	moved := n.Moved["TcpExtIPReversePathFilter"]
	own := n.withAddress(p.Src)
	switch {
	case moved > 0, way.Error == "EXDEV" && strict != "0" && strict != "":
		v.End, v.Detail = DroppedByStack, "reverse path filter"
		v.cause("%s: rp_filter = %s on %s, and the way back to %s is %s", n.Name, strict, p.Interface, p.Src, back)
	case own != nil && p.Interface != "lo" && !n.isOn("ipv4.conf."+p.Interface+".accept_local"):
		v.End, v.Detail = DroppedByStack, "martian source"
		v.cause("%s: the source %s is its own, on %s", n.Name, p.Src, own.Name)
		r.rewritten(v, r.Window.Follow(p))
	case strict != "" && strict != "0" && (back.Error != "" || strict == "1" && back.Device != p.Interface) && way.Error != "":
		v.End, v.Detail = DroppedByStack, "reverse path filter"
		v.cause("%s: rp_filter = %s on %s, and the way back to %s is %s", n.Name, strict, p.Interface, p.Src, back)
	default:
		return false
	}
	return true
}

// loopback tells whether a packet that came in by an interface is for a loopback
// address, which the kernel gives to nobody from outside.
func loopback(v *Verdict, n *Node, to netip.Addr, in string) bool {
	if !to.IsLoopback() || in == "lo" || n.isOn("ipv4.conf."+in+".route_localnet") || n.isOn("ipv4.conf.all.route_localnet") {
		return false
	}
	v.End, v.Detail = DroppedByStack, "martian destination"
	if to.Is4() {
		v.cause("%s: it is for %s, and net.ipv4.conf.%s.route_localnet = 0", n.Name, to, in)
	} else {
		v.cause("%s: it is for %s, which nobody is let to from outside", n.Name, to)
	}
	return true
}

// unsent is the end of a packet that no interface of the node let out: of a
// request (before is nil), or of the answer to the one that came in before.
func (r *reasoner) unsent(node, what string, to, from netip.Addr, before *capture.Packet) Verdict {
	n := r.Node(node)
	v := Verdict{Packet: what, Node: node, Before: before}
	flow := r.flow()
	if before != nil {
		flow = flow.answering(before)
	}
	flow.To = to
	without := flow
	flow.From = from
	way := r.way(n, flow)
	if !from.IsValid() || before == nil && way.Error != "" {
		way = r.way(n, without)
	}
	switch {
	case r.refusedByRoute(&v, n, to, way):
	case before == nil && r.Errno == "EMSGSIZE":
		v.End = TooBig
		v.cause("%s: the packet does not fit %s:%s, whose MTU is %d%s", n.Name, n.Name, way.Device, n.link(way.Device).MTU, mtuOf(way))
	case r.ipsec(&v, n, from, to, "out"):
	case way.Type == "local" && before == nil:
		if r.down(&v, n, n.link("lo")) {
			break
		}
		r.outward(&v, n, nil, to, way)
	default:
		r.outward(&v, n, nil, to, way)
	}
	return v
}

// byStack is the end that only the kernel's counters know.
func (r *reasoner) byStack(v *Verdict, n *Node) {
	v.End = DroppedByStack
	if counter := n.discarding(); counter != "" {
		v.Detail = counter
		v.cause("%s: the counter %s moved by %d", n.Name, counter, n.Moved[counter])
		return
	}
	v.Node = n.Name
	if d, ok := r.dropped(v); ok {
		v.Detail = "the kernel says " + d.Reason
		if d.unspecified() {
			v.Detail = "in " + d.Function
		}
		v.cause("%s: %s", n.Name, d)
		return
	}
	if len(v.Cause) == 0 {
		v.cause("%s: the kernel says nothing more of it: nothing that could be asked stands in its way", n.Name)
	}
}

// down tells whether an interface, or the other end of its cable, is down.
func (r *reasoner) down(v *Verdict, n *Node, l *Link) bool {
	if l.Kind == "" || l.Up && !l.NoCarrier {
		return false
	}
	v.End = LinkDown
	if !l.Up {
		v.cause("%s:%s is down", n.Name, l.Name)
		return true
	}
	if node, name, ok := strings.Cut(l.Peer, ":"); ok && !r.Node(node).link(name).Up {
		v.cause("%s:%s has no carrier: the other end, %s, is down", n.Name, l.Name, l.Peer)
		return true
	}
	if l.Kind == "bridge" {
		v.cause("%s:%s has no carrier: no port of it is up", n.Name, l.Name)
		for _, p := range n.ports(l.Name) {
			v.Cause = append(v.Cause, p.text(n.Name))
		}
		return true
	}
	v.cause("%s:%s has no carrier", n.Name, l.Name)
	return true
}

func (l *Link) name() string {
	if l == nil {
		return "lo"
	}
	return l.Name
}

// cause adds a line about why.
func (v *Verdict) cause(format string, args ...any) {
	v.Cause = append(v.Cause, fmt.Sprintf(format, args...))
}

func (v *Verdict) filtered(end End, n *Node, rule Rule) {
	v.End, v.Detail = end, rule.hook()
	switch {
	case rule.policy():
		v.cause("%s: the policy %s", n.Name, rule.Text)
	case rule.queues():
		v.cause("%s: the rule %s hands packets to a program (NFQUEUE), and drops them where nobody takes them", n.Name, rule.Text)
	case rule.Counted && rule.maps():
		v.cause("%s: the rule %s counted %d, and drops some", n.Name, rule.Text, rule.Moved)
	case rule.Counted:
		v.cause("%s: the rule %s counted %d", n.Name, rule.Text, rule.Moved)
	default:
		v.cause("%s: the rule %s, which does not count", n.Name, rule.Text)
	}
}

func (v *Verdict) controlled(end End, n *Node, device, kind string) {
	v.End, v.Detail = end, "traffic control"
	v.cause("%s:%s: %s (tc) dropped %d", n.Name, device, kind, n.Moved[device+" "+kind+" dropped"])
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func mtuOf(r Route) string {
	if r.MTU != 0 {
		return fmt.Sprintf(", and that of the route %d", r.MTU)
	}
	return ""
}
