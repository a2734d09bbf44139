package capture

import (
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The decoder is written out by hand because most of what it meets in a
// failing test is cut: a frame of which the recorder kept the beginning, the
// eight bytes of a TCP header that an ICMP error quotes. It takes every field
// that is there whole and leaves the rest zero, and it never fails.

var be = binary.BigEndian

// Link layers that have no name in x/sys.
const (
	etherTypeQinQ = 0x88a8 // IEEE 802.1ad
	protoAH       = 51     // RFC 4302
	protoMobility = 135    // RFC 6275
)

// decode fills in everything that follows from Data.
func (p *Packet) decode() {
	p.Kind = Other
	p.network = 0
	if !p.raw {
		if len(p.Data) < 14 {
			p.Payload, p.size = p.Data, p.Length
			return
		}
		p.DstMAC, p.SrcMAC = net.HardwareAddr(p.Data[0:6:6]), net.HardwareAddr(p.Data[6:12:12])
		p.EtherType = be.Uint16(p.Data[12:])
		p.network = 14
		for tags := 0; p.EtherType == unix.ETH_P_8021Q || p.EtherType == etherTypeQinQ; tags++ {
			if len(p.Data) < p.network+4 {
				break
			}
			if tags == 0 {
				p.VLAN = be.Uint16(p.Data[p.network:]) & 0xfff
			}
			p.EtherType = be.Uint16(p.Data[p.network+2:])
			p.network += 4
		}
	}
	body := p.Data[min(p.network, len(p.Data)):]
	wire := max(p.Length-p.network, len(body))
	switch p.EtherType {
	case unix.ETH_P_ARP:
		p.decodeARP(body, wire)
	case unix.ETH_P_IP:
		p.decodeIPv4(body, wire)
	case unix.ETH_P_IPV6:
		p.decodeIPv6(body, wire)
	default:
		p.Payload, p.size = body, wire
	}
}

// decodeARP decodes RFC 826's packet; only the form for IPv4 over Ethernet
// (28 bytes) is known.
func (p *Packet) decodeARP(b []byte, wire int) {
	p.Payload, p.size = b, wire
	if len(b) < 28 || be.Uint16(b) != 1 || be.Uint16(b[2:]) != unix.ETH_P_IP || b[4] != 6 || b[5] != 4 {
		return
	}
	p.ARP = &ARP{
		Op:        be.Uint16(b[6:]),
		SenderMAC: net.HardwareAddr(b[8:14:14]),
		SenderIP:  netip.AddrFrom4([4]byte(b[14:18])),
		TargetMAC: net.HardwareAddr(b[18:24:24]),
		TargetIP:  netip.AddrFrom4([4]byte(b[24:28])),
	}
	p.Src, p.Dst = p.ARP.SenderIP, p.ARP.TargetIP
	p.Payload, p.size = nil, 0
	switch p.ARP.Op {
	case 1:
		p.Kind = ARPRequest
	case 2:
		p.Kind = ARPReply
	}
}

// decodeIPv4 decodes RFC 791's header and what follows. wire is the number of
// bytes that the link layer carried from this header on.
func (p *Packet) decodeIPv4(b []byte, wire int) {
	p.Payload, p.size = b, wire
	if len(b) < 20 || b[0]>>4 != 4 {
		return
	}
	p.TOS, p.TTL, p.Protocol = b[1], int(b[8]), b[9]
	p.IPID = uint32(be.Uint16(b[4:]))
	fragment := be.Uint16(b[6:])
	p.Fragment = Fragment{Offset: int(fragment&0x1fff) * 8, More: fragment&0x2000 != 0, DontFragment: fragment&0x4000 != 0}
	p.Src, p.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	header := int(b[0]&0xf) * 4
	// Unsegmented frames of more than 64 KiB ("BIG TCP") have a total length
	// of 0; then the frame's own length counts.
	if total := int(be.Uint16(b[2:])); total != 0 && (total < wire || p.quoted) {
		wire = total // what follows is Ethernet's padding
	}
	if header < 20 || wire < header {
		p.Payload, p.size = nil, 0
		return
	}
	b = b[:min(len(b), wire)]
	p.decodeTransport(b[min(header, len(b)):], wire-header, header)
}

// decodeIPv6 decodes RFC 8200's header, the extension headers and what
// follows.
func (p *Packet) decodeIPv6(b []byte, wire int) {
	p.Payload, p.size = b, wire
	if len(b) < 40 || b[0]>>4 != 6 {
		return
	}
	p.TOS, p.TTL = b[0]<<4|b[1]>>4, int(b[7])
	p.Src, p.Dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	if length := int(be.Uint16(b[4:])); length != 0 && (40+length < wire || p.quoted) {
		wire = 40 + length
	}
	b = b[:min(len(b), wire)]
	next, header := b[6], 40
	for {
		p.Protocol = next
		size := 0
		switch next {
		case unix.IPPROTO_HOPOPTS, unix.IPPROTO_ROUTING, unix.IPPROTO_DSTOPTS, protoMobility:
			if len(b) >= header+2 {
				size = int(b[header+1])*8 + 8
			}
		case protoAH:
			if len(b) >= header+2 {
				size = int(b[header+1])*4 + 8
			}
		case unix.IPPROTO_FRAGMENT:
			if len(b) >= header+8 {
				size = 8
				field := be.Uint16(b[header+2:])
				p.Fragment = Fragment{Offset: int(field &^ 7), More: field&1 != 0}
				p.IPID = be.Uint32(b[header+4:])
			}
		default:
			p.decodeTransport(b[min(header, len(b)):], wire-header, header)
			return
		}
		if size == 0 || header+size > len(b) { // cut inside an extension header
			p.Payload, p.size = b[min(header, len(b)):], wire-header
			return
		}
		next = b[header]
		header += size
		if p.Fragment.Offset > 0 { // what follows is the middle of something
			p.Protocol = next
			p.decodeTransport(b[header:], wire-header, header)
			return
		}
	}
}
