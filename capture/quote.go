package capture

import "golang.org/x/sys/unix"

// Quoted is the packet inside an ICMP error or redirect: the one that the
// message is about, as the sender of the message saw it. It is decoded as far
// as it is quoted: IPv4 routers need not send more than 8 bytes after the IP
// header (RFC 792), Linux sends up to 548 bytes in all, and 1232 of IPv6.
// The result is false if the packet is no such message or quotes less than an
// IP header.
//
// Of the quoted packet, Length is the length that its IP header tells, and
// Data begins with that header.
func (p *Packet) Quoted() (*Packet, bool) {
	quote := p.Payload
	six := p.EtherType == unix.ETH_P_IPV6
	switch p.Kind {
	case DestinationUnreachable, TimeExceeded, ParameterProblem, PacketTooBig:
		quote = quote[:min(p.quoteLength(six), len(quote))]
	case Redirect:
		if six {
			quote = redirected(quote)
		}
	default:
		return nil, false
	}
	q := &Packet{
		Node: p.Node, Interface: p.Interface, Index: p.Index, Direction: p.Direction, Time: p.Time,
		Data: quote, Length: len(quote), EtherType: p.EtherType,
		position: p.position, raw: true, quoted: true, unfinished: true,
	}
	if six {
		if len(quote) < 40 || quote[0]>>4 != 6 {
			return nil, false
		}
		q.Length = 40 + int(be.Uint16(quote[4:]))
	} else {
		if len(quote) < 20 || quote[0]>>4 != 4 {
			return nil, false
		}
		q.Length = int(be.Uint16(quote[2:]))
	}
	q.Length = max(q.Length, 0)
	q.decode()
	return q, true
}

// quoteLength is the length of the quote where extensions follow it (RFC 4884,
// section 4), else no limit.
func (p *Packet) quoteLength(six bool) int {
	header := p.Data[min(p.transport, len(p.Data)):]
	words := 0
	switch {
	case len(header) < 8:
	case six && (p.Kind == DestinationUnreachable || p.Kind == TimeExceeded):
		words = int(header[4]) * 8
	case !six && p.Kind != PacketTooBig:
		words = int(header[5]) * 4
	}
	if words == 0 {
		return len(p.Data)
	}
	return words
}

// redirected is the quote in an ICMPv6 redirect, which is an option (RFC 4861,
// section 4.6.3). payload is what follows the first 8 bytes of the message.
func redirected(payload []byte) (quote []byte) {
	options(payload[min(32, len(payload)):], func(kind byte, body []byte) {
		if kind == 4 && len(body) > 6 && quote == nil {
			quote = body[6:]
		}
	})
	return quote
}
