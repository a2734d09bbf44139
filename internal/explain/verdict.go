package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netrig/netrig/capture"
)

// End is one phrase for how a packet ended.
type End string

// The ends that a packet can have.
const (
	NoRoute         End = "no route"
	NotForwarded    End = "not forwarded"
	NeighborMissing End = "neighbour unreachable"
	LinkDown        End = "link down"
	BlockedInBridge End = "blocked in bridge"
	FilteredIn      End = "filtered in"
	FilteredOut     End = "filtered out"
	NullRouted      End = "null routed"
	TooBig          End = "too big"
	TTLExceeded     End = "TTL exceeded"
	Loop            End = "loop"
	WrongHost       End = "wrong host"
	Refused         End = "refused"
	DroppedByStack  End = "dropped by the stack"
	Accepted        End = "accepted"
)

// Verdict is what became of the packet that died.
type Verdict struct {
	Packet string // what it was: "echo request", "ARP reply", ...
	End    End
	Detail string // of the end: the hook, or the kernel's reason; may be empty
	Node   string // where it ended
	// Seen is the last sighting of the packet, nil where it was never seen.
	Seen *capture.Packet
	// Before is, of a packet that was never seen, the last sighting of the one
	// that called for it; nil for none.
	Before *capture.Packet
	// Cause says why, in the words of the kernel's own state; the first line is
	// the reason, the others what goes with it.
	Cause []string
	// Reasons are what else the kernel says of the place.
	Reasons []string
}

// most is how many lines an explanation has at most, the story aside.
const most = 20

// Lines are the verdict's lines: what died, why, and what the kernel says;
// twenty at most.
func (v Verdict) Lines() []string {
	lines := v.all()
	if len(lines) > most {
		lines = append(lines[:most-1:most-1], fmt.Sprintf("and %d lines more, in explain.txt", len(lines)-most+1))
	}
	return lines
}

// All is every line.
func (v Verdict) All() string { return strings.Join(v.all(), "\n") }

func (v Verdict) all() []string {
	end := string(v.End)
	if v.Detail != "" {
		end += " (" + v.Detail + ")"
	}
	first := fmt.Sprintf("the %s ended in %s: %s; ", v.Packet, v.Node, end)
	switch {
	case v.Seen != nil:
		first += LastSeen(v.Seen)
	case v.Before != nil:
		first += fmt.Sprintf("it never left %s, where the %s was %s", v.Node, name(v.Before), LastSeen(v.Before))
	default:
		first += "it never left " + v.Node
	}
	lines := []string{first}
	for _, text := range slices.Concat(v.Cause, v.Reasons) {
		if !slices.Contains(lines, text) {
			lines = append(lines, text)
		}
	}
	return lines
}

// LastSeen says where a packet was seen last. What came in and never went out
// again ended behind that interface, not on the next cable.
func LastSeen(p *capture.Packet) string {
	way := "leaving"
	if p.Direction == capture.In {
		way = "entering"
	}
	if p.TTL == 0 {
		return fmt.Sprintf("last seen %s %s", way, p.Where())
	}
	return fmt.Sprintf("last seen %s %s (ttl %d)", way, p.Where(), p.TTL)
}

// name is what a packet is called in a sentence.
func name(p *capture.Packet) string {
	switch p.Kind {
	case capture.ARPRequest:
		return "ARP request"
	case capture.ARPReply:
		return "ARP reply"
	case capture.TCP:
		switch f := p.TCPFlags; {
		case f&capture.RST != 0:
			return "TCP reset"
		case f&(capture.SYN|capture.ACK) == capture.SYN|capture.ACK:
			return "TCP SYN-ACK"
		case f&capture.SYN != 0:
			return "TCP SYN"
		}
		return "TCP segment"
	case capture.UDP:
		return "UDP datagram"
	case capture.NeighborSolicitation:
		return "neighbour solicitation"
	case capture.NeighborAdvertisement:
		return "neighbour advertisement"
	case capture.DestinationUnreachable, capture.TimeExceeded, capture.PacketTooBig, capture.ParameterProblem:
		return "ICMP error (" + string(p.Kind) + ")"
	}
	return string(p.Kind)
}
