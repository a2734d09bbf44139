package assert

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"golang.org/x/sys/unix"
)

// Cause is why something is unreachable. Unset fields mean any.
type Cause struct {
	// Kind is one of those of the causes below.
	Kind string
	// From is who said so: an address, the name of a node, or "local" for an
	// error that the sender's own kernel returned without a packet.
	From string
	// MTU is the size, in bytes, that a "too big" allows.
	MTU int
}

// The causes, each distinct from the others.
var (
	// Reached is no cause at all: the wish of a Matrix for a pair that talks.
	Reached = Cause{Kind: "reached"}
	// NoRoute: the sender has no route (ENETUNREACH; of IPv6, without any address
	// to send from, EADDRNOTAVAIL); nothing is sent.
	NoRoute = Cause{Kind: "no route"}
	// NetUnreachable: a router has no route (ICMP 3/0, ICMPv6 1/0).
	NetUnreachable = Cause{Kind: "network unreachable"}
	// HostUnreachable: nobody answers for the address on the last link (ICMP
	// 3/1, ICMPv6 1/3), from a router or from the sender itself; or a route of
	// the sender says unreachable (EHOSTUNREACH).
	HostUnreachable = Cause{Kind: "host unreachable"}
	// PortUnreachable: nobody listens (ICMP 3/3, ICMPv6 1/4).
	PortUnreachable = Cause{Kind: "port unreachable"}
	// ProtocolUnreachable: the target does not know the protocol (ICMP 3/2).
	ProtocolUnreachable = Cause{Kind: "protocol unreachable"}
	// Prohibited: a filter or a route says so (ICMP 3/9, 3/10, 3/13, ICMPv6 1/1;
	// EACCES).
	Prohibited = Cause{Kind: "administratively prohibited"}
	// TimeExceeded: the TTL or hop limit ran out (ICMP 11/0, ICMPv6 3/0).
	TimeExceeded = Cause{Kind: "time exceeded"}
	// TooBig: the packet does not fit a link on the way (ICMP 3/4, ICMPv6 2).
	TooBig = Cause{Kind: "too big"}
	// MessageTooLong: the packet does not fit the sender's own link or the path
	// as the sender knows it (EMSGSIZE); nothing is sent.
	MessageTooLong = Cause{Kind: "message too long"}
	// NotPermitted: the sender's own packet filter dropped it (EPERM).
	NotPermitted = Cause{Kind: "not permitted"}
	// NoBufferSpace: the queue of the sender's own interface took no packet
	// (ENOBUFS).
	NoBufferSpace = Cause{Kind: "no buffer space"}
	// NullRouted: a blackhole route of the sender (EINVAL).
	NullRouted = Cause{Kind: "null routed"}
	// Reset: the connection was answered with a TCP reset.
	Reset = Cause{Kind: "reset"}
	// Silence: nothing came back, and nothing will.
	Silence = Cause{Kind: "silence"}
)

// By is the cause, said by an address, by a node of that name, or by "local".
func (c Cause) By(from string) Cause { c.From = from; return c }

// String is the cause as messages write it: "host unreachable from 10.0.0.1".
func (c Cause) String() string {
	text := c.Kind
	if text == "" {
		text = "any cause"
	}
	if c.MTU != 0 {
		text += fmt.Sprintf(" (MTU %d)", c.MTU)
	}
	switch c.From {
	case "":
		return text
	case local:
		return text + ", said by the sender's own kernel"
	}
	return text + " from " + c.From
}

const local = "local"

// met tells whether what was seen is what is wanted.
func (c Cause) met(seen Cause, lab *harness.Lab) bool {
	if c.Kind != "" && c.Kind != seen.Kind || c.MTU != 0 && c.MTU != seen.MTU {
		return false
	}
	if c.From == "" || c.From == seen.From {
		return true
	}
	from, err := netip.ParseAddr(seen.From)
	return err == nil && owner(lab, from) == c.From
}

// owner is the name of the node that has the address; "" for none.
func owner(lab *harness.Lab, a netip.Addr) string {
	for _, n := range lab.All() {
		for _, i := range n.Interfaces() {
			for _, own := range i.Addresses {
				if own.Prefix.Addr() == a.WithZone("") {
					return n.Name()
				}
			}
		}
	}
	return ""
}

// causeOfErrno is what an error of a system call on the sender says.
func causeOfErrno(err error) (Cause, bool) {
	for _, known := range []struct {
		errno unix.Errno
		cause Cause
	}{
		{unix.ENETUNREACH, NoRoute}, {unix.EADDRNOTAVAIL, NoRoute}, {unix.EHOSTUNREACH, HostUnreachable}, {unix.EACCES, Prohibited},
		{unix.EMSGSIZE, MessageTooLong}, {unix.EPERM, NotPermitted}, {unix.EINVAL, NullRouted}, {unix.ENOBUFS, NoBufferSpace},
	} {
		if errors.Is(err, known.errno) {
			return known.cause.By(local), true
		}
	}
	return Cause{}, false
}

// causeOfICMP is what an ICMP (version 4) or ICMPv6 (version 6) error says:
// RFC 792, RFC 1122, RFC 1812 and RFC 4443.
func causeOfICMP(version int, kind, code uint8, from netip.Addr, mtu int) (Cause, bool) {
	c, ok := Cause{}, true
	switch {
	case version == 4 && kind == 3 && code == 4, version == 6 && kind == 2:
		c = TooBig
		c.MTU = mtu
	case version == 4 && kind == 11 && code == 0, version == 6 && kind == 3 && code == 0:
		c = TimeExceeded
	case version == 4 && kind == 3:
		c, ok = map[uint8]Cause{
			0: NetUnreachable, 1: HostUnreachable, 2: ProtocolUnreachable, 3: PortUnreachable,
			6: NetUnreachable, 7: HostUnreachable, 9: Prohibited, 10: Prohibited, 11: NetUnreachable, 12: HostUnreachable, 13: Prohibited,
		}[code], code != 5 && code != 8 && code <= 13
	case version == 6 && kind == 1:
		c, ok = map[uint8]Cause{0: NetUnreachable, 1: Prohibited, 3: HostUnreachable, 4: PortUnreachable, 5: Prohibited, 6: Prohibited}[code], code != 2 && code <= 6
	default:
		ok = false
	}
	if !ok && (version == 4 && (kind == 3 || kind == 11 || kind == 12) || version == 6 && kind < 128) {
		c, ok = Cause{Kind: fmt.Sprintf("ICMP error %d/%d", kind, code)}, true
	}
	return c.By(from.WithZone("").String()), ok
}

// causeOfPacket is what a recorded ICMP error says.
func causeOfPacket(p *capture.Packet) (Cause, bool) {
	version := 6
	if p.Src.Is4() {
		version = 4
	}
	return causeOfICMP(version, p.ICMPType, p.ICMPCode, p.Src, p.MTU)
}
