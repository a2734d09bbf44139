package capture

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// identity is what stays the same in a packet on its way through bridges,
// routers and NAT; two sightings with different identities are not of the same
// packet. Rewritten on the way are MAC addresses, VLAN tags, the TTL, IP
// addresses, ports, the identifier of an echo, and checksums.
//
//   - echoes: request or reply, sequence number, payload
//   - TCP: sequence numbers, flags, payload
//   - UDP: payload, of VXLAN the frame that it carries
//   - ICMP errors: type, code, MTU, and the identity of the packet quoted,
//     which NAT translates as well
//   - fragments, the first included: identification, offset, payload
//   - ARP: every field; neighbor discovery: addresses and the whole message
//   - all else: protocol and payload
//
// The IPv4 identification is not rewritten either, but counts only where both
// sightings have one (see apart).
func (p *Packet) identity() string {
	return string(p.appendIdentity(make([]byte, 0, 64)))
}

func (p *Packet) appendIdentity(b []byte) []byte {
	b = be.AppendUint16(b, p.EtherType)
	b = append(b, p.Kind...)
	b = append(b, 0)
	if p.Fragment.Is() {
		b = be.AppendUint32(b, p.IPID)
		b = be.AppendUint32(b, uint32(p.Fragment.Offset))
		b = append(b, p.Protocol, flag(p.Fragment.More))
		if p.Fragment.Offset > 0 { // else a NAT may have rewritten the ports
			return p.appendPayload(b)
		}
	}
	if p.ARP != nil {
		b = be.AppendUint16(b, p.ARP.Op)
		b = append(append(b, p.ARP.SenderMAC...), p.ARP.TargetMAC...)
		return append(append(b, p.ARP.SenderIP.AsSlice()...), p.ARP.TargetIP.AsSlice()...)
	}
	switch p.Kind {
	case TCP:
		b = be.AppendUint32(b, p.Seq)
		b = be.AppendUint32(b, p.Ack)
		b = append(b, byte(p.TCPFlags))
	case EchoRequest, EchoReply:
		b = be.AppendUint16(b, p.ICMPSeq)
	case DestinationUnreachable, TimeExceeded, PacketTooBig, ParameterProblem, Redirect:
		b = append(b, p.ICMPType, p.ICMPCode)
		b = be.AppendUint32(b, uint32(p.MTU))
		if quoted, ok := p.Quoted(); ok {
			return quoted.appendQuoteIdentity(b)
		}
	case NeighborSolicitation, NeighborAdvertisement, RouterSolicitation, RouterAdvertisement:
		b = append(b, p.ND.Target.AsSlice()...)
		b = append(append(b, p.Src.AsSlice()...), p.Dst.AsSlice()...)
	case IPFragment, Other:
		b = append(b, p.Protocol)
	}
	return p.appendPayload(b)
}

// appendQuoteIdentity is the identity of a packet that is quoted. The quote is
// as long in every sighting of the error, so all of it counts; and whether it
// has its IPv4 identification is no question either.
func (p *Packet) appendQuoteIdentity(b []byte) []byte {
	return be.AppendUint32(p.appendIdentity(b), p.IPID)
}

// appendPayload appends the payload and its length on the wire. Of a frame that
// was cut the beginning has to do, and no more of it than is there behind the
// longest headers: where a tag was added, there is less of it.
func (p *Packet) appendPayload(b []byte) []byte {
	const part = 8
	b = binary.AppendUvarint(b, uint64(p.size))
	if len(p.Payload) < p.size && !p.quoted {
		return append(b, p.Payload[:min(part, len(p.Payload))]...)
	}
	return append(b, p.Payload...)
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// apart tells whether two sightings of one identity can't be of one packet:
// IPv4 identifications that are there and differ. No router changes one, but
// the kernel gives each TCP segment and UDP datagram its own (except where it
// leaves it 0: for an unfragmentable packet without a connection), and so a
// retransmission is told from the first transmission.
func apart(a, b *Packet) bool {
	return a.EtherType == unix.ETH_P_IP && a.IPID != 0 && b.IPID != 0 && a.IPID != b.IPID
}

// place is where a packet is seen.
type place struct {
	node      string
	index     int
	name      string
	direction Direction
}

func (p *Packet) place() place {
	return place{p.Node, p.Index, p.Interface, p.Direction}
}
