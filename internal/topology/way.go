package topology

import (
	"fmt"
	"net/netip"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/internal/explain"
)

// way is the way of a packet over the network.
type way struct {
	explain.Way
	first, last int // numbers of its sightings in the picture
	legs        []leg
}

// leg is a piece of a way: from one sighting to the next on the same branch.
type leg struct {
	from, to   *plug // to is nil where it was not seen any more
	out, ended bool  // of the last sighting: it was going out; the verdict is about it
}

// kinds is how many ways have a style of their own.
const kinds = 4

// Trace puts the ways of an exchange's packets on the picture, and where the
// one ended that the verdict is about.
func (g *Graph) Trace(c explain.Case, v explain.Verdict) {
	g.verdict = &v
	number := 0
	for i, told := range c.Ways(v) {
		w := way{Way: told, first: number + 1}
		for _, p := range told.Hops {
			number++
			if at := g.at(p); at != nil {
				at.says = append(at.says, said{i % kinds, sighting(number, p)})
			}
		}
		w.last = number
		w.legs = g.legs(told.Hops, v.Seen)
		g.ways = append(g.ways, w)
	}
	for _, n := range g.nodes {
		if n.name == v.Node {
			n.died = v.End != explain.Accepted
			n.notes = append(n.notes, v.Packet+": "+g.phrase())
		}
	}
}

// phrase is how the packet ended.
func (g *Graph) phrase() string {
	text := string(g.verdict.End)
	if g.verdict.Detail != "" {
		text += " (" + g.verdict.Detail + ")"
	}
	return text
}

// at is the interface of a sighting. One that is not drawn for being dull is
// drawn from now on; nil is one that the facts do not have.
func (g *Graph) at(p *capture.Packet) *plug {
	for _, n := range g.nodes {
		if n.name != p.Node {
			continue
		}
		for _, at := range n.plugs() {
			if at.link.Name == p.Interface {
				return at
			}
		}
		at := &plug{node: n, link: &explain.Link{Name: p.Interface, Up: true, MTU: usual, Kind: "veth"}, rank: len(n.plugs())}
		for _, hidden := range n.hidden {
			if hidden.link.Name == p.Interface {
				at = hidden
			}
		}
		n.others = append(n.others, at)
		return at
	}
	return nil
}

// sighting is a packet's line at an interface.
func sighting(number int, p *capture.Packet) string {
	way := "out"
	if p.Direction == capture.In {
		way = "in"
	}
	text := fmt.Sprintf("%d %s ", number, way)
	switch {
	case p.ARP != nil && p.ARP.Op == 1:
		return text + fmt.Sprintf("who has %s, tell %s", p.ARP.TargetIP, p.ARP.SenderIP)
	case p.ARP != nil:
		return text + fmt.Sprintf("%s is at %s", p.ARP.SenderIP, p.ARP.SenderMAC)
	case !p.Src.IsValid():
		return text + fmt.Sprintf("%s > %s", p.SrcMAC, p.DstMAC)
	}
	return text + fmt.Sprintf("ttl %d  %s > %s", p.TTL, end(p.Src, p.SrcPort), end(p.Dst, p.DstPort))
}

func end(a netip.Addr, port uint16) string {
	if port == 0 {
		return a.String()
	}
	return netip.AddrPortFrom(a, port).String()
}

// legs connects the sightings of a packet: over a cable to its other end, in a
// node from where it came in to where it went out. A flooded packet branches.
func (g *Graph) legs(hops []*capture.Packet, seen *capture.Packet) []leg {
	var legs []leg
	at := make([]*plug, len(hops))
	for i, p := range hops {
		at[i] = g.at(p)
	}
	continued := make([]bool, len(hops))
	for i, p := range hops {
		from, to := -1, at[i]
		for j := i - 1; j >= 0 && to != nil; j-- {
			if q := at[j]; q != nil && leads(hops[j], p, q, to) && (from < 0 || nearer(hops[j], hops[from], p, q, to)) {
				from = j
			}
		}
		if from >= 0 {
			continued[from] = true
			legs = append(legs, leg{from: at[from], to: to})
		}
	}
	for i, p := range hops {
		if at[i] != nil && (p == seen || !continued[i] && p.Direction == capture.Out && at[i].peer != nil) {
			legs = append(legs, leg{from: at[i], out: p.Direction == capture.Out, ended: p == seen})
		}
	}
	return legs
}

// leads tells whether a sighting can be the one after another.
func leads(before, after *capture.Packet, from, to *plug) bool {
	switch {
	case before.Direction == capture.Out && after.Direction == capture.In:
		return from.peer == to
	case before.Direction == capture.Out: // by a bridge out of one of its ports
		return after.Direction == capture.Out && to.master == from
	case after.Direction == capture.In: // by a port to its bridge
		return from.master != nil && from.master == to
	}
	return from.node == to.node
}

// nearer tells whether a sighting is the better one to come before another than
// one that is later: between ports of a bridge the packet does not pass the
// bridge's own interface.
func nearer(earlier, later, after *capture.Packet, from, to *plug) bool {
	return after.Direction == capture.Out && to.master != nil && earlier.Direction == capture.In &&
		from.master == to.master && later.Interface == to.master.link.Name
}

// legend says what a way is.
func (g *Graph) legend(i int) string {
	w := g.ways[i]
	text := fmt.Sprintf("%d", w.first)
	if w.last > w.first {
		text = fmt.Sprintf("%d to %d", w.first, w.last)
	}
	text += ": " + w.Packet
	if w.Died {
		text += fmt.Sprintf(", ended in %s: %s; %s", g.verdict.Node, g.phrase(), explain.LastSeen(g.verdict.Seen))
	}
	return text
}
