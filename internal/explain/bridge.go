package explain

import (
	"slices"
	"strings"

	"github.com/netrig/netrig/capture"
)

// inBridge is the end of a frame that came in by a port of a bridge.
func (r *reasoner) inBridge(v *Verdict, p *capture.Packet) {
	n := r.Node(p.Node)
	in := n.link(p.Interface)
	r.bridged(v, n, in.Master, in, r.exit(n, in.Master, p), p)
}

// exit is the port of a bridge behind which the owner of a frame's address is,
// nil if the bridge itself has it, or nobody here.
func (r *reasoner) exit(n *Node, bridge string, p *capture.Packet) *Link {
	if _, l := r.ownerOfMAC(p.DstMAC.String()); l != nil {
		if node, name, ok := strings.Cut(l.Peer, ":"); ok && node == n.Name && n.link(name).Master == bridge {
			return n.link(name)
		}
	}
	return nil
}

// bridged is the end of a frame inside a bridge: it came in by one port (nil
// for the bridge's own), was to leave by another (nil for the bridge itself),
// and was not seen there.
func (r *reasoner) bridged(v *Verdict, n *Node, bridge string, in, out *Link, p *capture.Packet) {
	br := n.link(bridge)
	own := out == nil || n.own(bridge, p.DstMAC.String())
	if !br.Up {
		v.End = LinkDown
		v.cause("%s:%s, the bridge, is down", n.Name, bridge)
		return
	}
	if in != nil && in.Port != nil && in.Port.State != "forwarding" {
		v.End = BlockedInBridge
		v.cause("%s: port %s of %s is %s", n.Name, in.Name, bridge, in.Port.State)
		return
	}
	if in != nil && in.Port != nil && in.Port.Locked {
		if e, ok := n.behind(bridge, p.SrcMAC.String()); !ok || e.Interface != in.Name {
			v.End = BlockedInBridge
			v.cause("%s: port %s of %s is locked, and takes frames of known senders only; %s is none", n.Name, in.Name, bridge, r.whose(p.SrcMAC))
			return
		}
	}
	if rule, ok := n.dropRule("prerouting", "forward", "input", "output", "postrouting"); ok {
		v.filtered(BlockedInBridge, n, rule)
		for _, s := range []string{"bridge.bridge-nf-call-iptables", "bridge.bridge-nf-call-ip6tables", "bridge.bridge-nf-call-arptables"} {
			if n.isOn(s) {
				v.cause("%s: net.%s = 1: bridged packets pass the packet filter", n.Name, s)
			}
		}
		return
	}
	mac := p.DstMAC.String()
	if e, ok := n.kept(bridge, mac); ok {
		v.End = BlockedInBridge
		v.cause("%s: %s takes frames for %s for itself: its forwarding database has a permanent entry for it (%s dev %s permanent)", n.Name, bridge, r.whose(p.DstMAC), mac, e.Interface)
		if out != nil {
			v.cause("%s: it is behind %s", n.Name, out.Name)
		}
		return
	}
	if own {
		r.byStack(v, n)
		return
	}
	entry, learned := n.behind(bridge, mac)
	group := p.DstMAC[0]&1 == 1
	switch {
	case learned && entry.Interface != out.Name:
		v.End = BlockedInBridge
		how := ""
		if in != nil && entry.Interface == in.Name {
			how = ", by which the frame came"
		}
		v.cause("%s: %s believes %s behind %s%s; it is behind %s", n.Name, bridge, r.whose(p.DstMAC), entry.Interface, how, out.Name)
		r.twins(v, mac)
		return
	case in != nil && in.Name == out.Name && !in.Port.Hairpin:
		v.End = BlockedInBridge
		v.cause("%s: it would have to leave by %s, by which it came: hairpin mode is off", n.Name, in.Name)
		return
	}
	if r.down(v, n, out) {
		return
	}
	if size := p.Length - ethernet; out.MTU > 0 && size > out.MTU {
		v.End = TooBig
		v.cause("%s:%s has an MTU of %d, the packet has %d bytes, and a bridge says nothing of that", n.Name, out.Name, out.MTU, size)
		return
	}
	state := out.Port
	if state == nil {
		state = &Port{}
	}
	v.End = BlockedInBridge
	broadcast := mac == "ff:ff:ff:ff:ff:ff"
	switch {
	case state.State != "forwarding":
		v.cause("%s: port %s of %s is %s", n.Name, out.Name, bridge, state.State)
	case in != nil && in.Port != nil && in.Port.Isolated && state.Isolated:
		v.cause("%s: ports %s and %s of %s are both isolated", n.Name, in.Name, out.Name, bridge)
	case !group && !learned && !state.Flood:
		v.cause("%s: %s does not know where %s is, and flood is off on port %s", n.Name, bridge, r.whose(p.DstMAC), out.Name)
	case broadcast && !state.BroadcastFlood:
		v.cause("%s: bcast_flood is off on port %s of %s, and broadcasts reach nobody there", n.Name, out.Name, bridge)
	case group && !broadcast && !state.MulticastFlood:
		v.cause("%s: mcast_flood is off on port %s of %s, and multicast reaches nobody there", n.Name, out.Name, bridge)
	case br.VLANs && in != nil && !slices.ContainsFunc(in.Port.VLANs, func(id int) bool { return slices.Contains(state.VLANs, id) }):
		v.cause("%s: %s filters by VLAN, and ports %s (%v) and %s (%v) have none in common", n.Name, bridge, in.Name, in.Port.VLANs, out.Name, state.VLANs)
	default:
		if rule, ok := n.uncounted("forward"); ok {
			v.filtered(BlockedInBridge, n, rule)
			return
		}
		r.byStack(v, n)
		v.End = BlockedInBridge
	}
}

