package harness

import (
	"fmt"

	"github.com/netrig/netrig/internal/firewall"
)

// Hook is where on a packet's way through a node a filter looks at it.
type Hook string

// The hooks of a filter. Prerouting and Postrouting see all packets, the
// bridged ones aside; Input those for the node itself, Output those of its own,
// Forwarded those that pass through.
const (
	Prerouting  Hook = "prerouting"
	Input       Hook = "input"
	Forwarded   Hook = "forward"
	Output      Hook = "output"
	Postrouting Hook = "postrouting"
)

var hooks = map[Hook]firewall.Hook{
	Prerouting: firewall.Prerouting, Input: firewall.Input, Forwarded: firewall.Forward,
	Output: firewall.Output, Postrouting: firewall.Postrouting,
}

// Filter says which packets a rule is about. Unset fields match any; with no
// address at all the rule is about IPv4 and IPv6 both.
type Filter struct {
	Hook        Hook   // Forwarded when unset
	Source      string // prefix or address
	Destination string // prefix or address
	NotSource   bool   // any source but Source
	NotDest     bool   // any destination but Destination
	In, Out     string // interfaces
	NotIn       bool   // any interface but In
	NotOut      bool   // any interface but Out
	Protocol    string // "tcp", "udp", "icmp", "icmpv6"
	Port        uint16 // destination port
	SourcePort  uint16
	// ICMPType is an ICMP type: harness.ICMPType(8) is an echo request.
	ICMPType *uint8
	// States are those of connection tracking: "new", "established",
	// "related", "invalid", "untracked". One of them must hold.
	States []string
}

// ICMPType is for Filter.ICMPType.
func ICMPType(t uint8) *uint8 { return &t }

// Answer is what the sender of a rejected packet is told.
type Answer string

// The answers to a rejected packet.
const (
	AnswerPortUnreachable Answer = "port unreachable" // ICMP 3/3, ICMPv6 1/4
	AnswerHostUnreachable Answer = "host unreachable" // ICMP 3/1, ICMPv6 1/3
	AnswerNetUnreachable  Answer = "net unreachable"  // ICMP 3/0, ICMPv6 1/0
	AnswerProhibited      Answer = "prohibited"       // ICMP 3/13, ICMPv6 1/1
	AnswerReset           Answer = "tcp reset"        // for Protocol "tcp" only
)

var answers = map[Answer]firewall.RejectWith{
	AnswerPortUnreachable: firewall.PortUnreachable, AnswerHostUnreachable: firewall.HostUnreachable,
	AnswerNetUnreachable: firewall.NetUnreachable, AnswerProhibited: firewall.AdminProhibited, AnswerReset: firewall.TCPReset,
}

// Accept lets packets pass. Rules of a hook are asked in the order in which
// they were added.
func (n *Node) Accept(f Filter) *Rule {
	n.lab.TB.Helper()
	return n.filter(f, firewall.Rule{Verdict: firewall.Accept})
}

// Drop drops packets in silence.
func (n *Node) Drop(f Filter) *Rule {
	n.lab.TB.Helper()
	return n.filter(f, firewall.Rule{Verdict: firewall.Drop})
}

// Reject drops packets and tells the sender.
func (n *Node) Reject(f Filter, answer Answer) *Rule {
	n.lab.TB.Helper()
	with, ok := answers[answer]
	if !ok {
		n.fatalf("reject: the answer %q is unknown", answer)
	}
	return n.filter(f, firewall.Rule{Verdict: firewall.Reject, RejectWith: with})
}

// Count counts packets and changes nothing.
func (n *Node) Count(f Filter) *Rule {
	n.lab.TB.Helper()
	return n.filter(f, firewall.Rule{Verdict: firewall.Count})
}

// NoTrack keeps connection tracking, and thereby NAT, away from packets. Its
// hook is Prerouting or Output.
func (n *Node) NoTrack(f Filter) *Rule {
	n.lab.TB.Helper()
	return n.filter(f, firewall.Rule{Verdict: firewall.NoTrack})
}

func (n *Node) filter(f Filter, rule firewall.Rule) *Rule {
	n.lab.TB.Helper()
	if f.Hook == "" {
		f.Hook = Forwarded
	}
	hook, ok := hooks[f.Hook]
	if !ok {
		n.fatalf("the hook %q is not prerouting, input, forward, output or postrouting", f.Hook)
	}
	var s selector
	rule.Hook = hook
	rule.Source, rule.NotSource = s.prefix("the source", f.Source), f.NotSource
	rule.Destination, rule.NotDestination = s.prefix("the destination", f.Destination), f.NotDest
	rule.In, rule.NotIn, rule.Out, rule.NotOut = f.In, f.NotIn, f.Out, f.NotOut
	rule.Protocol, rule.DestinationPort, rule.SourcePort = f.Protocol, f.Port, f.SourcePort
	rule.ICMPType, rule.States = f.ICMPType, f.States
	families, err := s.result()
	n.must(err, "filter")
	return n.add(rule, only(families, f.Protocol))
}

// Policy says what becomes of packets that no rule of a hook (Input, Forwarded
// or Output) decides about: "accept" or "drop", for IPv4 and IPv6 both.
func (n *Node) Policy(hook Hook, policy string) {
	n.lab.TB.Helper()
	verdicts := map[string]firewall.Verdict{"accept": firewall.Accept, "drop": firewall.Drop}
	verdict, ok := verdicts[policy]
	if !ok {
		n.fatalf("the policy %q is not accept or drop", policy)
	}
	h, ok := hooks[hook]
	if !ok || hook == Prerouting || hook == Postrouting {
		n.fatalf("the hook %q has no policy: use Input, Forwarded or Output", hook)
	}
	for _, family := range []firewall.Family{firewall.IPv4, firewall.IPv6} {
		n.must(n.firewall().Policy(family, h, verdict), "set the policy of %s to %s", hook, policy)
	}
	n.did("%s %s", hook, policy)
}

// ForwardPolicy is Policy for packets that pass through the node.
func (n *Node) ForwardPolicy(policy string) {
	n.lab.TB.Helper()
	n.Policy(Forwarded, policy)
}

// RuleEntry is a packet filter's rule that is in force in a node, whoever put
// it there.
type RuleEntry struct {
	Text           string // as iptables-save prints it; others' nftables rules as nft does
	Counted        bool   // whether the rule counts; rules of nft may not
	Packets, Bytes uint64
	// Hooks are those from which packets reach the rule, as iptables and nft name
	// them in lower case ("forward"): several in a chain that several jump to, none
	// in one that nobody does.
	Hooks []string
}

// String is the text with what was counted.
func (r RuleEntry) String() string {
	if !r.Counted {
		return r.Text
	}
	return fmt.Sprintf("%s (%d packets, %d bytes)", r.Text, r.Packets, r.Bytes)
}

// Rules are the rules of every packet filter in the node.
func (n *Node) Rules() []RuleEntry {
	n.lab.TB.Helper()
	list, err := n.firewall().List()
	n.must(err, "list the packet filter's rules")
	all := make([]RuleEntry, 0, len(list))
	for _, c := range list {
		all = append(all, RuleEntry{c.Text, c.Counter, c.Packets, c.Bytes, c.Hooks})
	}
	return all
}
