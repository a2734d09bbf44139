package capture

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Packet is one sighting of a packet: at one interface, in one direction. It
// is decoded before anyone gets to see it and must not be changed, so it may
// be read from any goroutine.
//
// A field that a packet does not have (the TTL of an ARP request, the ports of
// an echo) is the zero value; Kind says which ones to expect.
type Packet struct {
	Node      string    // name given to [Recording.Attach]
	Interface string    // name of the interface at the time of the packet
	Index     int       // index of the interface
	Direction Direction // In or Out

	Time   time.Time // the kernel's own stamp (CLOCK_REALTIME, nanoseconds)
	Data   []byte    // the frame from its Ethernet header on, VLAN tag put back; may be cut, see Length
	Length int       // bytes that the frame had; greater than len(Data) if it was cut

	SrcMAC, DstMAC net.HardwareAddr
	EtherType      uint16 // of what is inside the VLAN tags
	VLAN           uint16 // VLAN identifier of the outermost tag, 0 if untagged

	Src, Dst netip.Addr // IP addresses; of an ARP packet its sender and target
	TTL      int        // time to live, or hop limit of IPv6
	IPID     uint32     // IPv4 identification, or that of an IPv6 fragment header
	TOS      uint8      // type of service, or traffic class of IPv6
	Protocol uint8      // IP protocol number, of IPv6 the one after the extension headers
	Fragment Fragment

	SrcPort, DstPort uint16 // TCP and UDP
	TCPFlags         TCPFlags
	Seq, Ack         uint32

	ICMPType, ICMPCode uint8  // ICMP and ICMPv6
	ICMPID, ICMPSeq    uint16 // of echoes
	MTU                int    // of a too-big error: the largest IP packet that fits, in bytes
	VNI                uint32 // network identifier of VXLAN; what it carries is Inner

	ARP *ARP // nil if this is no ARP packet for IPv4
	ND  *ND  // nil if this is no neighbor discovery packet

	Payload []byte // what TCP, UDP or an echo carries; of an ICMP error the quote; else what follows the last header known
	Kind    Kind

	position   int  // place in the order of reading
	raw        bool // the interface has no Ethernet header: Data starts with the IP header
	unfinished bool // the kernel left the transport checksum to the device (CHECKSUM_PARTIAL)
	network    int  // offset of the IP or ARP header in Data
	transport  int  // offset of the header after the IP headers, 0 if there is none
	size       int  // bytes of Payload on the wire: what the IP header says, though Data may be cut
	quoted     bool // decoded from the quote in an ICMP error
}

// Fragment tells what an IP header says about fragmentation.
type Fragment struct {
	Offset       int  // where this fragment's data belong, in bytes
	More         bool // more fragments follow
	DontFragment bool // IPv4's DF bit
}

// String is as in "at 1480, more follow"; "none" of a packet that is whole.
func (f Fragment) String() string {
	text := "none"
	if f.Is() {
		text = fmt.Sprintf("at %d, the last", f.Offset)
		if f.More {
			text = fmt.Sprintf("at %d, more follow", f.Offset)
		}
	}
	if f.DontFragment {
		text += ", don't fragment"
	}
	return text
}

// Is tells whether the packet is a fragment, the first one included.
func (f Fragment) Is() bool { return f.More || f.Offset > 0 }

// ARP is an ARP packet for IPv4 over Ethernet (RFC 826).
type ARP struct {
	Op        uint16 // 1 request, 2 reply
	SenderMAC net.HardwareAddr
	SenderIP  netip.Addr
	TargetMAC net.HardwareAddr
	TargetIP  netip.Addr
}

// ND is an IPv6 neighbor discovery packet (RFC 4861).
type ND struct {
	Target    netip.Addr       // of solicitations, advertisements and redirects
	LinkLayer net.HardwareAddr // source or target link-layer address option, nil if there is none
	Router    bool             // R flag of an advertisement
	Solicited bool             // S flag of an advertisement
	Override  bool             // O flag of an advertisement
}

// NewPacket decodes an Ethernet frame that was not recorded but made or read
// elsewhere. The frame must not be changed afterwards.
func NewPacket(node, iface string, direction Direction, at time.Time, frame []byte) *Packet {
	p := &Packet{Node: node, Interface: iface, Direction: direction, Time: at, Data: frame, Length: len(frame)}
	p.decode()
	return p
}

// Where is the place of the sighting, as in "router:veth1".
func (p *Packet) Where() string { return p.Node + ":" + p.Interface }

// Cut tells whether only the beginning of the frame was recorded.
func (p *Packet) Cut() bool { return len(p.Data) < p.Length }

// Decoded is the packet as gopacket sees it, for what this package does not
// decode. It is decoded whole, anew at each call: gopacket's lazy packets
// must not be shared between goroutines.
func (p *Packet) Decoded() gopacket.Packet {
	var first gopacket.Decoder = layers.LayerTypeEthernet
	if p.raw {
		first = layers.LayerTypeIPv4
		if len(p.Data) > 0 && p.Data[0]>>4 == 6 {
			first = layers.LayerTypeIPv6
		}
	}
	decoded := gopacket.NewPacket(p.Data, first, gopacket.DecodeOptions{NoCopy: true})
	meta := decoded.Metadata()
	meta.Timestamp, meta.Length, meta.CaptureLength = p.Time, p.Length, len(p.Data)
	meta.InterfaceIndex, meta.Truncated = p.Index, meta.Truncated || p.Cut()
	return decoded
}

// Housekeeping tells whether the packet is of the sort that a kernel sends on
// its own account when an interface comes up: multicast group reports (IGMP,
// MLD), router solicitations and duplicate address detection (RFC 4862: a
// neighbor solicitation from the unspecified address); and what carries such a
// packet through a tunnel.
func (p *Packet) Housekeeping() bool {
	switch p.Kind {
	case IGMP, MLDReport, MLDQuery, RouterSolicitation:
		return true
	case NeighborSolicitation:
		return p.Src.IsUnspecified()
	}
	inner, ok := p.Inner()
	return ok && inner.Housekeeping()
}
