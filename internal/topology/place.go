package topology

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/draw"
)

// rect is a place in the picture; inside a node, relative to it.
type rect struct{ x, y, width, height float64 }

// Sizes in pixels.
const (
	line    = 14.0 // from one line of text to the next
	pad     = 8.0
	middle  = 44.0 // free in a node, for the ways through it
	channel = 84.0 // between two columns
)

// drawing is a graph with everything in its place.
type drawing struct {
	*Graph
	seen   map[string]bool // addresses of packets that were seen
	routes map[*cable][]draw.Point
	height float64
	width  float64
}

// lines are an interface's lines of text: name and MAC, then addresses.
func (d *drawing) lines(p *plug) [][]draw.Run {
	first := []draw.Run{{Class: "name", Text: p.link.Name}}
	if p.link.MAC != "" && p.link.Name != "lo" {
		first = append(first, draw.Run{Class: "soft", Text: p.link.MAC})
	}
	bad, other := p.state()
	if len(bad) > 0 {
		first = append(first, draw.Run{Class: "bad", Text: strings.Join(bad, " ")})
	}
	if len(other) > 0 {
		first = append(first, draw.Run{Class: "soft", Text: strings.Join(other, ", ")})
	}
	all := [][]draw.Run{first}
	for _, a := range p.addresses(d.seen) {
		all = append(all, []draw.Run{{Class: "address", Text: a}})
	}
	for i, s := range p.says {
		if i == mostSaid-1 && len(p.says) > mostSaid {
			all = append(all, []draw.Run{{Class: "soft", Text: more(len(p.says) - i)}})
			break
		}
		for _, text := range broken(s.text) {
			all = append(all, []draw.Run{{Class: "say" + string(rune('0'+s.way)), Text: text}})
		}
	}
	return all
}

// broken puts the second address of a long line, as those of IPv6 are, on a line
// of its own.
func broken(text string) []string {
	const long = 46
	first, second, ok := strings.Cut(text, " > ")
	if !ok || len(text) <= long {
		return []string{text}
	}
	return []string{first, "    > " + second}
}

// mostSaid is how many sightings an interface lists: a packet in a loop comes by
// sixty times.
const mostSaid = 8

func widest(lines [][]draw.Run) float64 {
	most := 0.0
	for _, l := range lines {
		width := 0.0
		for i, r := range l {
			width += draw.Width(r.Text)
			if i > 0 {
				width += draw.Width(" ")
			}
		}
		most = math.Max(most, width)
	}
	return most
}

// inside places what is in a node's box, and finds out how large that is.
func (d *drawing) inside(n *node) {
	for _, p := range n.plugs() {
		lines := d.lines(p)
		p.box.width, p.box.height = widest(lines)+2*pad, float64(len(lines))*line+6
	}
	left, right := 0.0, 0.0
	title := math.Max(draw.Width(n.name)*1.2, 40)
	for _, note := range n.notes {
		title = math.Max(title, draw.Width("x "+note))
	}
	for _, p := range n.plugs() {
		switch {
		case p.frames():
		case p.left:
			left = math.Max(left, p.box.width)
		default:
			right = math.Max(right, p.box.width)
		}
	}
	width := left + right
	if left > 0 && right > 0 || d.turns(n) {
		width += middle
	}
	// What comes by a bridge's own interface passes on the left of it.
	own := 2.5 * pad
	if d.turns(n) {
		own = left + middle
	}
	for _, p := range n.plugs() {
		if p.frames() {
			width = math.Max(width, own+p.box.width+2.5*pad)
		}
	}
	width = math.Max(width, title+2*pad)
	y := pad + line + float64(len(n.notes))*line + 4
	column := func(plugs []*plug) {
		l, r := y, y
		for _, p := range plugs {
			if p.left {
				p.box.x, p.box.y = 0, l
				l += p.box.height + 4
			} else {
				p.box.x, p.box.y = width-p.box.width, r
				r += p.box.height + 4
			}
		}
		y = math.Max(l, r)
	}
	var bridge func(b *plug, indent float64)
	bridge = func(b *plug, indent float64) {
		top := y
		b.box.x, b.box.y = math.Max(own, indent+pad), y+5
		y += b.box.height + 11
		var plain []*plug
		for _, p := range b.ports {
			if len(p.ports) > 0 {
				bridge(p, indent+6)
			} else {
				plain = append(plain, p)
			}
		}
		column(plain)
		b.around = rect{indent, top, width - 2*indent, y - top + 4}
		y += pad + 4
	}
	for _, b := range n.bridges {
		bridge(b, 10)
	}
	column(n.others)
	n.box.width, n.box.height = width, y+5
}

