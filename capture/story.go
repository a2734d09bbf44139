package capture

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// String is the packet's line in a story without its time, as in
// "router:veth1  <  ARP who has 192.168.0.1, tell 192.168.0.2".
func (p *Packet) String() string {
	return fmt.Sprintf("%s  %s  %s", p.Where(), p.Direction.arrow(), p.Summary(Names{}))
}

// Summary says what the packet is, without where and when it was seen, as in
// "ARP who has ns1 (192.168.0.1), tell ns0 (192.168.0.2)".
func (p *Packet) Summary(n Names) string {
	var b strings.Builder
	if p.VLAN != 0 {
		fmt.Fprintf(&b, "vlan %d ", p.VLAN)
	}
	switch {
	case p.ARP != nil:
		b.WriteString(p.ARP.text(n))
	case !p.Src.IsValid():
		if p.SrcMAC == nil {
			fmt.Fprintf(&b, "%d bytes", p.Length)
			break
		}
		fmt.Fprintf(&b, "%s > %s  ", n.OfMAC(p.SrcMAC), n.OfMAC(p.DstMAC))
		if p.EtherType >= 0x600 {
			fmt.Fprintf(&b, "ethertype 0x%04x, ", p.EtherType)
		} // else it is the length of an IEEE 802.3 frame
		fmt.Fprintf(&b, "%d bytes", p.Length)
	default:
		fmt.Fprintf(&b, "%s > %s  %s", n.named(p.Src, p.end(p.Src, p.SrcPort)), n.named(p.Dst, p.end(p.Dst, p.DstPort)), p.words(n))
		fmt.Fprintf(&b, "  ttl %d", p.TTL)
		if quoted, ok := p.Quoted(); ok {
			fmt.Fprintf(&b, "  about (%s)", quoted.Summary(n))
		}
		if inner, ok := p.Inner(); ok {
			fmt.Fprintf(&b, "  carrying (%s)", inner.Summary(n))
		}
	}
	if p.Cut() && !p.quoted {
		fmt.Fprintf(&b, "  (%d bytes, of which %d were kept)", p.Length, len(p.Data))
	}
	return b.String()
}

// end is an address, with the port if the packet has one.
func (p *Packet) end(addr netip.Addr, port uint16) string {
	if p.Kind == TCP || p.Kind == UDP {
		return netip.AddrPortFrom(addr, port).String()
	}
	return addr.String()
}

// words says what the IP packet carries.
func (p *Packet) words(n Names) string {
	text := string(p.Kind)
	switch p.Kind {
	case TCP:
		text = fmt.Sprintf("TCP %s seq %d", p.TCPFlags, p.Seq)
		if p.TCPFlags&ACK != 0 {
			text += fmt.Sprintf(" ack %d", p.Ack)
		}
		if p.size > 0 {
			text += fmt.Sprintf(", %d bytes", p.size)
		}
	case UDP:
		text = fmt.Sprintf("UDP %d bytes", p.size)
		if p.tunnelled() {
			text = fmt.Sprintf("VXLAN %d, %d bytes", p.VNI, p.size)
		}
	case EchoRequest, EchoReply:
		text += fmt.Sprintf(" id %d seq %d", p.ICMPID, p.ICMPSeq)
	case DestinationUnreachable, TimeExceeded, ParameterProblem:
		text += " (" + p.reason() + ")"
	case PacketTooBig:
		text += fmt.Sprintf(" (mtu %d)", p.MTU)
	case NeighborSolicitation:
		text += fmt.Sprintf(" who has %s", n.Of(p.ND.Target))
	case NeighborAdvertisement:
		text += fmt.Sprintf(" %s is at %s", n.Of(p.ND.Target), n.OfMAC(p.ND.LinkLayer))
	case Other, IPFragment:
		text = fmt.Sprintf("protocol %d, %d bytes", p.Protocol, p.size)
	}
	if p.Fragment.Is() {
		text += fmt.Sprintf(", fragment of %d at %d", p.IPID, p.Fragment.Offset)
		if !p.Fragment.More {
			text += " (the last)"
		}
	}
	return text
}

// String is as in "ARP who has 192.168.0.1, tell 192.168.0.2".
func (a *ARP) String() string { return a.text(Names{}) }

func (a *ARP) text(n Names) string {
	switch a.Op {
	case 1:
		if a.SenderIP == a.TargetIP {
			return fmt.Sprintf("ARP announcement: %s is at %s", n.Of(a.SenderIP), n.OfMAC(a.SenderMAC))
		}
		return fmt.Sprintf("ARP who has %s, tell %s", n.Of(a.TargetIP), n.Of(a.SenderIP))
	case 2:
		return fmt.Sprintf("ARP %s is at %s", n.Of(a.SenderIP), n.OfMAC(a.SenderMAC))
	}
	return fmt.Sprintf("ARP operation %d, sender %s, target %s", a.Op, n.Of(a.SenderIP), n.Of(a.TargetIP))
}

// Reason says in words why an ICMP error was sent, as "host unreachable"; "" for
// packets that are none.
func (p *Packet) Reason() string {
	switch p.Kind {
	case DestinationUnreachable, TimeExceeded, ParameterProblem:
		return p.reason()
	}
	return ""
}

// reason puts the code of an ICMP error in words (the IANA registries of ICMP
// and ICMPv6 parameters).
func (p *Packet) reason() string {
	reasons := icmpReasons
	if p.EtherType == unix.ETH_P_IPV6 {
		reasons = icmpv6Reasons
	}
	if text, ok := reasons[[2]uint8{p.ICMPType, p.ICMPCode}]; ok {
		return text
	}
	return fmt.Sprintf("code %d", p.ICMPCode)
}

var icmpReasons = map[[2]uint8]string{
	{3, 0}:  "network unreachable",
	{3, 1}:  "host unreachable",
	{3, 2}:  "protocol unreachable",
	{3, 3}:  "port unreachable",
	{3, 5}:  "source route failed",
	{3, 6}:  "network unknown",
	{3, 7}:  "host unknown",
	{3, 9}:  "network prohibited",
	{3, 10}: "host prohibited",
	{3, 13}: "administratively prohibited",
	{11, 0}: "in transit",
	{11, 1}: "reassembly",
	{12, 0}: "bad header",
}

var icmpv6Reasons = map[[2]uint8]string{
	{1, 0}: "no route",
	{1, 1}: "administratively prohibited",
	{1, 2}: "beyond the scope of the source address",
	{1, 3}: "address unreachable",
	{1, 4}: "port unreachable",
	{1, 5}: "source address failed policy",
	{1, 6}: "reject route",
	{3, 0}: "in transit",
	{3, 1}: "reassembly",
	{4, 0}: "bad header field",
	{4, 1}: "next header not known",
	{4, 2}: "option not known",
}
