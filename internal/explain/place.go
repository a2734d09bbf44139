package explain

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/netrig/netrig/capture"
)

// destination is where a packet is for once the node has translated it, and by
// what; "" for nothing.
func (n *Node) destination(p *capture.Packet) (netip.Addr, string) {
	from, to := netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort)
	if slices.ContainsFunc(n.Rules, func(r Rule) bool {
		return r.Moved > 0 && strings.Contains(r.Text, "notrack") && r.hook() == "prerouting"
	}) {
		return p.Dst, ""
	}
	for _, c := range n.Conntrack {
		switch {
		case same(c.From, from) && same(c.To, to) && c.ReplyFrom.Addr() != c.To.Addr():
			text := "the tracked connection " + c.Text
			if to := c.ReplyFrom.Addr().String(); !slices.ContainsFunc(n.Rules, func(r Rule) bool { return strings.Contains(r.Text, to) }) {
				text += ", though no rule says so any more"
			}
			return c.ReplyFrom.Addr(), text
		case same(c.ReplyFrom, from) && same(c.ReplyTo, to) && c.From.Addr() != c.ReplyTo.Addr() && (p.SrcPort != 0 || p.Kind == capture.EchoReply):
			return c.From.Addr(), "the tracked connection " + c.Text
		}
	}
	for _, r := range n.Rules {
		if r.Moved == 0 || !slices.Contains(r.Hooks, "prerouting") || !r.applies(p) {
			continue
		}
		for _, option := range []string{"--to-destination ", " dnat to "} {
			if _, rest, ok := strings.Cut(r.Text, option); ok {
				word, _, _ := strings.Cut(rest, " ")
				if ap, err := netip.ParseAddrPort(word); err == nil {
					return ap.Addr(), r.Text
				}
				if a, err := netip.ParseAddr(word); err == nil {
					return a, r.Text
				}
			}
		}
	}
	return p.Dst, ""
}

// applies tells whether what a rule says of ports and of the interface does not
// speak against a packet, in the words of iptables and of nft.
func (r Rule) applies(p *capture.Packet) bool {
	words := strings.Fields(r.Text)
	for i := 1; i < len(words); i++ {
		value, not := operandAt(words, i)
		if words[i-1] != "--dport" && words[i-1] != "dport" {
			continue
		}
		if port, err := strconv.ParseUint(value, 10, 16); err == nil && (uint16(port) == p.DstPort) == not {
			return false
		}
	}
	return r.takes(p.Interface)
}

// operandAt is what a rule's words compare with at a place, in the words of iptables
// and of nft, and whether it is not to be so.
func operandAt(words []string, i int) (value string, not bool) {
	value, not = words[i], i > 1 && words[i-2] == "!"
	if value == "!=" && i+1 < len(words) {
		value, not = words[i+1], true
	}
	return strings.Trim(value, `"`), not
}

// takes tells whether what a rule says of interfaces does not speak against packets
// that come in by one, "" for the node's own.
func (r Rule) takes(in string) bool {
	words := strings.Fields(r.Text)
	for i := 1; i < len(words); i++ {
		value, not := operandAt(words, i)
		switch words[i-1] {
		case "-i", "iifname", "iif":
			if !strings.HasSuffix(value, "+") && !strings.HasSuffix(value, "*") && (value == in) == not {
				return false
			}
		}
	}
	return true
}

// same compares ends by their ports too where the packet has them: of an echo
// the table has its identifier instead.
func same(tracked, seen netip.AddrPort) bool {
	return tracked.Addr() == seen.Addr() && (seen.Port() == 0 || tracked.Port() == seen.Port())
}

// forwards tells whether the node passes on packets that come in by an
// interface.
func (n *Node) forwards(to netip.Addr, in string) bool {
	if to.Is6() {
		return n.sysctl("ipv6.conf.all.forwarding") != "0"
	}
	// The switch of the interface decides (IN_DEV_FORWARD); that of all sets them.
	if v := n.sysctl("ipv4.conf." + in + ".forwarding"); v != "" {
		return v != "0"
	}
	return n.sysctl("ipv4.ip_forward") != "0" // what is not known is not blamed
}

// dropRule is the rule or policy of one of the hooks that dropped the packet,
// by its counter.
func (n *Node) dropRule(hooks ...string) (Rule, bool) {
	for _, r := range n.Rules {
		if r.Moved > 0 && r.drops() && !r.maps() && !r.queues() && r.met(hooks) {
			return r, true
		}
	}
	return Rule{}, false
}

