package explain

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/netrig/netrig/capture"
)

// Case is an exchange that did not go as it was to.
type Case struct {
	From    string // the node that asked
	Target  netip.Addr
	Port    uint16
	Network string // "icmp", "tcp", "udp"
	Source  netip.Addr
	Mark    uint32 // of the socket that asked

	Request, Reply *capture.Flight
	Window         capture.Window
	// Errno is the error of the sender's own kernel, "" for none.
	Errno string
	// Answered tells that an answer reached the sender and was taken.
	Answered bool
}

// reasoner is one explanation in the making.
type reasoner struct {
	Case
	*Facts
	answering bool // it has been asked for the way of an answer
	// aside is what goes with the cause, wherever the packet ended.
	aside []string
}

// Explain tells which packet of the exchange died, where, and why.
func Explain(c Case, f *Facts) Verdict {
	r := &reasoner{Case: c, Facts: f}
	v := r.exchange()
	r.detours(v)
	r.untold(v)
	v.Cause = append(v.Cause, r.aside...)
	v.Reasons = append(v.Reasons, r.reasons(v)...)
	return v
}

func (r *reasoner) exchange() Verdict {
	reply := r.Reply.Last()
	switch {
	case r.Request.First() == nil:
		return r.unsent(r.From, r.requestName(), r.Target, r.Source, nil)
	case reply != nil && reply.TCPFlags&capture.RST != 0 && r.Reply.Reached(r.From):
		return r.refused()
	case reply != nil && r.Answered:
		return r.answered()
	case reply != nil:
		return r.flight(r.Reply, true)
	}
	return r.flight(r.Request, false)
}

// flight is the end of a packet that was seen, the request or the reply.
func (r *reasoner) flight(f *capture.Flight, isReply bool) Verdict {
	if e := r.errorAbout(f); e != nil {
		v := r.fromError(f, e)
		if e.Last().Node != f.First().Node || e.Last().Direction != capture.In {
			lost := r.silent(e, true)
			v.Cause = append(v.Cause, "the "+name(e.First())+" about it ended in "+lost.Node+": "+string(lost.End)+"; "+LastSeen(e.Last()))
			v.Cause = append(v.Cause, lost.Cause...)
		} else if rule, ok := r.Node(e.Last().Node).dropRule("prerouting", "input"); ok {
			v.cause("%s: the %s about it met the rule %s, which counted %d", e.Last().Node, name(e.First()), rule.Text, rule.Moved)
		}
		return v
	}
	return r.silent(f, isReply)
}

// silent is the end of a packet that nobody said anything about. Of one in
// fragments, that of the fragment that got less far than others: without it the rest
// is never put together.
func (r *reasoner) silent(f *capture.Flight, isReply bool) Verdict {
	if lost := lostFragment(r.Window, f); lost != nil && lost != f {
		v := r.silent(lost, isReply)
		v.Packet = fmt.Sprintf("fragment at byte %d of the %s", lost.First().Fragment.Offset, name(f.First()))
		v.Reasons = append(v.Reasons, "others of the same packet went on")
		return v
	}
	f = r.original(f)
	last, stray := tip(f, r.Facts)
	v := Verdict{Packet: name(last), Seen: last, Node: last.Node}
	switch {
	case r.looped(f):
		r.loop(&v, f)
	case asks(f.First()):
		return r.ask(f)
	case stray:
		if p, n, out := r.flooded(f); p != nil {
			v.Seen, v.Node = p, n.Name
			in := n.link(p.Interface)
			r.bridged(&v, n, out.Master, in, out, p)
			break
		}
		r.strayed(&v, last)
	case last.Direction == capture.Out:
		r.afterOut(&v, last)
	case r.Node(last.Node).link(last.Interface).Master != "":
		r.inBridge(&v, last)
	default:
		r.inStack(&v, last, isReply)
	}
	return v
}

// tip is the sighting at which the way of a packet ends. A bridge floods: of
// several branches the one counts where the packet was addressed to the
// interface; if it was addressed to none of those that it reached, it strayed.
func tip(f *capture.Flight, facts *Facts) (last *capture.Packet, stray bool) {
	for i := len(f.Hops) - 1; i >= 0; i-- {
		p := f.Hops[i]
		if !otherHost(p, facts) {
			if last == nil || better(p, last, facts) {
				last = p
			}
			if p.Direction == capture.In {
				break
			}
			continue
		}
		stray = true
	}
	if last == nil {
		return f.Last(), true
	}
	// What went out last and was seen at strangers only, strayed.
	if stray && last.Direction == capture.Out && arrived(f, last, facts) {
		for i := len(f.Hops) - 1; i >= 0; i-- {
			if otherHost(f.Hops[i], facts) {
				return f.Hops[i], true
			}
		}
	}
	return last, false
}

