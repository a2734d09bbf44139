package explain

import (
	"net/netip"
	"strings"

	"github.com/netrig/netrig/capture"
)

// listeners names who waits for the like at another address or port, and why a socket
// at that very port did not take what came.
func (r *reasoner) listeners(v *Verdict, n *Node) {
	var all []string
	if n.Listeners == nil && r.Listening != nil {
		n.Listeners = r.Listening(n.Name)
	}
	for _, l := range n.Listeners {
		if l.Network == r.Network {
			r.choosy(v, n, l)
			if !l.Peer.IsValid() {
				all = append(all, l.String())
			}
		}
	}
	if len(all) > 0 {
		v.cause("%s: %s sockets wait on %s", n.Name, strings.ToUpper(r.Network), strings.Join(all, ", "))
	}
}

// String is the address and port, with the device that the socket is bound to.
func (l Listener) String() string {
	if l.Device != "" {
		return l.Addr.String() + " (bound to " + l.Device + ")"
	}
	return l.Addr.String()
}

// choosy says why a socket at the right port did not take a packet: it is bound to
// another device, or connected to somebody else.
func (r *reasoner) choosy(v *Verdict, n *Node, l Listener) {
	// A socket of IPv6 that takes IPv4 too has its addresses in the form of IPv6.
	l.Addr, l.Peer = netip.AddrPortFrom(l.Addr.Addr().Unmap(), l.Addr.Port()), netip.AddrPortFrom(l.Peer.Addr().Unmap(), l.Peer.Port())
	p := v.Seen
	if p == nil || l.Addr.Port() != p.DstPort || !l.Addr.Addr().IsUnspecified() && l.Addr.Addr() != p.Dst {
		return
	}
	from := netip.AddrPortFrom(p.Src, p.SrcPort)
	switch {
	case l.Device != "" && l.Device != p.Interface && n.link(p.Interface).Master != l.Device:
		v.cause("%s: the socket on %s is bound to %s (SO_BINDTODEVICE), and it came in by %s", n.Name, l.Addr, l.Device, p.Interface)
	case l.Peer.IsValid() && l.Peer != from:
		v.cause("%s: the socket on %s is connected to %s, and takes from nobody else; it came from %s", n.Name, l.Addr, l.Peer, from)
	}
}

// thrownAway tells whether a socket of UDP got a datagram and threw it away.
func (r *reasoner) thrownAway(v *Verdict, n *Node, p *capture.Packet) bool {
	moved := func(name string) uint64 { return n.Moved["Udp"+name] + n.Moved["Udp6"+name] }
	if p.Protocol != udp || moved("InErrors") == 0 {
		return false
	}
	v.End = DroppedByStack
	switch {
	case moved("InCsumErrors") > 0:
		v.Detail = "wrong checksum"
		v.cause("%s: its UDP checksum is wrong: UdpInCsumErrors moved", n.Name)
	case moved("RcvbufErrors") > 0:
		v.Detail = "the socket's buffer is full"
		v.cause("%s: nobody reads the socket, or not fast enough: UdpRcvbufErrors moved", n.Name)
	default:
		v.Detail = "the socket's own filter"
		v.cause("%s: UdpInErrors moved, and neither the checksum's counter nor the buffer's: the socket has a filter that does not want it (SO_ATTACH_FILTER, SO_ATTACH_BPF)", n.Name)
	}
	if n.Listeners == nil && r.Listening != nil {
		n.Listeners = r.Listening(n.Name)
	}
	for _, l := range n.Listeners {
		if l.Network == "udp" && l.Addr.Port() == p.DstPort && l.Drops > 0 {
			v.cause("%s: the socket on %s has thrown away %d", n.Name, l, l.Drops)
		}
	}
	return true
}