// afterOut is the end of a packet that left an interface and was not seen at
// the other end.
func (r *reasoner) afterOut(v *Verdict, p *capture.Packet) {
	n := r.Node(p.Node)
	l := n.link(p.Interface)
	if l.Kind == "bridge" {
		out := r.exit(n, l.Name, p)
		if out == nil && p.DstMAC[0]&1 == 0 {
			r.gone(v, p)
			return
		}
		if out == nil {
			ports := n.ports(l.Name)
			if len(ports) == 0 {
				v.End = LinkDown
				v.cause("%s:%s has no port", n.Name, l.Name)
				return
			}
			out = ports[0]
		}
		r.bridged(v, n, l.Name, nil, out, p)
		return
	}
	node, name, _ := strings.Cut(l.Peer, ":")
	far := r.Node(node)
	switch peer := far.link(name); {
	case !l.Up || l.Peer != "" && !peer.Up:
		r.down(v, n, &Link{Name: l.Name, Kind: l.Kind, Up: l.Up, NoCarrier: true, Peer: l.Peer})
	case peer.XDP:
		v.Node, v.End, v.Detail = node, FilteredIn, "XDP"
		v.cause("%s has an XDP program, which sees packets before they are recorded", l.Peer)
	case l.Peer != "" && peer.MTU > 0 && p.Length-ethernet > peer.MTU:
		v.End = TooBig
		v.cause("%s:%s: the other end, %s, takes %d bytes at most, and the packet has %d", n.Name, l.Name, l.Peer, peer.MTU, p.Length-ethernet)
	case l.Peer == "":
		v.End = LinkDown
		v.cause("%s:%s: there is no other end in the lab", n.Name, l.Name)
	default:
		r.byStack(v, n)
	}
}

// strayed is the end of a packet that reached only those whom it was not
// addressed to: either the sender has a wrong hardware address, or a bridge
// believes the right one in the wrong place.
func (r *reasoner) strayed(v *Verdict, p *capture.Packet) {
	v.End = WrongHost
	v.Seen, v.Node = p, p.Node
	mac := p.DstMAC.String()
	v.cause("the frame is for %s, but %s is %s", r.whose(p.DstMAC), p.Where(), r.Node(p.Node).link(p.Interface).MAC)
	if !r.misled(v, p) {
		r.readdressed(p)
	}
	r.twins(v, mac)
	for _, n := range r.Nodes {
		for i := range n.Links {
			if e, ok := n.behind(n.Links[i].Name, mac); ok {
				if out := r.exit(n, e.Bridge, p); out != nil && out.Name != e.Interface {
					v.cause("%s: %s believes %s behind %s; it is behind %s", n.Name, e.Bridge, r.whose(p.DstMAC), e.Interface, out.Name)
				}
			}
		}
	}
}

// misled says who took which hardware address for whose.
func (r *reasoner) misled(v *Verdict, p *capture.Packet) bool {
	sender, _ := r.ownerOfMAC(p.SrcMAC.String())
	mac := p.DstMAC.String()
	for _, e := range r.Node(sender).Neighbors {
		if e.MAC != mac {
			continue
		}
		node, l := r.owner(e.Addr)
		if l != nil && l.MAC != mac {
			v.cause("%s believes %s at %s (%s), but %s:%s is %s", sender, e.Addr, mac, e.State, node, l.Name, l.MAC)
			return true
		}
	}
	return false
}

// gone is the end of a frame whose address nobody behind a bridge has.
func (r *reasoner) gone(v *Verdict, p *capture.Packet) {
	v.End = WrongHost
	v.cause("nobody behind %s has the hardware address %s", p.Where(), p.DstMAC)
	if !r.misled(v, p) {
		r.readdressed(p)
	}
}

// readdressed names the rule by which a node sent a frame to a hardware address that
// it does not know for anybody's.
func (r *reasoner) readdressed(p *capture.Packet) {
	sender, _ := r.ownerOfMAC(p.SrcMAC.String())
	n := r.Node(sender)
	if mac := p.DstMAC.String(); !slices.ContainsFunc(n.Neighbors, func(e Neighbor) bool { return e.MAC == mac }) {
		for _, rule := range n.Rules {
			if rule.written("ether daddr") == mac && (rule.Moved > 0 || !rule.Counted) {
				r.blame(n, "ether daddr", mac, "addressed the frame to "+mac)
				return
			}
		}
	}
}

// loop is the end of a packet that went in circles.
func (r *reasoner) loop(v *Verdict, f *capture.Flight) {
	v.End = Loop
	var seen []string
	for _, p := range f.Hops {
		if p.Direction != capture.In || slices.Contains(seen, p.Node) {
			continue
		}
		seen = append(seen, p.Node)
		if way := r.route(p.Node, Query{To: p.Dst, From: p.Src, In: p.Interface}); way.Error == "" && way.Type != "local" {
			v.cause("%s: the route to %s is %s", p.Node, p.Dst, way)
		}
	}
}
