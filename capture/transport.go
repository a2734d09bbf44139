package capture

import (
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// decodeTransport decodes what follows the IP headers: b is what was recorded
// of it, wire how many bytes it had, header how many bytes of IP headers
// precede it.
func (p *Packet) decodeTransport(b []byte, wire, header int) {
	p.transport = p.network + header
	p.Payload, p.size = b, wire
	if p.Fragment.Offset > 0 {
		p.Kind = IPFragment
		return
	}
	switch p.Protocol {
	case unix.IPPROTO_TCP:
		p.decodeTCP(b, wire)
	case unix.IPPROTO_UDP:
		p.decodeUDP(b, wire)
	case unix.IPPROTO_ICMP:
		p.decodeICMP(b, wire)
	case unix.IPPROTO_ICMPV6:
		p.decodeICMPv6(b, wire)
	case unix.IPPROTO_IGMP:
		p.Kind = IGMP
	}
}

// body sets the payload to what follows the first n bytes of b.
func (p *Packet) body(b []byte, wire, n int) {
	p.Payload, p.size = b[min(n, len(b)):], max(wire-n, 0)
}

// decodeTCP decodes RFC 9293's header, as far as it is there: an ICMP error
// need not quote more than its first 8 bytes.
func (p *Packet) decodeTCP(b []byte, wire int) {
	p.Kind = TCP
	if len(b) >= 4 {
		p.SrcPort, p.DstPort = be.Uint16(b), be.Uint16(b[2:])
	}
	if len(b) >= 8 {
		p.Seq = be.Uint32(b[4:])
	}
	if len(b) >= 12 {
		p.Ack = be.Uint32(b[8:])
	}
	header := 20
	if len(b) >= 14 {
		header = max(int(b[12]>>4)*4, 20)
		p.TCPFlags = TCPFlags(b[13])
	}
	p.body(b, wire, header)
}

// decodeUDP decodes RFC 768's header.
func (p *Packet) decodeUDP(b []byte, wire int) {
	p.Kind = UDP
	if len(b) >= 4 {
		p.SrcPort, p.DstPort = be.Uint16(b), be.Uint16(b[2:])
	}
	p.body(b, wire, 8)
	if p.tunnelled() {
		p.VNI = be.Uint32(p.Payload[4:]) >> 8
	}
}

// decodeICMP decodes RFC 792's messages.
func (p *Packet) decodeICMP(b []byte, wire int) {
	p.body(b, wire, 8)
	if len(b) < 2 {
		return
	}
	p.ICMPType, p.ICMPCode = b[0], b[1]
	switch p.ICMPType {
	case 0, 8:
		p.Kind = EchoReply
		if p.ICMPType == 8 {
			p.Kind = EchoRequest
		}
		p.decodeEcho(b)
	case 3:
		p.Kind = DestinationUnreachable
		if p.ICMPCode == 4 {
			p.Kind = PacketTooBig
			if len(b) >= 8 {
				p.MTU = int(be.Uint16(b[6:])) // RFC 1191, section 4
			}
		}
	case 5:
		p.Kind = Redirect
	case 11:
		p.Kind = TimeExceeded
	case 12:
		p.Kind = ParameterProblem
	}
}

func (p *Packet) decodeEcho(b []byte) {
	if len(b) >= 6 {
		p.ICMPID = be.Uint16(b[4:])
	}
	if len(b) >= 8 {
		p.ICMPSeq = be.Uint16(b[6:])
	}
}

// decodeICMPv6 decodes the messages of RFC 4443, RFC 4861 (neighbor discovery)
// and RFC 2710 and 3810 (multicast listeners).
func (p *Packet) decodeICMPv6(b []byte, wire int) {
	p.body(b, wire, 8)
	if len(b) < 2 {
		return
	}
	p.ICMPType, p.ICMPCode = b[0], b[1]
	switch p.ICMPType {
	case 1:
		p.Kind = DestinationUnreachable
	case 2:
		p.Kind = PacketTooBig
		if len(b) >= 8 {
			p.MTU = int(be.Uint32(b[4:]))
		}
	case 3:
		p.Kind = TimeExceeded
	case 4:
		p.Kind = ParameterProblem
	case 128:
		p.Kind = EchoRequest
		p.decodeEcho(b)
	case 129:
		p.Kind = EchoReply
		p.decodeEcho(b)
	case 130:
		p.Kind = MLDQuery
	case 131, 132, 143:
		p.Kind = MLDReport
	case 133:
		p.Kind = RouterSolicitation
		p.decodeND(b, 8)
	case 134:
		p.Kind = RouterAdvertisement
		p.decodeND(b, 16)
	case 135:
		p.Kind = NeighborSolicitation
		p.decodeND(b, 24)
	case 136:
		p.Kind = NeighborAdvertisement
		p.decodeND(b, 24)
		if len(b) >= 5 {
			p.ND.Router, p.ND.Solicited, p.ND.Override = b[4]&0x80 != 0, b[4]&0x40 != 0, b[4]&0x20 != 0
		}
	case 137:
		p.Kind = Redirect
		p.decodeND(b, 40)
	}
}

// decodeND decodes a neighbor discovery message whose options start after
// header bytes.
func (p *Packet) decodeND(b []byte, header int) {
	p.ND = &ND{}
	if header >= 24 && len(b) >= 24 {
		p.ND.Target = netip.AddrFrom16([16]byte(b[8:24]))
	}
	options(b[min(header, len(b)):], func(kind byte, body []byte) {
		if (kind == 1 || kind == 2) && len(body) >= 6 && p.ND.LinkLayer == nil {
			p.ND.LinkLayer = net.HardwareAddr(body[:6:6])
		}
	})
}

// options calls f for each neighbor discovery option (RFC 4861, section 4.6)
// that is there whole, and for the last one if it is cut; body is what follows
// its type and length.
func options(b []byte, f func(kind byte, body []byte)) {
	for len(b) >= 2 && b[1] != 0 {
		size := min(int(b[1])*8, len(b))
		f(b[0], b[2:size])
		b = b[size:]
	}
}
