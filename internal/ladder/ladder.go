package ladder

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/internal/explain"
)

// Story is what is to be drawn.
type Story struct {
	Title    string
	Chapters []Chapter
	// Facts have the cables, and the order of nodes and interfaces.
	Facts *explain.Facts
	// Case and Verdict are of the exchange that a failure was explained by; nil
	// for none.
	Case    *explain.Case
	Verdict *explain.Verdict
}

// Chapter is a part of the story with a heading, which may be empty.
type Chapter struct {
	Heading string
	Packets []*capture.Packet // in order of time
}

// Bounds of a diagram, which is read from above to below: of longer stories the
// end is drawn, since that is where a test fails.
const (
	mostRows  = 150
	mostLines = 24
)

// diagram is a story in rows and life lines.
type diagram struct {
	Story
	lines []*lifeline
	rows  []row
	names capture.Names
}

// summary says what a packet is, with the nodes that have its addresses.
func (d *diagram) summary(p *capture.Packet) string { return p.Summary(d.names) }

// lifeline is an interface.
type lifeline struct {
	node, name string
	x          float64
}

func (l *lifeline) where() string { return l.node + ":" + l.name }

// row is a line of the diagram: an arrow, a heading, or a note.
type row struct {
	heading, note string
	end           bool // the note says how the packet ended that the verdict is about

	packet   *capture.Packet // as it went out, or where that was not seen as it came in
	from, to *lifeline       // nil for a place that is not drawn
	lost     bool            // it went out and did not come in
	kind     string          // of the way that it belongs to, "" for none
	at       string
}

// lay makes rows and life lines of the story.
func (s Story) lay() *diagram {
	d := &diagram{Story: s, names: s.Facts.Names()}
	shown := d.choose()
	ways := d.ways()
	unrecorded := map[string]bool{}
	for _, n := range s.Facts.Nodes {
		unrecorded[n.Name] = n.Unrecorded
	}
	var first time.Time
	total, skip := 0, 0
	for _, c := range s.Chapters {
		total += len(d.arrows(c.Packets))
		if first.IsZero() && len(c.Packets) > 0 {
			first = c.Packets[0].Time
		}
	}
	skip = max(0, total-mostRows)
	for _, c := range s.Chapters {
		arrows := d.arrows(c.Packets)
		if c.Heading != "" {
			d.rows = append(d.rows, row{heading: c.Heading})
		}
		if left := min(skip, len(arrows)); left > 0 {
			d.rows = append(d.rows, row{note: fmt.Sprintf("%d packets over cables are left out here; story.txt has all", left)})
			arrows, skip = arrows[left:], skip-left
		}
		hidden := 0
		tell := func() {
			if hidden > 0 {
				d.rows = append(d.rows, row{note: fmt.Sprintf("%d more at interfaces that are not drawn", hidden)})
			}
			hidden = 0
		}
		for _, a := range arrows {
			r := row{packet: a.packet(), from: shown[a.from], to: shown[a.to], at: clock(first, a.packet())}
			if r.from == nil && r.to == nil {
				hidden++
				continue
			}
			tell()
			ended := false
			r.lost = a.out != nil && a.in == nil && a.to != "" && !unrecorded[nodeOf(a.to)]
			for _, p := range []*capture.Packet{a.out, a.in} {
				if p == nil {
					continue
				}
				r.kind = cmp.Or(r.kind, ways[p])
				ended = ended || s.Verdict != nil && p == s.Verdict.Seen
			}
			d.rows = append(d.rows, r)
			if ended {
				at := r.to
				if s.Verdict.Seen.Direction == capture.Out {
					at = r.from
				}
				d.rows = append(d.rows, row{note: d.end(), end: true, to: at})
			}
		}
		tell()
	}
	return d
}

func clock(first time.Time, p *capture.Packet) string {
	return fmt.Sprintf("%.3f ms", float64(p.Time.Sub(first))/float64(time.Millisecond))
}

// end says how the packet ended that the verdict is about.
func (d *diagram) end() string {
	v := d.Verdict
	text := fmt.Sprintf("%s ended in %s: %s", v.Packet, v.Node, v.End)
	if v.Detail != "" {
		text += " (" + v.Detail + ")"
	}
	return text
}

// ways are the numbers of the ways, as in the picture of the topology, by
// sighting.
func (d *diagram) ways() map[*capture.Packet]string {
	of := map[*capture.Packet]string{}
	if d.Case == nil || d.Verdict == nil {
		return of
	}
	for i, w := range d.Case.Ways(*d.Verdict) {
		for _, p := range w.Hops {
			of[p] = fmt.Sprint(i % 4)
		}
	}
	return of
}

// arrow is a packet on a cable: seen as it went out, as it came in, or both.
type arrow struct {
	out, in  *capture.Packet
	from, to string // "node:interface"; "" where the cable is not known
}

func (a arrow) packet() *capture.Packet {
	if a.out != nil {
		return a.out
	}
	return a.in
}