// turns tells whether a way goes through the node by interfaces on one side.
func (d *drawing) turns(n *node) bool {
	for _, w := range d.ways {
		for _, l := range w.legs {
			if l.from.node == n && (l.ended || l.to != nil && l.to.node == n) {
				return true
			}
		}
	}
	return false
}

// jack is where the cable leaves the node's box, relative to it.
func (p *plug) jack() draw.Point {
	at := draw.Point{X: 0, Y: p.box.y + line/2 + 3}
	if !p.left {
		at.X = p.node.box.width
	}
	return at
}

// place gives everything its place.
func (g *Graph) place() *drawing {
	g.inOrder()
	d := &drawing{Graph: g, seen: g.seen(), routes: map[*cable][]draw.Point{}}
	d.height = top
	for _, part := range g.components() {
		d.part(part)
	}
	return d
}

// seen are the addresses that packets had which are drawn.
func (g *Graph) seen() map[string]bool {
	seen := map[string]bool{}
	for _, w := range g.ways {
		for _, p := range w.Hops {
			seen[p.Src.String()], seen[p.Dst.String()] = true, true
			if p.ND != nil {
				seen[p.ND.Target.String()] = true
			}
		}
	}
	return seen
}

// top is where the picture begins, below its title.
const top = 40.0

// part places the nodes that hang together below what is placed already.
func (d *drawing) part(nodes []*node) {
	layer := layers(nodes, d.ways)
	count := 0
	for _, l := range layer {
		count = max(count, l+1)
	}
	where := fold(count, len(nodes))
	list := make(columns, count)
	placed := map[*box]bool{}
	add := func(b *box) *box {
		if !placed[b] {
			placed[b] = true
			b.column, b.band = where(b.layer)
			list[b.layer] = append(list[b.layer], b)
		}
		return b
	}
	for _, n := range nodes {
		n.box = &box{node: n, layer: layer[n]}
	}
	done := map[*node]bool{}
	routes := map[*cable][]*box{}
	var visit func(n *node)
	visit = func(n *node) {
		done[n] = true
		add(n.box)
		for _, p := range ranked(n) {
			if p.peer == nil || routes[p.cable] != nil || p.peer.node == n {
				continue
			}
			routes[p.cable] = d.join(p, add)
			add(p.peer.node.box)
		}
		for _, next := range n.neighbours() {
			if !done[next] {
				visit(next)
			}
		}
	}
	for _, n := range nodes {
		if !done[n] {
			visit(n)
		}
	}
	for _, n := range nodes {
		for _, p := range n.plugs() {
			p.left = p.peer != nil && d.leaves(p, routes[p.cable])
		}
	}
	list.arrange()
	for _, n := range nodes {
		n.sortPlugs()
	}
	for _, n := range nodes {
		d.inside(n)
	}
	list.settle()
	d.spreadOut(list)
	for c, through := range routes {
		d.routes[c] = route(c, through)
	}
	for _, n := range nodes {
		for _, p := range n.plugs() {
			if p.cable != nil && d.routes[p.cable] == nil {
				d.routes[p.cable] = bow(p.cable)
			}
		}
	}
}

// ranked are the node's interfaces in the kernel's order.
func ranked(n *node) []*plug {
	plugs := n.plugs()
	slices.SortStableFunc(plugs, func(a, b *plug) int { return cmp.Compare(a.rank, b.rank) })
	return plugs
}

