package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/netrig/netrig/capture"
)

// PolicyRule is a rule of policy routing, which decides which table is looked up.
type PolicyRule struct {
	Text       string
	IPv6       bool `json:",omitempty"`
	Not        bool `json:",omitempty"`
	Mark, Mask uint32
	From, To   netip.Prefix // invalid for any
	In         string       `json:",omitempty"`
	// Type is what the rule does instead of having a table looked up.
	Type               string    `json:",omitempty"`
	Protocol           uint8     `json:",omitempty"` // 0 for any
	SourcePorts, Ports PortRange // zero for any
}

// PortRange is from one port to another.
type PortRange struct{ First, Last uint16 }

func (p PortRange) has(port uint16) bool {
	return p == PortRange{} || p.First <= port && port <= p.Last
}

// byPorts tells whether the rule looks at the protocol or the ports of a packet.
func (p PolicyRule) byPorts() bool {
	return p.Protocol != 0 || p.SourcePorts != PortRange{} || p.Ports != PortRange{}
}

// flow is the question for the request, without addresses.
func (r *reasoner) flow() Query {
	protocol := map[string]uint8{"tcp": 6, "udp": udp, "icmp": 1}[r.Network]
	if protocol == 1 && r.Target.Is6() {
		protocol = 58
	}
	return Query{Protocol: protocol, Port: r.Port}
}

// of is the question for a packet of that protocol and those ports.
func (q Query) of(p *capture.Packet) Query {
	if p != nil {
		q.Protocol, q.SourcePort, q.Port = p.Protocol, p.SrcPort, p.DstPort
	}
	return q
}

// answering is the question for the answer to a packet.
func (q Query) answering(p *capture.Packet) Query {
	q.Protocol, q.SourcePort, q.Port = p.Protocol, p.DstPort, p.SrcPort
	return q
}

// refusing tells whether a rule of policy routing makes addresses unreachable, which
// the kernel then reports as it does a missing route (fib4_rule_action).
func (n *Node) refusing(six bool) bool {
	return slices.ContainsFunc(n.Policy, func(p PolicyRule) bool { return p.Type == "unreachable" && p.IPv6 == six })
}

// byMark tells whether the rule looks at the mark of a packet.
func (p PolicyRule) byMark() bool { return p.Mask != 0 }

// selects tells whether the rule is about such packets.
func (p PolicyRule) selects(q Query) bool {
	is := q.Mark&p.Mask == p.Mark && (!p.From.IsValid() || p.From.Contains(q.From)) && (!p.To.IsValid() || p.To.Contains(q.To)) && (p.In == "" || p.In == q.In) &&
		(p.Protocol == 0 || p.Protocol == q.Protocol) && p.SourcePorts.has(q.SourcePort) && p.Ports.has(q.Port)
	return is != p.Not && p.IPv6 == q.To.Is6()
}

// way is the route that a packet took in a node: that for the mark that it got
// there, where rules of policy routing look at marks. Where that is not known, the
// packets tell, and what can't be told is said.
func (r *reasoner) way(n *Node, q Query) Route {
	flow := q
	q.Protocol, q.SourcePort, q.Port = 0, 0, 0
	plain := r.route(n.Name, q)
	if slices.ContainsFunc(n.Policy, PolicyRule.byPorts) && flow.asked() {
		q = flow
		if other := r.route(n.Name, q); other.String() != plain.String() {
			text := fmt.Sprintf("%s: its protocol or ports led it by another route: %s", n.Name, other)
			for _, p := range n.Policy {
				if p.byPorts() && p.selects(q) {
					text += "; the rule " + p.Text + " selects it"
					break
				}
			}
			r.aside = append(r.aside, text)
			plain = other
		}
	}
	var rules []PolicyRule
	for _, p := range n.Policy {
		if p.byMark() && p.IPv6 == q.To.Is6() {
			rules = append(rules, p)
		}
	}
	if len(rules) == 0 {
		return plain
	}
	mark, by, doubtful := r.mark(n, q)
	if !doubtful {
		if q.Mark = mark; mark == 0 {
			return plain
		}
		marked := r.route(n.Name, q)
		if marked.String() != plain.String() {
			r.tookMarked(n, q, marked, by)
		}
		return marked
	}
	for _, p := range rules {
		with := q
		with.Mark = p.Mark
		if marked := r.route(n.Name, with); p.Mark != 0 && marked.String() != plain.String() && r.rather(n, q.To, marked, plain) {
			r.tookMarked(n, with, marked, by)
			return marked
		}
	}
	return plain
}

// asked tells whether the kernel can be asked about such a protocol
// (rtm_getroute_parse_ip_proto).
func (q Query) asked() bool {
	const icmp, tcp, icmp6 = 1, 6, 58
	return q.Protocol == tcp || q.Protocol == udp || q.Protocol == icmp && q.To.Is4() || q.Protocol == icmp6 && q.To.Is6()
}

// tookMarked says why a packet took another route than it would have without its
// mark.
func (r *reasoner) tookMarked(n *Node, q Query, marked Route, by string) {
	text := fmt.Sprintf("%s: the mark 0x%x led it by another route: %s", n.Name, q.Mark, marked)
	for _, p := range n.Policy {
		if p.byMark() && p.selects(q) {
			text += "; the rule " + p.Text + " selects it"
			break
		}
	}
	r.aside = append(r.aside, text, n.Name+": "+by)
}

