package firewall

import (
	"net/netip"
	"strconv"
	"strings"
)

// Rule is one rule, the same for every backend. A field that is not set
// matches every packet.
type Rule struct {
	Family  Family
	Hook    Hook
	Verdict Verdict // unset: the rule only counts

	Source         netip.Prefix
	Destination    netip.Prefix
	NotSource      bool // Source must not match
	NotDestination bool // Destination must not match

	// In and Out are the names of the interfaces that the packet comes in by
	// and goes out by. A "+" at the end stands for any rest, as in iptables.
	In, Out       string
	NotIn, NotOut bool // the interface must not be In, or Out

	Protocol        string // "tcp", "udp", "sctp", "icmp", "icmpv6", "esp" or "ah"
	SourcePort      uint16 // with tcp, udp or sctp
	DestinationPort uint16 // with tcp, udp or sctp
	ICMPType        *uint8 // with icmp or icmpv6; see Type

	// States are those of connection tracking: "new", "established",
	// "related", "invalid", "untracked". One of them must match.
	States []string

	To     netip.Addr // the new address of SNAT and DNAT
	ToPort uint16     // the new port of SNAT, DNAT and Redirect; 0 leaves the port alone

	RejectWith RejectWith // the answer of Reject
}

// Type is for Rule.ICMPType: an ICMP or ICMPv6 type number, such as 8 or 128
// for an echo request.
func Type(number uint8) *uint8 { return &number }

// The tables that the rules of the different kinds live in, by their iptables
// names.
const (
	tableRaw    = "raw"
	tableMangle = "mangle"
	tableNAT    = "nat"
	tableFilter = "filter"
)

// Table is the iptables table of the rule: nat for NAT, raw for NoTrack, else
// filter, except at PREROUTING and POSTROUTING, where iptables has no filter
// table and mangle does its work.
func (r Rule) Table() string {
	switch {
	case r.Verdict.nat():
		return tableNAT
	case r.Verdict == NoTrack:
		return tableRaw
	case r.Hook == Prerouting, r.Hook == Postrouting:
		return tableMangle
	}
	return tableFilter
}

// protocols are the protocols that a rule can name, by their numbers (IANA
// "Assigned Internet Protocol Numbers"). iptables knows all of them without
// the file /etc/protocols.
var protocols = map[string]uint8{"icmp": 1, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "icmpv6": 58, "sctp": 132}

// states are those of connection tracking, in the order in which iptables
// prints them, with their bits (NF_CT_STATE_BIT in
// linux/netfilter/nf_conntrack_common.h).
var states = []struct {
	name string
	bit  uint32
}{{"invalid", 1 << 0}, {"new", 1 << 3}, {"related", 1 << 2}, {"established", 1 << 1}, {"untracked", 1 << 6}}

// String is the rule as a person would type it after `iptables` or
// `ip6tables`, in the form and order in which iptables-save prints it:
//
//	-t nat -A POSTROUTING -s 192.168.1.0/24 -o eth0 -j MASQUERADE
func (r Rule) String() string {
	return "-t " + r.Table() + " -A " + r.Hook.String() + r.spec()
}

// spec is what follows the name of the chain.
func (r Rule) spec() string {
	var b strings.Builder
	option := func(not bool, words ...string) {
		if not {
			b.WriteString(" !")
		}
		for _, word := range words {
			b.WriteByte(' ')
			b.WriteString(word)
		}
	}
	if matchesSome(r.Source) {
		option(r.NotSource, "-s", r.Source.Masked().String())
	}
	if matchesSome(r.Destination) {
		option(r.NotDestination, "-d", r.Destination.Masked().String())
	}
	if r.In != "" {
		option(r.NotIn, "-i", r.In)
	}
	if r.Out != "" {
		option(r.NotOut, "-o", r.Out)
	}
	if r.Protocol != "" {
		option(false, "-p", protocolWord(r.Protocol))
	}
	switch {
	case r.SourcePort != 0 || r.DestinationPort != 0:
		option(false, "-m", r.Protocol)
		if r.SourcePort != 0 {
			option(false, "--sport", number(r.SourcePort))
		}
		if r.DestinationPort != 0 {
			option(false, "--dport", number(r.DestinationPort))
		}
	case r.ICMPType != nil && r.Family == IPv6:
		option(false, "-m", "icmp6", "--icmpv6-type", number(uint16(*r.ICMPType)))
	case r.ICMPType != nil:
		option(false, "-m", "icmp", "--icmp-type", number(uint16(*r.ICMPType)))
	}
	if len(r.States) > 0 {
		option(false, "-m", "conntrack", "--ctstate", r.stateList())
	}
	r.target(option)
	return b.String()
}

func (r Rule) target(option func(not bool, words ...string)) {
	switch r.Verdict {
	case Count:
	case Accept, Drop:
		option(false, "-j", strings.ToUpper(r.Verdict.String()))
	case Reject:
		option(false, "-j", "REJECT", "--reject-with", r.RejectWith.name(r.Family))
	case Masquerade:
		option(false, "-j", "MASQUERADE")
	case SNAT:
		option(false, "-j", "SNAT", "--to-source", r.toWord())
	case DNAT:
		option(false, "-j", "DNAT", "--to-destination", r.toWord())
	case Redirect:
		option(false, "-j", "REDIRECT")
		if r.ToPort != 0 {
			option(false, "--to-ports", number(r.ToPort))
		}
	case NoTrack:
		option(false, "-j", "CT", "--notrack")
	default:
		option(false, "-j", r.Verdict.String())
	}
}

func (r Rule) toWord() string {
	if r.ToPort == 0 {
		return r.To.String()
	}
	return netip.AddrPortFrom(r.To, r.ToPort).String()
}

// stateList is the States in the order of iptables.
func (r Rule) stateList() string {
	var words []string
	bits, unknown := r.stateBits()
	for _, s := range states {
		if bits&s.bit != 0 {
			words = append(words, strings.ToUpper(s.name))
		}
	}
	return strings.Join(append(words, unknown...), ",")
}

// stateBits is the States as a set of bits, and those that do not exist.
func (r Rule) stateBits() (bits uint32, unknown []string) {
next:
	for _, name := range r.States {
		for _, s := range states {
			if s.name == name {
				bits |= s.bit
				continue next
			}
		}
		unknown = append(unknown, name)
	}
	return bits, unknown
}

// matchesSome is false for prefixes that are not set or hold every address;
// iptables drops the latter from what it prints.
func matchesSome(p netip.Prefix) bool { return p.IsValid() && p.Bits() > 0 }

// protocolWord is the name by which ip6tables-save prints ICMPv6, by which both
// programs know it.
func protocolWord(name string) string {
	if name == "icmpv6" {
		return "ipv6-icmp"
	}
	return name
}

func number(n uint16) string { return strconv.Itoa(int(n)) }
