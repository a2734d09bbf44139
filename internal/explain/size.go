package explain

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/netrig/netrig/capture"
)

// ethernet is the length of the header that an MTU does not count.
const ethernet = 14

// tooBig tells whether a packet that is forwarded does not fit the way on, and
// must not be cut.
func tooBig(v *Verdict, n *Node, p *capture.Packet, way Route) bool {
	most := n.link(way.Device).MTU
	if way.MTU != 0 && way.MTU < most {
		most = way.MTU
	}
	size := p.Length - ethernet
	if most == 0 || size <= most || p.Dst.Is4() && !p.Fragment.DontFragment {
		return false
	}
	v.End = TooBig
	v.cause("%s:%s has an MTU of %d%s, the packet has %d bytes", n.Name, way.Device, n.link(way.Device).MTU, mtuOf(way), size)
	return true
}

// tooSmall names an interface whose MTU is too small for IPv6, if the address
// would be behind it: the kernel takes IPv6 away there, and the routes with it.
func tooSmall(v *Verdict, n *Node, f *Facts, to netip.Addr) {
	const least = 1280 // RFC 8200, section 5
	for i := range n.Links {
		l := &n.Links[i]
		far, name, _ := strings.Cut(l.Peer, ":")
		if to.Is6() && l.MTU > 0 && l.MTU < least && (l.Peer == "" || f.Node(far).link(name).MTU < least || f.Node(far).link(name).covers(to)) {
			v.cause("%s:%s has an MTU of %d, and IPv6 needs %d: it has none there, and no routes", n.Name, l.Name, l.MTU, least)
		}
	}
}

// untold says why the node where a packet ended told nobody, where a node tells the
// sender.
func (r *reasoner) untold(v Verdict) {
	p := v.Seen
	if p == nil || p.Node != v.Node || p.Direction != capture.In || r.errorAbout(r.Window.Follow(p)) != nil {
		return
	}
	switch {
	case v.End == NullRouted && v.Detail == "blackhole route": // which nobody is told of
	case v.End == NoRoute, v.End == NullRouted, v.End == TTLExceeded, v.End == TooBig && r.Node(p.Node).link(p.Interface).Master == "", v.End == Refused && p.Protocol == udp:
		r.noWayBack(r.Node(v.Node), p)
	}
}

// udp is the protocol's number (RFC 768).
const udp = 17

// noWayBack says that the ICMP error about a packet that came in could not be sent,
// since the node has no route to the sender.
func (r *reasoner) noWayBack(n *Node, p *capture.Packet) {
	if !p.Src.IsValid() || p.Direction != capture.In || n.withAddress(p.Src) != nil {
		return
	}
	if back := r.route(n.Name, Query{To: p.Src}); back.refuses() {
		r.aside = append(r.aside, fmt.Sprintf("%s: the ICMP error about it never left %s, which has no route back to %s: %s", n.Name, n.Name, r.who(p.Src), back))
	}
}

// unsaid says why the node told nobody that it threw a packet away.
func (r *reasoner) unsaid(v *Verdict, n *Node) {
	if rule, ok := n.dropRule("output", "postrouting"); ok {
		v.cause("%s: the ICMP error about it met the rule %s, which counted %d", n.Name, rule.Text, rule.Moved)
		return
	}
	for _, name := range []string{"IcmpOutRateLimitHost", "IcmpOutRateLimitGlobal", "Icmp6OutRateLimitHost"} {
		if n.Moved[name] > 0 {
			v.cause("%s: the ICMP error about it was not sent, since there had been many: the counter %s moved by %d", n.Name, name, n.Moved[name])
		}
	}
}