// join joins the boxes at the ends of a plug's cable, by way of one box in each
// layer between. It returns all of them, from end a of the cable to b.
func (d *drawing) join(p *plug, add func(*box) *box) []*box {
	from, to := p.node.box, p.peer.node.box
	chain := []*box{from}
	step := 1
	if to.layer < from.layer {
		step = -1
	}
	for l := from.layer + step; l != to.layer && to.layer != from.layer; l += step {
		chain = append(chain, add(&box{layer: l, height: 6}))
	}
	chain = append(chain, to)
	for i := 1; i < len(chain); i++ {
		a, b := chain[i-1], chain[i]
		a.links = append(a.links, join{b, depth(a, p), depth(b, p.peer), float64(p.rank)})
		b.links = append(b.links, join{a, depth(b, p.peer), depth(a, p), float64(p.peer.rank)})
	}
	if p.cable.a != p {
		slices.Reverse(chain)
	}
	return chain
}

// depth is how far down a box the cable of a plug is.
func depth(b *box, p *plug) func() float64 {
	if b.node == nil {
		return func() float64 { return b.height / 2 }
	}
	return func() float64 { return p.jack().Y }
}

// leaves tells whether the cable of a plug leaves the node on the left.
func (d *drawing) leaves(p *plug, through []*box) bool {
	if through == nil {
		return false // between two interfaces of one node
	}
	from, next := through[0], through[1]
	if p.cable.b == p {
		from, next = through[len(through)-1], through[len(through)-2]
	}
	if next.column == from.column { // round the bend of a folded chain
		return min(next.band, from.band)%2 == 1 && next.band != from.band
	}
	return next.column < from.column
}

// sortPlugs orders the interfaces of a node by where their cables lead.
func (n *node) sortPlugs() {
	order := func(p *plug) float64 {
		if p.peer == nil || p.peer.node == n {
			return math.Inf(1)
		}
		for _, j := range n.box.links {
			if j.rank == float64(p.rank) {
				return 1000*float64(j.to.band) + j.to.order
			}
		}
		return math.Inf(1)
	}
	by := func(a, b *plug) int { return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.rank, b.rank)) }
	for _, b := range n.plugs() {
		slices.SortStableFunc(b.ports, by)
	}
	slices.SortStableFunc(n.others, by)
}

// spreadOut puts columns beside each other and bands below each other.
func (d *drawing) spreadOut(list columns) {
	widths := map[int]float64{}
	steep := map[int]float64{} // of the cables right of each column
	bandTop, bandEnd, bands := map[int]float64{}, map[int]float64{}, 0
	for _, boxes := range list {
		for _, b := range boxes {
			widths[b.column] = math.Max(widths[b.column], b.width)
			bands = max(bands, b.band+1)
			if _, ok := bandTop[b.band]; !ok {
				bandTop[b.band] = math.Inf(1)
			}
			bandTop[b.band] = math.Min(bandTop[b.band], b.y)
			bandEnd[b.band] = math.Max(bandEnd[b.band], b.y+b.height)
			for _, j := range b.links {
				if j.to.band == b.band {
					c := min(b.column, j.to.column)
					steep[c] = math.Max(steep[c], math.Abs(b.y+j.mine()-j.to.y-j.that()))
				}
			}
		}
	}
	left := map[int]float64{}
	x := float64(pad) + 4
	if bands > 1 {
		x += channel
	}
	for c := range len(widths) {
		left[c] = x
		x += widths[c] + channel + math.Min(steep[c]/8, 90)
		d.width = math.Max(d.width, left[c]+widths[c])
	}
	for _, boxes := range list {
		for _, b := range boxes {
			if b.node == nil {
				b.width = widths[b.column]
			}
			b.x = left[b.column] + (widths[b.column]-b.width)/2
		}
	}
	shift := d.height
	for band := range bands {
		for _, boxes := range list {
			for _, b := range boxes {
				if b.band == band {
					b.y += shift - bandTop[band]
				}
			}
		}
		shift += bandEnd[band] - bandTop[band] + 40
	}
	d.height = shift - 10
}

func more(count int) string { return "and " + plural(count, "sighting") + " more" }
