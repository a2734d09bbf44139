package harness

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/netrig/netrig/internal/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RoutingRule is a rule of policy routing (ip-rule(8)): which packets are looked
// up in which routing table. The rules are asked in the order of their
// priorities; a table without a route for the packet hands it on to the next
// rule. Every node begins with three: the table local at priority 0, main (254)
// at 32766 and, of IPv4, default (253) at 32767.
//
// Unset fields match any packet. Without an address the rule is one of IPv4, and
// where the node has IPv6 on also one of IPv6.
type RoutingRule struct {
	Priority int    // 1 to 32765 as a rule: before main; must be set
	From, To string // prefix or address
	Not      bool   // packets that do not match
	In       string // interface that the packet came in by; "lo" is the node's own
	Out      string // interface that the sender's socket is bound to
	Mark     uint32 // that of the packet filter, or of a socket (assert.Mark)
	Mask     uint32 // bits of the mark that count; 0 is all
	Table    int    // that is looked up
	// SuppressPrefix has the rule pass over routes whose prefix has this many bits
	// or fewer: SuppressPrefix: new(0) on the table main passes over its default
	// route.
	SuppressPrefix *int
	// Type is what is done instead of looking a table up: "blackhole" (drops in
	// silence), "unreachable" or "prohibit" (as harness.RouteType).
	Type string
}

// RoutingRuleEntry is a rule of policy routing as the kernel has it.
type RoutingRuleEntry struct {
	RoutingRule
	IPv6 bool
	// Other are the selectors that a RoutingRule has no field for, as ip-rule(8)
	// prints them: "ipproto tcp dport 80". Empty for none.
	Other string
}

// String writes the rule as ip-rule(8) does, with what it selects by besides the
// fields of RoutingRule.
func (e RoutingRuleEntry) String() string { return e.text(e.Other) }

// defaultMask is the mask of a mark without one: all of it.
const defaultMask = 0xffffffff

// String writes the rule as ip-rule(8) does: "100: from 192.168.1.0/24 lookup 10".
func (r RoutingRule) String() string { return r.text("") }

func (r RoutingRule) text(other string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d: ", r.Priority)
	if r.Not {
		b.WriteString("not ")
	}
	b.WriteString("from " + orAll(r.From))
	if r.To != "" {
		b.WriteString(" to " + r.To)
	}
	if r.Mark != 0 || r.Mask != 0 {
		fmt.Fprintf(&b, " fwmark 0x%x", r.Mark)
		if r.Mask != 0 && r.Mask != defaultMask {
			fmt.Fprintf(&b, "/0x%x", r.Mask)
		}
	}
	if r.In != "" {
		b.WriteString(" iif " + r.In)
	}
	if r.Out != "" {
		b.WriteString(" oif " + r.Out)
	}
	if other != "" {
		b.WriteString(" " + other)
	}
	if r.Type != "" {
		return b.String() + " " + r.Type
	}
	fmt.Fprintf(&b, " lookup %d", r.Table)
	if r.SuppressPrefix != nil {
		fmt.Fprintf(&b, " suppress_prefixlength %d", *r.SuppressPrefix)
	}
	return b.String()
}

func orAll(prefix string) string {
	if prefix == "" {
		return "all"
	}
	return prefix
}

// AddRoutingRule adds a rule of policy routing.
func (n *Node) AddRoutingRule(r RoutingRule) {
	n.lab.TB.Helper()
	for _, rule := range n.netlinkRules(r) {
		err := n.route.RuleAdd(rule)
		if errors.Is(err, unix.EEXIST) {
			err = fmt.Errorf("%w: the node has this very rule already", err)
		}
		n.must(err, "add the routing rule %s", r)
	}
	n.did("%s", r)
}

// DelRoutingRule removes a rule of policy routing: the one with these very
// fields.
func (n *Node) DelRoutingRule(r RoutingRule) {
	n.lab.TB.Helper()
	for _, rule := range n.netlinkRules(r) {
		err := n.route.RuleDel(rule)
		if errors.Is(err, unix.ENOENT) {
			err = fmt.Errorf("%w: there is no such rule; the node has %s", err, n.routingRuleList())
		}
		n.must(err, "remove the routing rule %s", r)
	}
	n.did("%s", r)
}

func (n *Node) routingRuleList() string {
	n.lab.TB.Helper()
	var all []string
	for _, r := range n.RoutingRules() {
		all = append(all, r.String())
	}
	return strings.Join(all, "; ")
}

