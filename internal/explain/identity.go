package explain

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/netrig/netrig/capture"
)

// estranged tells whether a node has an address that its own routes do not give
// to it: what is for the address then goes on, or nowhere.
func (r *reasoner) estranged(v *Verdict, n *Node, to, from netip.Addr, in string) bool {
	own := n.withAddress(to)
	way := r.route(n.Name, Query{To: to, From: from, In: in})
	elsewhere := way.Error == "EHOSTUNREACH" || way.Error == "ENETUNREACH" || way.Error == "" && way.Type != "" && way.Type != "local"
	if own == nil || !elsewhere {
		return false
	}
	v.End, v.Detail = DroppedByStack, "no local route"
	v.cause("%s has %s on %s, but its routes do not say that it is its own (ip route show table local): %s", n.Name, to, own.Name, way)
	return true
}

// twin tells whether a packet came to an interface that has the hardware address
// of another one, which it was for.
func (r *reasoner) twin(v *Verdict, n *Node, p *capture.Packet, to netip.Addr) bool {
	other, l := r.owner(to)
	mine := n.link(p.Interface)
	if l == nil || other == n.Name || l.MAC == "" || l.MAC != mine.MAC {
		return false
	}
	v.End = WrongHost
	v.cause("%s belongs to %s:%s", to, other, l.Name)
	r.twins(v, l.MAC)
	return true
}

// redirected says that the node that sent a packet here was told to.
func (r *reasoner) redirected(v *Verdict, p *capture.Packet) {
	sender, _ := r.ownerOfMAC(p.SrcMAC.String())
	if way := r.route(sender, Query{To: p.Dst}); sender != "" && way.Redirected {
		v.cause("%s: the route to %s was changed by a redirect: %s", sender, p.Dst, way)
	}
}

// rewritten says which nodes have changed the addresses of a packet.
func (r *reasoner) rewritten(v *Verdict, f *capture.Flight) {
	for i := 1; i < len(f.Hops); i++ {
		if a, b := f.Hops[i-1], f.Hops[i]; a.Node == b.Node && (a.Src != b.Src || a.Dst != b.Dst) {
			v.cause("%s: made %s > %s out of %s > %s", b.Node, b.Src, b.Dst, a.Src, a.Dst)
		}
	}
}

// twins says that several interfaces have a hardware address.
func (r *reasoner) twins(v *Verdict, mac string) {
	var all []string
	for _, n := range r.Nodes {
		for _, l := range n.Links {
			if l.MAC == mac && l.Kind != "bridge" && !slices.Contains(all, n.Name+":"+l.Name) {
				all = append(all, n.Name+":"+l.Name)
			}
		}
	}
	if len(all) > 1 {
		v.cause("%s have the same hardware address, %s", strings.Join(all, " and "), mac)
	}
}