// better prefers, of two sightings that go out, the earlier seen, which is not a
// copy that was flooded: the port behind which the address is.
func better(p, last *capture.Packet, facts *Facts) bool {
	if p.Direction == capture.In {
		return last.Direction == capture.Out && p.Node != last.Node
	}
	owner, link := facts.ownerOfMAC(p.DstMAC.String())
	return link != nil && facts.Node(p.Node).link(p.Interface).Peer == owner+":"+link.Name
}

// arrived tells whether what went out was seen at the other end of the cable.
func arrived(f *capture.Flight, out *capture.Packet, facts *Facts) bool {
	peer := facts.Node(out.Node).link(out.Interface).Peer
	for _, p := range f.Hops {
		if p.Direction == capture.In && p.Where() == peer {
			return true
		}
	}
	return false
}

// otherHost tells whether a packet came in that the interface does not take:
// it is addressed to another's hardware address (PACKET_OTHERHOST).
func otherHost(p *capture.Packet, facts *Facts) bool {
	if p.Direction != capture.In || len(p.DstMAC) == 0 || p.DstMAC[0]&1 == 1 {
		return false
	}
	l := facts.Node(p.Node).link(p.Interface)
	return l.Master == "" && l.MAC != "" && l.MAC != p.DstMAC.String() && p.Interface != "lo"
}

// flooded finds where a bridge sent a frame out of all ports but the one that
// it was for: the sighting as it came in, and that port. Where the bridge knew
// a port, if a wrong one, there is none.
func (r *reasoner) flooded(f *capture.Flight) (in *capture.Packet, n *Node, out *Link) {
	for _, p := range f.Hops {
		n := r.Node(p.Node)
		bridge := n.link(p.Interface).Master
		if p.Direction != capture.In || bridge == "" {
			continue
		}
		out := r.exit(n, bridge, p)
		if _, known := n.behind(bridge, p.DstMAC.String()); out == nil || known || slices.ContainsFunc(f.Hops, func(o *capture.Packet) bool {
			return o.Node == n.Name && o.Interface == out.Name && o.Direction == capture.Out
		}) {
			continue
		}
		return p, n, out
	}
	return nil, nil, nil
}

// looped tells whether a packet came by a place twice, or came back to the node
// that sent it.
func (r *reasoner) looped(f *capture.Flight) bool {
	seen := map[string]int{}
	first := f.First()
	for _, p := range f.Hops {
		if p.Direction == capture.In && !otherHost(p, r.Facts) {
			back := p.Node == first.Node && first.Direction == capture.Out && p.Interface != "lo" && p.TTL < first.TTL
			if n := r.Node(p.Node); back && n.withAddress(p.Src) != nil && n.withAddress(p.Dst) == nil {
				return true
			}
			if seen[p.Where()]++; seen[p.Where()] > 1 {
				return true
			}
		}
	}
	return false
}

// errorAbout is the ICMP error about a packet, nil for none: one that quotes it
// as it was in the node that sent the error.
func (r *reasoner) errorAbout(f *capture.Flight) *capture.Flight {
	for _, e := range r.Window.Flights() {
		quoted, ok := e.First().Quoted()
		if !ok || e.First().Kind == capture.Redirect {
			continue
		}
		for _, p := range f.Hops {
			if p.Protocol == quoted.Protocol && p.Src == quoted.Src && p.Dst == quoted.Dst && p.SrcPort == quoted.SrcPort &&
				p.DstPort == quoted.DstPort && p.ICMPID == quoted.ICMPID && p.ICMPSeq == quoted.ICMPSeq && p.ICMPType == quoted.ICMPType {
				return e
			}
		}
	}
	return nil
}

// requestName is what the request would have been.
func (r *reasoner) requestName() string {
	switch r.Network {
	case "tcp":
		return "TCP SYN"
	case "udp":
		return "UDP datagram"
	}
	return "echo request"
}

// answerName is what the answer of a node would have been: of one where nobody
// listens, which its counter tells, a reset.
func (r *reasoner) answerName(n *Node) string {
	if r.Network == "tcp" && n.Moved["TcpOutRsts"] > 0 {
		return "TCP reset"
	}
	return r.replyName()
}

// replyName is what the answer would have been.
func (r *reasoner) replyName() string {
	switch r.Network {
	case "tcp":
		return "TCP SYN-ACK"
	case "udp":
		return "UDP answer"
	}
	return "echo reply"
}
