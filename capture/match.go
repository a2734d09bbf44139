package capture

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strings"
)

// Match says which packets are wanted. A field that is not set matches
// anything; fields whose zero is a value that one may look for are pointers
// (`ICMPCode: new(uint8(0))`).
type Match struct {
	Node, Interface  string
	Direction        Direction
	Kind             Kind
	SrcMAC, DstMAC   net.HardwareAddr
	EtherType        uint16
	VLAN             uint16
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	Protocol         uint8
	TTL              int
	Fragment         *Fragment // exactly this one; &Fragment{} is a packet that is no fragment and may be cut
	Length           int       // of the whole frame, Ethernet header included, in bytes
	TCPFlags         TCPFlags  // exactly these
	ICMPType         *uint8
	ICMPCode         *uint8
	ICMPID           *uint16
	ICMPSeq          *uint16
	MTU              int // of a too-big error
	VNI              *uint32
	ARPSenderIP      netip.Addr
	ARPTargetIP      netip.Addr
	NDTarget         netip.Addr
	Payload          []byte             // contained in the packet's payload
	Inner            *Match             // the frame that a packet of VXLAN carries
	Func             func(*Packet) bool // anything else
}

// Matches tells whether the packet is wanted.
func (m Match) Matches(p *Packet) bool {
	matches := true
	m.compare(p, func(string, any, any) bool {
		matches = false
		return false
	})
	return matches
}

// Diff tells in which fields the packet is not what is wanted, one text for
// each, as in "ttl 63, want 64". It is empty if the packet matches.
func (m Match) Diff(p *Packet) []string {
	var diff []string
	m.compare(p, func(field string, got, want any) bool {
		switch field {
		case "payload":
			diff = append(diff, fmt.Sprintf("payload %s, want it to contain %s", excerpt(got.([]byte)), excerpt(want.([]byte))))
		case "inner":
			diff = append(diff, innerDiff(got.(*Packet), want.(*Match)))
		case "func":
			diff = append(diff, "the match's Func says no")
		default:
			diff = append(diff, fmt.Sprintf("%s %s, want %s", field, show(got), show(want)))
		}
		return true
	})
	return diff
}

// String lists the fields that are set, as in "echo request, dst 192.168.1.2,
// ttl 64".
func (m Match) String() string {
	var set []string
	m.fields(nil, func(field string, _, want any) bool {
		switch field {
		case "kind":
			set = append(set, show(want))
		case "payload":
			set = append(set, "payload containing "+excerpt(want.([]byte)))
		case "inner":
			set = append(set, "carrying ("+want.(*Match).String()+")")
		case "func":
			set = append(set, "a Func")
		default:
			set = append(set, field+" "+show(want))
		}
		return true
	})
	if set == nil {
		return "any packet"
	}
	return strings.Join(set, ", ")
}

// compare calls miss for each field that is set and differs, until miss says
// false.
func (m Match) compare(p *Packet, miss func(field string, got, want any) bool) {
	m.fields(p, func(field string, got, want any) bool {
		switch want := want.(type) {
		case net.HardwareAddr:
			if bytes.Equal(got.(net.HardwareAddr), want) {
				return true
			}
		case []byte:
			if bytes.Contains(got.([]byte), want) {
				return true
			}
		case *Match:
			if inner := got.(*Packet); inner != nil && want.Matches(inner) {
				return true
			}
		case func(*Packet) bool:
			if want(p) {
				return true
			}
		default:
			if got == want {
				return true
			}
		}
		return miss(field, got, want)
	})
}

