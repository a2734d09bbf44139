package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Validate says what is wrong with r, before anything is built of it. All that
// is wrong is in the one error.
func (r Rule) Validate() error {
	if r.Family != IPv4 && r.Family != IPv6 {
		return errors.New("a firewall rule needs its Family: IPv4 or IPv6")
	}
	if !r.Hook.valid() {
		return fmt.Errorf("a firewall rule needs its Hook, Prerouting to Postrouting; it is %s", r.Hook)
	}
	problems := slices.Concat(r.verdictProblems(), r.addressProblems(), r.interfaceProblems(), r.protocolProblems())
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("the %s rule %s can't be: %s", r.Family, r, strings.Join(problems, "; "))
}

// at are the hooks where each verdict can stand; where none are named, it can
// stand at all.
var at = map[Verdict][]Hook{
	Reject:     {Input, Forward, Output},
	Masquerade: {Postrouting},
	SNAT:       {Input, Postrouting},
	DNAT:       {Prerouting, Output},
	Redirect:   {Prerouting, Output},
	NoTrack:    {Prerouting, Output},
}

func (r Rule) verdictProblems() (problems []string) {
	say := func(format string, a ...any) { problems = append(problems, fmt.Sprintf(format, a...)) }
	if int(r.Verdict) >= len(verdictNames) {
		say("there is no %s", r.Verdict)
		return problems
	}
	if hooks := at[r.Verdict]; hooks != nil && !slices.Contains(hooks, r.Hook) {
		say("%s works at %s only, not at %s", r.Verdict, hookList(hooks), r.Hook)
	}
	if r.Verdict == SNAT || r.Verdict == DNAT {
		switch to := r.To; {
		case !to.IsValid():
			say("%s needs the new address, To", r.Verdict)
		case !r.Family.has(to):
			say("To %s is not an %s address", to, r.Family)
		case to.Zone() != "":
			say("To %s has a zone, which the packet filter does not know", to)
		case to.IsUnspecified():
			say("To %s is not an address that packets can go to", to)
		}
	} else if r.To.IsValid() {
		say("To is for SNAT and DNAT only")
	}
	switch {
	case r.ToPort == 0:
	case r.Verdict != SNAT && r.Verdict != DNAT && r.Verdict != Redirect:
		say("ToPort is for SNAT, DNAT and Redirect only")
	case !hasPorts(r.Protocol):
		say("ToPort needs Protocol tcp, udp or sctp, since other packets have no port")
	}
	switch {
	case !r.RejectWith.valid():
		say("there is no RejectWith(%d)", uint8(r.RejectWith))
	case r.Verdict != Reject && r.RejectWith != 0:
		say("RejectWith is for Reject only")
	case r.RejectWith == TCPReset && r.Protocol != "tcp":
		say("TCPReset needs Protocol tcp")
	}
	return problems
}

func hookList(hooks []Hook) string {
	var names []string
	for _, h := range hooks {
		names = append(names, h.String())
	}
	return strings.Join(names, " and ")
}

// has reports whether a is an address of the family.
func (f Family) has(a netip.Addr) bool { return a.Is4() == (f == IPv4) && !a.Is4In6() }

func (r Rule) addressProblems() (problems []string) {
	for _, side := range []struct {
		name string
		p    netip.Prefix
		not  bool
	}{{"Source", r.Source, r.NotSource}, {"Destination", r.Destination, r.NotDestination}} {
		switch {
		case side.p == netip.Prefix{} && side.not:
			problems = append(problems, fmt.Sprintf("Not%s without %s", side.name, side.name))
		case side.p == netip.Prefix{}:
		case !side.p.IsValid():
			problems = append(problems, fmt.Sprintf("%s is not a valid prefix (an address with more bits than it has?)", side.name))
		case !r.Family.has(side.p.Addr()):
			problems = append(problems, fmt.Sprintf("%s %s is not an %s prefix", side.name, side.p, r.Family))
		case side.p.Bits() == 0 && side.not:
			problems = append(problems, fmt.Sprintf("not %s %s matches no packet at all", side.name, side.p))
		}
	}
	return problems
}

func (r Rule) interfaceProblems() (problems []string) {
	for _, side := range []struct {
		field, name string
		not         bool
		nowhere     []Hook
		why         string
	}{
		{"In", r.In, r.NotIn, []Hook{Output, Postrouting}, "the interface that a packet came in by is not known there"},
		{"Out", r.Out, r.NotOut, []Hook{Prerouting, Input}, "the interface that a packet goes out by is not known there"},
	} {
		say := func(format string, a ...any) { problems = append(problems, fmt.Sprintf(format, a...)) }
		switch {
		case side.name == "" && side.not:
			say("Not%s without %s", side.field, side.field)
			continue
		case side.name == "":
			continue
		case slices.Contains(side.nowhere, r.Hook):
			say("%s %q at %s: %s", side.field, side.name, r.Hook, side.why)
		}
		switch {
		case len(side.name) >= unix.IFNAMSIZ:
			say("%s %q has %d bytes, and an interface name at most %d", side.field, side.name, len(side.name), unix.IFNAMSIZ-1)
		case side.name == "+":
			say("%s \"+\" matches every interface: leave %s empty", side.field, side.field)
		case strings.ContainsAny(side.name, "/: \t\n\v\f\r!\"'\\"), strings.HasPrefix(side.name, "-"), side.name == ".", side.name == "..":
			say("%s %q is not an interface name", side.field, side.name)
		}
	}
	return problems
}

func hasPorts(protocol string) bool {
	return protocol == "tcp" || protocol == "udp" || protocol == "sctp"
}

func (r Rule) protocolProblems() (problems []string) {
	say := func(format string, a ...any) { problems = append(problems, fmt.Sprintf(format, a...)) }
	if _, ok := protocols[r.Protocol]; !ok && r.Protocol != "" {
		say("Protocol %q is not one of tcp, udp, sctp, icmp, icmpv6, esp, ah", r.Protocol)
	}
	if r.Protocol == "icmp" && r.Family == IPv6 || r.Protocol == "icmpv6" && r.Family == IPv4 {
		say("Protocol %s does not exist over %s", r.Protocol, r.Family)
	}
	if (r.SourcePort != 0 || r.DestinationPort != 0) && !hasPorts(r.Protocol) {
		say("ports need Protocol tcp, udp or sctp")
	}
	if r.ICMPType != nil && r.Protocol != "icmp" && r.Protocol != "icmpv6" {
		say("ICMPType needs Protocol icmp or icmpv6")
	}
	if _, unknown := r.stateBits(); len(unknown) > 0 {
		say("there is no state %q; there are new, established, related, invalid, untracked", unknown)
	}
	if len(r.States) > 0 && r.Table() == tableRaw {
		say("States with NoTrack: connection tracking comes after it, so no packet has a state yet")
	}
	return problems
}

func validPolicy(f Family, h Hook, v Verdict) error {
	switch {
	case f != IPv4 && f != IPv6:
		return errors.New("a policy needs its Family: IPv4 or IPv6")
	case h != Input && h != Forward && h != Output:
		return fmt.Errorf("the filter table has the hooks INPUT, FORWARD and OUTPUT, so there is no policy for %s", h)
	case v != Accept && v != Drop:
		return fmt.Errorf("a policy is Accept or Drop, not %s (for a Reject, append a rule that matches everything)", v)
	}
	return nil
}
