package capture

import "strings"

// Kind says in words what a packet is. The empty Kind means "any" in a
// [Match].
type Kind string

// The kinds that [Packet.Kind] can have.
const (
	ARPRequest             Kind = "arp request"
	ARPReply               Kind = "arp reply"
	EchoRequest            Kind = "echo request"            // ICMP type 8, ICMPv6 type 128
	EchoReply              Kind = "echo reply"              // ICMP type 0, ICMPv6 type 129
	DestinationUnreachable Kind = "destination unreachable" // ICMP type 3 except code 4, ICMPv6 type 1
	TimeExceeded           Kind = "time exceeded"           // ICMP type 11, ICMPv6 type 3
	PacketTooBig           Kind = "packet too big"          // ICMP type 3 code 4 (RFC 1191), ICMPv6 type 2
	ParameterProblem       Kind = "parameter problem"       // ICMP type 12, ICMPv6 type 4
	Redirect               Kind = "redirect"                // ICMP type 5, ICMPv6 type 137
	NeighborSolicitation   Kind = "neighbor solicitation"
	NeighborAdvertisement  Kind = "neighbor advertisement"
	RouterSolicitation     Kind = "router solicitation"
	RouterAdvertisement    Kind = "router advertisement"
	MLDQuery               Kind = "mld query"
	MLDReport              Kind = "mld report" // reports and "done" of MLDv1 and MLDv2
	IGMP                   Kind = "igmp"
	TCP                    Kind = "tcp"
	UDP                    Kind = "udp"
	IPFragment             Kind = "fragment" // any fragment but the first, which is of the kind that its header says
	Other                  Kind = "other"
)

// Direction of a packet, seen from the node that it was recorded at.
type Direction uint8

// In is a packet that the interface received, Out one that it sent.
const (
	AnyDirection Direction = iota // in a [Match] only
	In
	Out
)

// String is "in", "out" or "any".
func (d Direction) String() string {
	switch d {
	case In:
		return "in"
	case Out:
		return "out"
	}
	return "any"
}

// arrow is the direction's sign in a story.
func (d Direction) arrow() string {
	if d == Out {
		return ">"
	}
	return "<"
}

// TCPFlags are the control bits of a TCP header (RFC 9293, section 3.1).
type TCPFlags uint8

// The TCP flags, as they stand in the header.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// String names the flags that are set, as in "SYN|ACK"; "none" if there are
// none.
func (f TCPFlags) String() string {
	if f == 0 {
		return "none"
	}
	var set []string
	for i, name := range [...]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"} {
		if f&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, "|")
}