// fields calls f for each field that is set, in the order of the layers, with
// the value that the packet has there (none if p is nil), until f says false.
func (m Match) fields(p *Packet, f func(field string, got, want any) bool) {
	if p == nil {
		p = &Packet{}
	}
	arp, nd := p.ARP, p.ND
	if arp == nil {
		arp = &ARP{}
	}
	if nd == nil {
		nd = &ND{}
	}
	switch {
	case m.Kind != "" && !f("kind", p.Kind, m.Kind):
	case m.Node != "" && !f("node", p.Node, m.Node):
	case m.Interface != "" && !f("interface", p.Interface, m.Interface):
	case m.Direction != AnyDirection && !f("direction", p.Direction, m.Direction):
	case m.SrcMAC != nil && !f("source MAC", p.SrcMAC, m.SrcMAC):
	case m.DstMAC != nil && !f("destination MAC", p.DstMAC, m.DstMAC):
	case m.EtherType != 0 && !f("ethertype", hex16(p.EtherType), hex16(m.EtherType)):
	case m.VLAN != 0 && !f("vlan", p.VLAN, m.VLAN):
	case m.Src.IsValid() && !f("src", p.Src, m.Src):
	case m.Dst.IsValid() && !f("dst", p.Dst, m.Dst):
	case m.Protocol != 0 && !f("protocol", p.Protocol, m.Protocol):
	case m.TTL != 0 && !f("ttl", p.TTL, m.TTL):
	case m.Fragment != nil && !f("fragment", p.Fragment, *m.Fragment):
	case m.SrcPort != 0 && !f("source port", p.SrcPort, m.SrcPort):
	case m.DstPort != 0 && !f("destination port", p.DstPort, m.DstPort):
	case m.TCPFlags != 0 && !f("flags", p.TCPFlags, m.TCPFlags):
	case m.ICMPType != nil && !f("icmp type", p.ICMPType, *m.ICMPType):
	case m.ICMPCode != nil && !f("icmp code", p.ICMPCode, *m.ICMPCode):
	case m.ICMPID != nil && !f("id", p.ICMPID, *m.ICMPID):
	case m.ICMPSeq != nil && !f("seq", p.ICMPSeq, *m.ICMPSeq):
	case m.MTU != 0 && !f("mtu", p.MTU, m.MTU):
	case m.VNI != nil && !f("vni", p.VNI, *m.VNI):
	case m.ARPSenderIP.IsValid() && !f("arp sender", arp.SenderIP, m.ARPSenderIP):
	case m.ARPTargetIP.IsValid() && !f("arp target", arp.TargetIP, m.ARPTargetIP):
	case m.NDTarget.IsValid() && !f("nd target", nd.Target, m.NDTarget):
	case m.Length != 0 && !f("length", p.Length, m.Length):
	case m.Payload != nil && !f("payload", p.Payload, m.Payload):
	case m.Inner != nil && !f("inner", p.inner(), m.Inner):
	case m.Func != nil && !f("func", nil, m.Func):
	}
}

// inner is the frame that a packet of VXLAN carries, nil for others.
func (p *Packet) inner() *Packet {
	inner, _ := p.Inner()
	return inner
}

func innerDiff(got *Packet, want *Match) string {
	if got == nil {
		return "it carries no frame, want one: " + want.String()
	}
	return "of what it carries: " + strings.Join(want.Diff(got), ", ")
}

// hex16 is a number that is written in hexadecimal.
type hex16 uint16

func (h hex16) String() string { return fmt.Sprintf("0x%04x", uint16(h)) }

// show writes a value, "none" for one that the packet does not have.
func show(v any) string {
	switch v := v.(type) {
	case netip.Addr:
		if !v.IsValid() {
			return "none"
		}
	case Kind, string, net.HardwareAddr:
		if reflect.ValueOf(v).Len() == 0 {
			return "none"
		}
	}
	return fmt.Sprint(v)
}

// excerpt shows the beginning of a payload: as text if it is some.
func excerpt(b []byte) string {
	const most = 32
	more := ""
	if len(b) > most {
		b, more = b[:most], "..."
	}
	for _, c := range b {
		if c < ' ' || c > '~' {
			return fmt.Sprintf("% x%s", b, more)
		}
	}
	return fmt.Sprintf("%q%s", b, more)
}
