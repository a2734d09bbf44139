package capture

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// BadChecksums names the checksums that are wrong, as in "ipv4 header
// checksum 0x1234, want 0x5678". It is empty if none is.
//
// Not judged is what can't be: a checksum that the kernel has left for the
// device to finish (CHECKSUM_PARTIAL, which packets over veth keep to the end;
// the kernel says so with TP_STATUS_CSUMNOTREADY in PACKET_AUXDATA), fragments,
// and frames of which the recording holds the beginning only.
func (p *Packet) BadChecksums() []string {
	var bad []string
	if p.quoted || p.transport == 0 || p.transport > len(p.Data) {
		return nil
	}
	headers := p.Data[p.network:p.transport]
	if p.EtherType == unix.ETH_P_IP && sum(0, headers) != 0xffff {
		bad = append(bad, badChecksum("ipv4 header", headers, 10, 0))
	}
	if p.unfinished || p.Fragment.Is() {
		return bad
	}
	name, at := "", 0
	switch {
	case p.Kind == TCP:
		name, at = "tcp", 16
	case p.Kind == UDP:
		name, at = "udp", 6
	case p.Protocol == unix.IPPROTO_ICMP && p.EtherType == unix.ETH_P_IP:
		name, at = "icmp", 2
	case p.Protocol == unix.IPPROTO_ICMPV6 && p.EtherType == unix.ETH_P_IPV6:
		name, at = "icmpv6", 2
	default:
		return bad
	}
	segment, whole := p.segment()
	if !whole || len(segment) < at+2 {
		return bad
	}
	if name == "udp" && p.EtherType == unix.ETH_P_IP && be.Uint16(segment[at:]) == 0 {
		return bad // RFC 768: no checksum was made
	}
	var pseudo uint32
	if name != "icmp" {
		pseudo = p.pseudoHeader(len(segment))
	}
	if sum(pseudo, segment) != 0xffff {
		bad = append(bad, badChecksum(name, segment, at, pseudo))
	}
	return bad
}

// segment is what follows the IP headers, without Ethernet's padding, and
// whether all of it was recorded.
func (p *Packet) segment() ([]byte, bool) {
	end := p.Length
	ip := p.Data[p.network:]
	if p.EtherType == unix.ETH_P_IP {
		if total := int(be.Uint16(ip[2:])); total != 0 {
			end = min(end, p.network+total)
		}
	} else if length := int(be.Uint16(ip[4:])); length != 0 {
		end = min(end, p.network+40+length)
	}
	if end > len(p.Data) || end < p.transport {
		return nil, false
	}
	return p.Data[p.transport:end], true
}

// pseudoHeader is the sum over the pseudo header (RFC 9293, section 3.1, and
// RFC 8200, section 8.1). The destination is the header's: packets with a
// routing header, whose checksum is over the final one, are rare enough.
func (p *Packet) pseudoHeader(length int) uint32 {
	s := sum(0, p.Src.AsSlice()) + sum(0, p.Dst.AsSlice())
	return s + uint32(p.Protocol) + uint32(length>>16) + uint32(length&0xffff)
}

func badChecksum(name string, b []byte, at int, pseudo uint32) string {
	got := be.Uint16(b[at:])
	rest := sum(pseudo, b[:at])
	rest = sum(rest, b[at+2:])
	return fmt.Sprintf("%s checksum 0x%04x, want 0x%04x", name, got, ^uint16(rest))
}

// sum adds up 16-bit words in ones' complement (RFC 1071), on top of start.
func sum(start uint32, b []byte) uint32 {
	s := start
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(be.Uint16(b))
		s = s&0xffff + s>>16
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s&0xffff + s>>16
	}
	return s
}
