package harness

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/netrig/netrig/internal/firewall"
)

// Rule is a NAT or filter rule of a node. It counts what it matches.
type Rule struct {
	node *Node
	text string
	ids  []firewall.ID // one for each family that the rule is about
}

// String is the rule as iptables-save prints it.
func (r *Rule) String() string { return r.text }

// Packets is how many packets the rule has matched. Of a NAT rule these are
// the first packets of connections: the others follow the connection.
func (r *Rule) Packets() uint64 {
	r.node.lab.TB.Helper()
	return Counts(r)[0].Packets
}

// Bytes is how many bytes the packets had that the rule has matched, IP
// headers included.
func (r *Rule) Bytes() uint64 {
	r.node.lab.TB.Helper()
	return Counts(r)[0].Bytes
}

// Count is what a rule has matched: packets, and the bytes in them with their IP
// headers.
type Count struct{ Packets, Bytes uint64 }

// Counts are what rules of one node have matched, in their order. Rules that are
// side by side are read at the same time, and by one run of iptables-save where
// that is the backend, which each call of Packets is otherwise.
func Counts(rules ...*Rule) []Count {
	counts := make([]Count, len(rules))
	if len(rules) == 0 {
		return counts
	}
	n := rules[0].node
	n.lab.TB.Helper()
	var ids []firewall.ID
	for _, r := range rules {
		if r.node != n {
			n.fatalf("read the counters of rules: %s is a rule of node %s: ask for those of one node at a time", r.text, r.node.name)
		}
		r.inForce("read the counter of")
		ids = append(ids, r.ids...)
	}
	all, err := n.rules.Counters(ids...)
	n.must(err, "read the counters of rules")
	for i, r := range rules {
		for _, c := range all[:len(r.ids)] {
			counts[i].Packets += c.Packets
			counts[i].Bytes += c.Bytes
		}
		all = all[len(r.ids):]
	}
	return counts
}

// Remove takes the rule away. Connections that it has translated keep their
// translation while connection tracking is on, which ends with the last rule
// that needs it.
func (r *Rule) Remove() {
	r.node.lab.TB.Helper()
	r.inForce("remove")
	for _, id := range r.ids {
		r.node.must(r.node.rules.Remove(id), "remove the rule %s", r.text)
	}
	r.ids = nil
	r.node.did("%s", r.text)
}

func (r *Rule) inForce(verb string) {
	if len(r.ids) == 0 {
		r.node.lab.TB.Helper()
		r.node.fatalf("%s the rule %s: it has been removed", verb, r.text)
	}
}

// firewall opens the node's packet filter on the lab's backend, once.
func (n *Node) firewall() firewall.Backend {
	n.lab.TB.Helper()
	if n.rules == nil {
		rules, err := firewall.Open(n.lab.backend, n.space)
		n.must(err, "open the packet filter")
		n.rules = rules
	}
	return n.rules
}

// add puts the rule into force for each family given.
func (n *Node) add(rule firewall.Rule, families []firewall.Family) *Rule {
	n.lab.TB.Helper()
	if len(families) == 0 {
		n.fatalf("rule %s: the protocol %s is not of the family of its addresses, so the rule could never match", rule, rule.Protocol)
	}
	added := &Rule{node: n}
	var texts []string
	for _, f := range families {
		rule.Family = f
		n.must(rule.Validate(), "rule %s", rule)
		n.must(n.missingInterfaces(rule), "rule %s", rule)
	}
	for _, f := range families {
		rule.Family = f
		id, err := n.firewall().Add(rule)
		n.must(err, "add the rule %s", rule)
		added.ids = append(added.ids, id)
		if text := rule.String(); len(texts) == 0 || texts[0] != text {
			texts = append(texts, text)
		}
	}
	added.text = strings.Join(texts, " and ")
	n.did("%s", added.text)
	return added
}

// missingInterfaces refuses a rule about an interface that the node does not
// have: packet filters take any name, and such a rule silently never matches.
func (n *Node) missingInterfaces(rule firewall.Rule) error {
	n.lab.TB.Helper()
	for _, name := range []string{rule.In, rule.Out} {
		if name == "" || strings.HasSuffix(name, "+") {
			continue
		}
		if _, declared := n.byName[name]; !declared && name != "lo" && !n.HasInterface(name) {
			return fmt.Errorf("the node has no interface %q, so the rule could never match; it has %s (\"name+\" matches any rest)", name, n.interfaceNames())
		}
	}
	return nil
}

// selector reads the texts that verbs take into what a rule matches, and tells
// the families that it is about: that of its addresses, else both.
type selector struct {
	families map[firewall.Family]bool
	errs     []error
}

func (s *selector) prefix(what, text string) netip.Prefix {
	if text == "" {
		return netip.Prefix{}
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, e := netip.ParseAddr(text)
		if e != nil {
			s.errs = append(s.errs, fmt.Errorf("%s %q is neither a prefix such as 192.168.1.0/24 nor an address", what, text))
			return netip.Prefix{}
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	s.family(p.Addr())
	return p.Masked() // as iptables stores it
}

func (s *selector) address(what, text string) (addr netip.Addr, port uint16) {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		s.family(ap.Addr())
		return ap.Addr(), ap.Port()
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		s.errs = append(s.errs, fmt.Errorf("%s %q is neither an address nor an address with a port (\"10.0.0.2:80\", \"[fd00::2]:80\")", what, text))
		return netip.Addr{}, 0
	}
	s.family(a)
	return a, 0
}

func (s *selector) family(a netip.Addr) {
	if s.families == nil {
		s.families = map[firewall.Family]bool{}
	}
	if a.Is4() {
		s.families[firewall.IPv4] = true
	} else {
		s.families[firewall.IPv6] = true
	}
}

// result is the families, IPv4 first.
func (s *selector) result() ([]firewall.Family, error) {
	if len(s.families) == 2 {
		s.errs = append(s.errs, errors.New("it mixes IPv4 and IPv6 addresses"))
	}
	both := []firewall.Family{firewall.IPv4, firewall.IPv6}
	switch {
	case len(s.families) == 0:
		return both, errors.Join(s.errs...)
	case s.families[firewall.IPv4]:
		return both[:1], errors.Join(s.errs...)
	}
	return both[1:], errors.Join(s.errs...)
}

// only keeps the families that a protocol exists in.
func only(families []firewall.Family, protocol string) []firewall.Family {
	var kept []firewall.Family
	for _, f := range families {
		if protocol == "icmp" && f == firewall.IPv6 || protocol == "icmpv6" && f == firewall.IPv4 {
			continue
		}
		kept = append(kept, f)
	}
	return kept
}
