package firewall

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Family is the address family that a rule is about. The zero value is not a
// family: every rule names its own.
type Family uint8

// The two families. Their numbers are the IP versions.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

func (f Family) String() string {
	switch f {
	case IPv4:
		return "IPv4"
	case IPv6:
		return "IPv6"
	}
	return fmt.Sprintf("Family(%d)", uint8(f))
}

// Hook is the place on a packet's way through a node where a rule looks at it.
type Hook uint8

// The hooks of the IP families, in the order of `enum nf_inet_hooks` in
// linux/netfilter.h.
const (
	Prerouting  Hook = iota + 1 // every packet that comes in, before routing
	Input                       // packets for this node itself
	Forward                     // packets passing through
	Output                      // packets that this node sends
	Postrouting                 // every packet that goes out, after routing
)

var hookNames = [...]string{Prerouting: "PREROUTING", Input: "INPUT", Forward: "FORWARD", Output: "OUTPUT", Postrouting: "POSTROUTING"}

// String is the name of the iptables chain: PREROUTING, INPUT, FORWARD, OUTPUT
// or POSTROUTING.
func (h Hook) String() string {
	if h.valid() {
		return hookNames[h]
	}
	return fmt.Sprintf("Hook(%d)", uint8(h))
}

func (h Hook) valid() bool { return h >= Prerouting && h <= Postrouting }

// number is the kernel's NF_INET_… number of the hook.
func (h Hook) number() uint32 { return uint32(h-Prerouting) + unix.NF_INET_PRE_ROUTING }

// Verdict is what happens to a packet that a rule matches.
type Verdict uint8

// The verdicts. The NAT verdicts see the first packet of a flow only: their
// counters count flows, and a rule that is added or removed leaves established
// flows as they were for as long as connection tracking stays on.
const (
	Count      Verdict = iota // nothing: the packet is counted and goes on to the next rule
	Accept                    // the packet passes this chain
	Drop                      // the packet is gone, silently
	Reject                    // the packet is gone, and its sender is told (RejectWith)
	Masquerade                // the source becomes the address of the outgoing interface
	SNAT                      // the source becomes To (and ToPort)
	DNAT                      // the destination becomes To (and ToPort)
	Redirect                  // the destination becomes this node itself (and ToPort)
	NoTrack                   // connection tracking, and thereby NAT, leaves the packet alone
)

var verdictNames = [...]string{
	Count: "Count", Accept: "Accept", Drop: "Drop", Reject: "Reject", Masquerade: "Masquerade",
	SNAT: "SNAT", DNAT: "DNAT", Redirect: "Redirect", NoTrack: "NoTrack",
}

func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

func (v Verdict) nat() bool { return v >= Masquerade && v <= Redirect }

// RejectWith is what the sender of a rejected packet is told.
type RejectWith uint8

// The answers, with the ICMP code (RFC 792, RFC 1812) and the ICMPv6 code (RFC
// 4443) of each and the error that a Linux client's connect then returns.
const (
	PortUnreachable RejectWith = iota // 3/3 or 1/4: ECONNREFUSED
	HostUnreachable                   // 3/1 or 1/3: EHOSTUNREACH
	NetUnreachable                    // 3/0 or 1/0: ENETUNREACH
	AdminProhibited                   // 3/13 or 1/1: EHOSTUNREACH over IPv4, EACCES over IPv6
	TCPReset                          // a TCP RST: ECONNREFUSED; for Protocol "tcp" only
)

// rejectAs has the codes and the iptables names of the answers.
var rejectAs = [...]struct {
	code4, code6 uint8
	name4, name6 string
}{
	PortUnreachable: {3, 4, "icmp-port-unreachable", "icmp6-port-unreachable"},
	HostUnreachable: {1, 3, "icmp-host-unreachable", "icmp6-addr-unreachable"},
	NetUnreachable:  {0, 0, "icmp-net-unreachable", "icmp6-no-route"},
	AdminProhibited: {13, 1, "icmp-admin-prohibited", "icmp6-adm-prohibited"},
	TCPReset:        {0, 0, "tcp-reset", "tcp-reset"},
}

func (w RejectWith) valid() bool { return int(w) < len(rejectAs) }

// name is the argument of iptables' --reject-with.
func (w RejectWith) name(f Family) string {
	if !w.valid() {
		return fmt.Sprintf("RejectWith(%d)", uint8(w))
	}
	if f == IPv6 {
		return rejectAs[w].name6
	}
	return rejectAs[w].name4
}

func (w RejectWith) code(f Family) uint8 {
	if f == IPv6 {
		return rejectAs[w].code6
	}
	return rejectAs[w].code4
}