// mark is the mark that a packet has when its route is looked up, and who has set
// it. It is doubtful where a rule may have set it that does not count, or one of
// which it is not known to what, or whether the route was looked up again.
func (r *reasoner) mark(n *Node, q Query) (mark uint32, by string, doubtful bool) {
	hooks := []string{"prerouting", "ingress"}
	if q.In == "" {
		hooks = []string{"output"}
		if n.Name == r.From && r.Mark != 0 && q.To == r.Target {
			mark, by = r.Mark, fmt.Sprintf("the sender's socket has the mark 0x%x", r.Mark)
		}
	}
	for _, rule := range n.Rules {
		change, known := rule.setsMark()
		if change == nil && !known || !rule.met(hooks) || rule.Counted && rule.Moved == 0 || !rule.takes(q.In) {
			continue
		}
		switch {
		case !rule.Counted:
			by, doubtful = fmt.Sprintf("the rule %s sets the mark, and does not count: whom it met is known by the way that the packet took", rule.Text), true
		case change == nil:
			by, doubtful = fmt.Sprintf("the rule %s sets the mark, and counted %d: to what is known by the way that the packet took", rule.Text, rule.Moved), true
		default:
			mark, by = change(mark), fmt.Sprintf("the rule %s set the mark, and counted %d", rule.Text, rule.Moved)
			// The route of a node's own packet is looked up before that hook, and
			// once more by some chains only.
			doubtful = doubtful || q.In == ""
		}
	}
	if by == "" {
		for i := range n.Links {
			if l := &n.Links[i]; l.Name == q.In && slices.Contains(l.Control, "ingress") {
				return 0, fmt.Sprintf("a filter of traffic control hangs at %s:%s, and may have set the mark", n.Name, l.Name), true
			}
		}
	}
	return mark, by, doubtful
}

// rather tells whether the packets speak for one route, and not for the other.
func (r *reasoner) rather(n *Node, to netip.Addr, marked, plain Route) bool {
	next := func(way Route) netip.Addr {
		if way.Gateway.IsValid() {
			return way.Gateway
		}
		return to
	}
	asked := func(way Route) bool { return way.Error == "" && r.questioned(n, next(way)) }
	if asked(marked) != asked(plain) {
		return asked(marked)
	}
	left := func(way Route) bool {
		return slices.ContainsFunc(r.Window.Packets(), func(p *capture.Packet) bool {
			return p.Node == n.Name && p.Direction == capture.Out && p.Dst == to && p.Interface == way.Device && n.isNext(p, next(way), way.Device)
		})
	}
	if left(marked) != left(plain) {
		return left(marked)
	}
	if _, dropped := n.dropRule("forward", "output", "postrouting", "egress"); dropped || left(plain) {
		return false
	}
	return marked.refuses() && !plain.refuses()
}

// refuses tells whether a route ends packets.
func (w Route) refuses() bool {
	return w.Error != "" || w.Type == "blackhole" || w.Type == "unreachable" || w.Type == "prohibit"
}

// isNext tells whether a packet is addressed to the next hop, as far as the node
// knows its hardware address.
func (n *Node) isNext(p *capture.Packet, next netip.Addr, device string) bool {
	e, known := n.neighbor(next, device)
	return !known || e.MAC == "" || e.MAC == p.DstMAC.String()
}

// marked says of the last router on a packet's way, and of a loop of all, whether the
// packet left by another route than without its mark.
func (r *reasoner) marked(f *capture.Flight, v Verdict) {
	for i, out := range slices.Backward(f.Hops) {
		n := r.Node(out.Node)
		if out.Direction != capture.Out || !out.Dst.IsValid() || out.Node == v.Node && v.End != Loop {
			continue
		}
		if len(n.Policy) == 0 {
			if v.End != Loop && n.link(out.Interface).Master == "" {
				return
			}
			continue
		}
		q := Query{To: out.Dst, From: out.Src}
		if i > 0 && f.Hops[i-1].Node == out.Node {
			q.In = f.Hops[i-1].Interface
		} else if n.withAddress(out.Src) == nil {
			continue
		}
		if r.way(n, q.of(out)); v.End != Loop {
			return
		}
	}
}

// setsMark is what the rule makes of a packet's mark; nil and false where it leaves
// it alone, nil and true where it can't be told.
func (r Rule) setsMark() (change func(uint32) uint32, sets bool) {
	if _, rest, ok := strings.Cut(r.Text, "--set-xmark "); ok {
		word, _, _ := strings.Cut(rest, " ")
		value, mask, masked := strings.Cut(word, "/")
		v, err := strconv.ParseUint(value, 0, 32)
		m := uint64(0xffffffff)
		if masked && err == nil {
			m, err = strconv.ParseUint(mask, 0, 32)
		}
		if err != nil {
			return nil, true
		}
		return func(old uint32) uint32 { return old&^uint32(m) ^ uint32(v) }, true
	}
	if strings.Contains(r.Text, "--restore-mark") {
		return nil, true
	}
	_, rest, ok := strings.Cut(r.Text, "meta mark set ")
	if !ok {
		return nil, false
	}
	words := strings.Fields(rest)
	if len(words) == 0 {
		return nil, true
	}
	if v, err := strconv.ParseUint(words[0], 0, 32); err == nil {
		return func(uint32) uint32 { return uint32(v) }, true
	}
	if len(words) < 2 || words[0] != "meta" || words[1] != "mark" {
		return nil, true
	}
	type step struct {
		operator string
		value    uint32
	}
	var steps []step
	for i := 2; i+1 < len(words) && strings.Contains("&|^", words[i]); i += 2 {
		v, err := strconv.ParseUint(words[i+1], 0, 32)
		if err != nil {
			return nil, true
		}
		steps = append(steps, step{words[i], uint32(v)})
	}
	return func(mark uint32) uint32 {
		for _, s := range steps {
			switch s.operator {
			case "&":
				mark &= s.value
			case "|":
				mark |= s.value
			default:
				mark ^= s.value
			}
		}
		return mark
	}, true
}
