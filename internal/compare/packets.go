package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/journal"
)

// packets are what was seen on the wire, packet by packet: where it set out,
// what it was, and its way.
func (f facts) packets(lab int, step *journal.Step, quiet map[flightOf]bool, hashed hashedWays) {
	streams := streamsOf(step)
	flights := map[int][]journal.Packet{}
	var numbers []int
	type side struct {
		at, direction string
		during        int
	}
	order := map[side][]string{}
	for _, p := range step.Packets {
		if ignoredPacket(p) || quiet[flightOf{step, p.Flight}] {
			continue
		}
		if flights[p.Flight] == nil {
			numbers = append(numbers, p.Flight)
		}
		flights[p.Flight] = append(flights[p.Flight], p)
	}
	for _, p := range step.Packets {
		// In which order a test asks is its own matter, and that of its programs.
		if p.During > 0 && !p.After && !uncounted(p) && !ignoredPacket(p) && !hashed.taken(flights[p.Flight]) {
			at := side{p.At, p.Direction, p.During}
			order[at] = append(order[at], fmt.Sprintf("%s %s > %s", p.Kind, p.Src, p.Dst))
		}
	}
	for _, n := range numbers {
		first := flights[n][0]
		node, _, _ := strings.Cut(first.At, ":")
		line := ""
		if d := first.During; d > 0 && d <= len(step.Verbs) {
			line = step.Verbs[d-1].Line
		}
		p := place{Kind: Packets, Lab: lab, Step: step.Name, Node: node, What: first.Kind}
		hops := flights[n]
		if streams.has(first) {
			p.What = fmt.Sprintf("%s, %s > %s", streamSegments, first.Src, first.Dst)
			hops = plain(hops)
		}
		if isRedirect(first) {
			hops = withoutQuote(hops)
		}
		hops = hashed.plain(hops)
		way := sightings(hops)
		if uncounted(first) && f[p] != nil && slices.Contains(f[p].values, way) {
			continue
		}
		f.add(p, way, line)
		f[p].told[way] = wayOf(hops)
	}
	for at, kinds := range order {
		if at.during > len(step.Verbs) {
			continue // of a journal that somebody has edited
		}
		v := step.Verbs[at.during-1]
		node, iface, _ := strings.Cut(at.at, ":")
		what := fmt.Sprintf("%s %s, question %d (%s %s)", iface, at.direction, at.during, v.Verb, v.To)
		f.set(place{Order, lab, step.Name, node, what, "order of packets"}, strings.Join(kinds, ", then "), v.Line)
	}
}

// sightings are those of one packet in an order that does not depend on time: the
// branches of a flood go on side by side, on any processor.
func sightings(hops []journal.Packet) string {
	all := make([]string, len(hops))
	for i, h := range hops {
		all[i] = fmt.Sprintf("%s %s %s > %s ttl %d %s", h.At, h.Direction, h.Src, h.Dst, h.TTL, h.Detail)
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// wayOf is one packet with its way in one line, as it was seen. What does not
// change on the way is said once.
func wayOf(hops []journal.Packet) string {
	var b strings.Builder
	var before journal.Packet
	for i, h := range hops {
		if i > 0 {
			b.WriteString(", then ")
		}
		if ends := h.Src + " > " + h.Dst; h.Src != "" && (i == 0 || ends != before.Src+" > "+before.Dst) {
			b.WriteString(ends + " ")
		}
		fmt.Fprintf(&b, "%s %s", h.Direction, h.At)
		if h.TTL != before.TTL {
			fmt.Fprintf(&b, " ttl %d", h.TTL)
		}
		if h.Detail != "" && h.Detail != before.Detail {
			fmt.Fprintf(&b, " (%s)", h.Detail)
		}
		before = h
	}
	return b.String()
}

// plain are the sightings without what differs from segment to segment.
func plain(hops []journal.Packet) []journal.Packet {
	hops = slices.Clone(hops)
	for i := range hops {
		hops[i].Kind, hops[i].Detail = streamSegments, ""
	}
	return hops
}

// hasUncounted tells whether the lab had packets whose number tells nothing.
func hasUncounted(lab *journal.Lab) bool {
	return slices.ContainsFunc(lab.Steps, func(s *journal.Step) bool { return slices.ContainsFunc(s.Packets, uncounted) })
}
