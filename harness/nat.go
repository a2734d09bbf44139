package harness

import (
	"errors"

	"github.com/netrig/netrig/internal/firewall"
)

// NAT says which connections get another source address. Unset fields match
// any; with no address at all the rule is about IPv4 and IPv6 both.
type NAT struct {
	Source      string // prefix or address that the connection comes from: "192.168.1.0/24"
	Destination string // prefix or address that it goes to
	NotSource   bool   // any source but Source
	NotDest     bool   // any destination but Destination
	Out         string // interface that it leaves by: "eth0"
	NotOut      bool   // any interface but Out, as in `! -o br0`
	Protocol    string // "tcp", "udp", "icmp", "icmpv6"
	Port        uint16 // destination port
	To          string // SNAT only: the new source, "203.0.113.1" or "203.0.113.1:4000"
}

// Masquerade gives connections that leave the node the address of the
// interface that they leave by (`iptables -t nat -A POSTROUTING ... -j
// MASQUERADE`). The node forwards only when it is told to: EnableForwarding.
func (n *Node) Masquerade(nat NAT) *Rule {
	n.lab.TB.Helper()
	if nat.To != "" {
		n.fatalf("masquerade: To is %q, but the address is that of the outgoing interface: leave it out, or use SNAT", nat.To)
	}
	rule, families := n.sourceNAT("masquerade", nat)
	rule.Verdict = firewall.Masquerade
	return n.add(rule, families)
}

// SNAT gives connections that leave the node the source address NAT.To.
func (n *Node) SNAT(nat NAT) *Rule {
	n.lab.TB.Helper()
	rule, families := n.sourceNAT("SNAT", nat)
	rule.Verdict = firewall.SNAT
	return n.add(rule, families)
}

func (n *Node) sourceNAT(verb string, nat NAT) (firewall.Rule, []firewall.Family) {
	n.lab.TB.Helper()
	var s selector
	rule := firewall.Rule{
		Hook:   firewall.Postrouting,
		Source: s.prefix("the source", nat.Source), NotSource: nat.NotSource,
		Destination: s.prefix("the destination", nat.Destination), NotDestination: nat.NotDest,
		Out: nat.Out, NotOut: nat.NotOut, Protocol: nat.Protocol, DestinationPort: nat.Port,
	}
	if verb == "SNAT" {
		rule.To, rule.ToPort = s.address("the new source", nat.To)
	}
	families, err := s.result()
	n.must(err, "%s", verb)
	return rule, only(families, nat.Protocol)
}

// Forward says which connections get another destination. Unset fields match
// any.
type Forward struct {
	Protocol    string // "tcp" or "udp"; PortForward takes "tcp" when it is unset
	Port        uint16 // destination port that is forwarded
	Destination string // address that was called; unset: any address
	Source      string // prefix or address of the callers
	In          string // interface that they come in by
	NotIn       bool   // any interface but In, as in `! -i br0`
	To          string // where to: "192.168.1.2:80", or without a port the same port
}

// PortForward sends connections to a port of the node on to another node
// (`iptables -t nat -A PREROUTING -p tcp --dport 8088 -j DNAT --to-destination
// 192.168.1.2:80`). As there, connections that the node itself makes are not
// changed, and whether it may forward is another matter: EnableForwarding.
func (n *Node) PortForward(f Forward) *Rule {
	n.lab.TB.Helper()
	if f.Protocol == "" {
		f.Protocol = "tcp"
	}
	if f.Port == 0 {
		n.fatalf("port forward to %s: Port is 0: say which port is forwarded, or use DNAT for all of them", f.To)
	}
	return n.destinationNAT("port forward", firewall.Prerouting, f)
}

// DNAT gives connections that enter the node another destination; all of them
// where neither a port nor a protocol is set.
func (n *Node) DNAT(f Forward) *Rule {
	n.lab.TB.Helper()
	return n.destinationNAT("DNAT", firewall.Prerouting, f)
}

// DNATOutput gives connections that the node itself makes another destination
// (the OUTPUT chain). In can't be set.
func (n *Node) DNATOutput(f Forward) *Rule {
	n.lab.TB.Helper()
	return n.destinationNAT("DNAT", firewall.Output, f)
}

func (n *Node) destinationNAT(verb string, hook firewall.Hook, f Forward) *Rule {
	n.lab.TB.Helper()
	var s selector
	rule := firewall.Rule{
		Hook: hook, Verdict: firewall.DNAT,
		Source:      s.prefix("the source", f.Source),
		Destination: s.prefix("the destination", f.Destination),
		In:          f.In, NotIn: f.NotIn, Protocol: f.Protocol, DestinationPort: f.Port,
	}
	if f.To == "" {
		s.errs = append(s.errs, errors.New("field To is empty: say where to, such as 192.168.1.2:80"))
	} else {
		rule.To, rule.ToPort = s.address("the new destination", f.To)
	}
	families, err := s.result()
	n.must(err, "%s", verb)
	return n.add(rule, families)
}