// netlinkRules are the rule as the library has it, once for each family.
func (n *Node) netlinkRules(r RoutingRule) (rules []*netlink.Rule) {
	n.lab.TB.Helper()
	from, to, err := r.check()
	n.must(err, "routing rule %s", r)
	for _, name := range []string{r.In, r.Out} {
		if _, declared := n.byName[name]; name != "" && name != "lo" && !declared && !n.HasInterface(name) {
			n.fatalf("routing rule %s: the node has no interface %q, so the rule could never match; it has %s", r, name, n.interfaceNames())
		}
	}
	families := []int{netlink.FAMILY_V4}
	switch {
	case from.IsValid():
		families = []int{netlinkFamily(from.Addr())}
	case to.IsValid():
		families = []int{netlinkFamily(to.Addr())}
	case n.ipv6:
		families = append(families, netlink.FAMILY_V6)
	}
	for _, family := range families {
		rule := netlink.NewRule()
		rule.Family, rule.Priority, rule.Invert, rule.IifName, rule.OifName, rule.Mark = family, r.Priority, r.Not, r.In, r.Out, r.Mark
		if r.Mask != 0 {
			rule.Mask = &r.Mask
		}
		if from.IsValid() {
			rule.Src = ipNet(from)
		}
		if to.IsValid() {
			rule.Dst = ipNet(to)
		}
		if r.Type == "" {
			rule.Table = r.Table
			if r.SuppressPrefix != nil {
				rule.SuppressPrefixlen = *r.SuppressPrefix
			}
		} else {
			rule.Type = ruleActions[r.Type]
		}
		rules = append(rules, rule)
	}
	return rules
}

// ruleActions are what a rule does instead of looking a table up (FR_ACT_* of
// include/uapi/linux/fib_rules.h).
var ruleActions = map[string]uint8{"blackhole": 6, "unreachable": 7, "prohibit": 8}

// check finds what is wrong before anything is added.
func (r RoutingRule) check() (from, to netip.Prefix, err error) {
	var s selector
	from, to = s.prefix("the source", r.From), s.prefix("the destination", r.To)
	if _, err := s.result(); err != nil {
		return from, to, err
	}
	_, refuses := ruleActions[r.Type]
	switch {
	case r.Priority < 1:
		return from, to, fmt.Errorf("it needs a priority: from 1, and below 32766 to come before the table main")
	case r.Type != "" && !refuses:
		return from, to, fmt.Errorf("the type %q is not blackhole, unreachable or prohibit", r.Type)
	case refuses && (r.Table != 0 || r.SuppressPrefix != nil):
		return from, to, fmt.Errorf("one that refuses looks up no table")
	case !refuses && r.Table < 1:
		return from, to, fmt.Errorf("it needs a table to look up (main is 254), or a type")
	case r.SuppressPrefix != nil && (*r.SuppressPrefix < 0 || *r.SuppressPrefix > 128):
		return from, to, fmt.Errorf("a prefix of %d bits is not between 0 and 128", *r.SuppressPrefix)
	case r.Not && r.From == "" && r.To == "" && r.In == "" && r.Out == "" && r.Mark == 0 && r.Mask == 0:
		return from, to, fmt.Errorf("not any packet is none: the rule could never match")
	}
	return from, to, errors.Join(within("priority", r.Priority, 1, defaultMask), within("table", r.Table, 0, defaultMask))
}

// RoutingRules are the rules of the node's policy routing, by family and
// priority.
func (n *Node) RoutingRules() []RoutingRuleEntry {
	n.lab.TB.Helper()
	list, err := n.raw.RoutingRules()
	n.must(err, "list the routing rules")
	all := make([]RoutingRuleEntry, 0, len(list))
	for _, r := range list {
		all = append(all, routingRuleEntry(r))
	}
	return all
}

func routingRuleEntry(r link.RoutingRule) RoutingRuleEntry {
	e := RoutingRuleEntry{IPv6: r.Family == unix.AF_INET6, Other: otherSelectors(r), RoutingRule: RoutingRule{
		Priority: int(r.Priority), Not: r.Not, In: r.In, Out: r.Out, Mark: r.Mark, Mask: r.Mask, Table: int(r.Table),
	}}
	if r.From.IsValid() {
		e.From = r.From.String()
	}
	if r.To.IsValid() {
		e.To = r.To.String()
	}
	if r.SuppressPrefix >= 0 {
		e.SuppressPrefix = new(int(r.SuppressPrefix))
	}
	for name, action := range ruleActions {
		if action == r.Action {
			e.Type, e.Table = name, 0
		}
	}
	return e
}

// otherSelectors are what ip-rule(8) prints of those that RoutingRule has no field
// for.
func otherSelectors(r link.RoutingRule) string {
	var words []string
	add := func(is bool, format string, args ...any) {
		if is {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(r.TOS != 0, "tos 0x%02x", r.TOS)
	if r.UIDs != nil {
		add(true, "uidrange %d-%d", r.UIDs[0], r.UIDs[1])
	}
	protocol := map[uint8]string{unix.IPPROTO_ICMP: "icmp", unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp", unix.IPPROTO_ICMPV6: "ipv6-icmp"}[r.Protocol]
	if protocol == "" {
		protocol = fmt.Sprint(r.Protocol)
	}
	add(r.Protocol != 0, "ipproto %s", protocol)
	for _, ports := range []struct {
		name string
		link.PortRange
	}{{"sport", r.SourcePorts}, {"dport", r.Ports}} {
		add(ports.First != 0 && ports.First == ports.Last, "%s %d", ports.name, ports.First)
		add(ports.First != ports.Last, "%s %d-%d", ports.name, ports.First, ports.Last)
	}
	return strings.Join(words, " ")
}
