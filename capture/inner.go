package capture

// vxlanPorts are the UDP ports at which VXLAN is expected: IANA's (RFC 7348), and
// the one that Linux used before and still takes by default.
var vxlanPorts = [...]uint16{4789, 8472}

const (
	vxlanHeader = 8    // bytes, RFC 7348, section 5
	vxlanValid  = 0x08 // the I flag: there is a network identifier
)

// tunnelled tells whether the packet is one of VXLAN, and has its header.
func (p *Packet) tunnelled() bool {
	return p.Kind == UDP && (p.DstPort == vxlanPorts[0] || p.DstPort == vxlanPorts[1]) &&
		len(p.Payload) >= vxlanHeader && p.Payload[0]&vxlanValid != 0
}

// Inner is the frame that a packet of VXLAN carries, decoded as any other; the
// result is false if the packet is none, or was cut before it. What is seen of the
// frame at a tunnel's own interface is another sighting, of the inner packet.
//
// Of the inner packet Data begins with its Ethernet header. Its checksums are not
// judged: the device may have been left to finish them.
func (p *Packet) Inner() (*Packet, bool) {
	if !p.tunnelled() || len(p.Payload) < vxlanHeader+14 {
		return nil, false
	}
	inner := &Packet{
		Node: p.Node, Interface: p.Interface, Index: p.Index, Direction: p.Direction, Time: p.Time,
		Data: p.Payload[vxlanHeader:], Length: max(p.size-vxlanHeader, 0), position: p.position, unfinished: true,
	}
	inner.decode()
	return inner, true
}