// uncounted is a rule or policy of one of the hooks that drops and does not
// count: it may have been the one, where nothing else is found.
func (n *Node) uncounted(hooks ...string) (Rule, bool) {
	for _, r := range n.Rules {
		if (!r.Counted || (r.maps() || r.queues()) && r.Moved > 0) && r.drops() && r.met(hooks) {
			return r, true
		}
	}
	return Rule{}, false
}

// routeFor is the most specific route of the main table that covers an address,
// as the table has it.
func (n *Node) routeFor(to netip.Addr) string {
	best, bits := "", -1
	for _, text := range n.Routes {
		for _, w := range strings.Fields(text) {
			p, err := netip.ParsePrefix(w)
			if w == "default" {
				p, err = netip.PrefixFrom(to, 0), nil
			} else if a, e := netip.ParseAddr(w); e == nil {
				p, err = netip.PrefixFrom(a, a.BitLen()), nil
			}
			if err != nil {
				continue
			}
			if p.Contains(to) && p.Bits() > bits {
				best, bits = text, p.Bits()
			}
			break // what follows are gateways
		}
	}
	return best
}

// discards are the counters of packets that the stack threw away, the most
// telling first.
var discards = []string{
	"TcpExtIPReversePathFilter", "TcpExtListenOverflows", "TcpExtListenDrops", "TcpExtArpFilter", "IpInHdrErrors", "Ip6InHdrErrors",
	"IpInNoRoutes", "Ip6InNoRoutes", "IpExtInNoRoutes", "IpOutNoRoutes", "Ip6OutNoRoutes", "IpInAddrErrors", "Ip6InAddrErrors",
	"Ip6InTooBigErrors", "IpFragFails", "Ip6FragFails", "IpInUnknownProtos", "Ip6InUnknownProtos", "IpExtInTruncatedPkts",
	"IpReasmFails", "Ip6ReasmFails", "IcmpInErrors", "IcmpInCsumErrors", "UdpInErrors", "Udp6InErrors", "UdpRcvbufErrors",
	"IpInDiscards", "Ip6InDiscards", "IpOutDiscards", "Ip6OutDiscards", "TcpInErrs",
}

// control is the queueing discipline of an interface that dropped the packet,
// "" for none: where filters of traffic control hang, or delay and loss are made.
func (n *Node) control(device string) string {
	for name, moved := range n.Moved {
		if rest, ok := strings.CutPrefix(name, device+" "); ok && moved > 0 && strings.HasSuffix(rest, " dropped") && !strings.HasPrefix(rest, "rx ") && !strings.HasPrefix(rest, "tx ") {
			return strings.TrimSuffix(rest, " dropped")
		}
	}
	return ""
}

// unwanted is the counter of segments that TCP itself did not want that moved, ""
// for none.
func (n *Node) unwanted() string {
	for _, c := range []string{"TcpExtTCPMinTTLDrop", "TcpExtTCPMD5NotFound", "TcpExtTCPMD5Unexpected", "TcpExtTCPMD5Failure", "TcpExtTCPAORequired", "TcpExtTCPAOBad", "TcpInCsumErrors"} {
		if n.Moved[c] > 0 {
			return c
		}
	}
	return ""
}

// discarding is the counter of that sort that moved, "" for none.
func (n *Node) discarding() string {
	for _, c := range discards {
		if n.Moved[c] > 0 {
			return c
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.Moved)) {
		if n.Moved[name] > 0 && strings.Contains(name, "x dropped") {
			return name
		}
	}
	return ""
}

// String is the route as it was answered.
func (r Route) String() string {
	switch {
	case r.Error != "":
		return "refused with " + r.Error
	case r.Text != "":
		return r.Text
	}
	return "none"
}

// String is the entry as ip-neighbour(8) prints it.
func (e Neighbor) String() string {
	mac := ""
	if e.MAC != "" {
		mac = " lladdr " + e.MAC
	}
	return fmt.Sprintf("%s dev %s%s %s", e.Addr, e.Interface, mac, e.State)
}

// text is the interface's state in a line.
func (l *Link) text(node string) string {
	state := "up"
	switch {
	case !l.Up:
		state = "down"
	case l.NoCarrier:
		state = "up without a carrier"
	}
	text := fmt.Sprintf("%s:%s is %s, MTU %d", node, l.Name, state, l.MTU)
	if l.Port != nil {
		text += fmt.Sprintf(", port of %s, %s", l.Master, l.Port.State)
	}
	return text
}

// addresses lists the interface's addresses of a family.
func (l *Link) addresses(v4 bool) string {
	var all []string
	for _, a := range l.Addresses {
		if a.Prefix.Addr().Is4() == v4 && !a.LinkOnly {
			all = append(all, a.Prefix.String())
		}
	}
	return cmp.Or(strings.Join(all, ", "), "no such address")
}