// arrows joins the sightings of packets at both ends of cables.
func (d *diagram) arrows(packets []*capture.Packet) []arrow {
	peers := d.peers()
	var all []arrow
	open := map[string][]int{} // arrows that have not come in, by where they would
	for _, p := range packets {
		if p.Direction == capture.Out {
			a := arrow{out: p, from: p.Where(), to: peers[p.Where()]}
			if a.to != "" {
				open[a.to] = append(open[a.to], len(all))
			}
			all = append(all, a)
			continue
		}
		joined := false
		for i, n := range open[p.Where()] {
			if string(all[n].out.Data) == string(p.Data) {
				all[n].in, joined = p, true
				open[p.Where()] = slices.Delete(open[p.Where()], i, i+1)
				break
			}
		}
		if !joined {
			all = append(all, arrow{in: p, from: peers[p.Where()], to: p.Where()})
		}
	}
	// Where a packet came to its bridge, or went out of it, that is no cable: the
	// same packet is drawn at the port.
	return slices.DeleteFunc(all, func(a arrow) bool { return d.isBridge(a.packet()) })
}

// isBridge tells whether a sighting is at the own interface of a bridge.
func (d *diagram) isBridge(p *capture.Packet) bool {
	for _, n := range d.Facts.Nodes {
		if n.Name == p.Node {
			for _, l := range n.Links {
				if l.Master == p.Interface {
					return true
				}
			}
		}
	}
	return false
}

// peers are the other ends of cables, by interface.
func (d *diagram) peers() map[string]string {
	peers := map[string]string{}
	for _, n := range d.Facts.Nodes {
		for _, l := range n.Links {
			if l.Peer != "" {
				peers[n.Name+":"+l.Name] = l.Peer
			}
		}
	}
	return peers
}

// choose picks the interfaces that get a life line: those of the exchange that
// failed, then those at which the most was seen.
func (d *diagram) choose() map[string]*lifeline {
	weight := map[string]int{}
	at := map[string]*lifeline{}
	count := func(p *capture.Packet, w int) {
		if d.isBridge(p) {
			return
		}
		weight[p.Where()] += w
		at[p.Where()] = &lifeline{node: p.Node, name: p.Interface}
	}
	for _, c := range d.Chapters {
		for _, p := range c.Packets {
			count(p, 1)
		}
	}
	if d.Case != nil && d.Verdict != nil {
		for _, w := range d.Case.Ways(*d.Verdict) {
			for i, p := range w.Hops {
				count(p, 1_000_000/(i+1)) // a flooded packet has most of its sightings elsewhere
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(at), func(a, b string) int {
		return cmp.Or(cmp.Compare(weight[b], weight[a]), cmp.Compare(a, b))
	})
	shown := map[string]*lifeline{}
	for _, name := range names[:min(len(names), mostLines)] {
		shown[name] = at[name]
	}
	d.order(shown)
	return shown
}

// order puts life lines beside each other so that arrows are short: along the
// way of the exchange's packets, then along the cables, those of a node together.
func (d *diagram) order(shown map[string]*lifeline) {
	var nodes []string
	add := func(node string) {
		if !slices.Contains(nodes, node) {
			nodes = append(nodes, node)
		}
	}
	if d.Case != nil && d.Verdict != nil {
		for _, w := range d.Case.Ways(*d.Verdict) {
			for _, p := range w.Hops {
				add(p.Node)
			}
		}
	}
	peers := d.peers()
	for i := 0; i <= len(d.Facts.Nodes); i++ {
		// What hangs on the nodes so far, else the next one.
		for k := 0; k < len(nodes); k++ {
			for _, n := range d.Facts.Nodes {
				for _, l := range n.Links {
					if l.Peer != "" && n.Name == nodes[k] {
						add(nodeOf(peers[n.Name+":"+l.Name]))
					}
				}
			}
		}
		if i < len(d.Facts.Nodes) {
			add(d.Facts.Nodes[i].Name)
		}
	}
	for _, where := range slices.Sorted(maps.Keys(shown)) { // those that the facts lack
		add(shown[where].node)
	}
	place := func(node string) int { return slices.Index(nodes, node) }
	for _, l := range shown {
		d.lines = append(d.lines, l)
	}
	rank := map[string]int{}
	for _, n := range d.Facts.Nodes {
		for i, l := range n.Links {
			rank[n.Name+":"+l.Name] = i
		}
	}
	// In a node, interfaces stand on the side of their other ends.
	side := func(l *lifeline) int {
		peer := peers[l.where()]
		if peer == "" {
			return 0
		}
		return cmp.Compare(place(nodeOf(peer)), place(l.node))
	}
	slices.SortFunc(d.lines, func(a, b *lifeline) int {
		return cmp.Or(cmp.Compare(place(a.node), place(b.node)), cmp.Compare(side(a), side(b)), cmp.Compare(rank[a.where()], rank[b.where()]), cmp.Compare(a.name, b.name))
	})
}

// nodeOf is the node of "node:interface"; names of nodes hold no colon.
func nodeOf(where string) string {
	for i := range where {
		if where[i] == ':' {
			return where[:i]
		}
	}
	return where
}
