package topology

import (
	"fmt"
	"slices"

	"github.com/netrig/netrig/internal/draw"
	"github.com/netrig/netrig/internal/explain"
)

// SVG is the network as a picture.
func (g *Graph) SVG() string {
	d := g.place()
	p := draw.New(g.title, g.describe())
	p.Text("head", 12, 22, g.title)
	for _, n := range g.nodes {
		d.frame(p, n)
	}
	for _, c := range g.cables {
		class := "cable"
		if c.bad() {
			class = "cable-bad"
		}
		p.Begin(c.a.where() + " to " + c.b.where())
		p.Line(class, d.routes[c]...)
		p.End()
	}
	for _, n := range g.nodes {
		d.plates(p, n)
	}
	for i := range g.ways {
		d.way(p, i)
	}
	for _, n := range g.nodes {
		d.texts(p, n)
	}
	d.legends(p)
	return p.String()
}

// frame draws the boxes of a node and its bridges.
func (d *drawing) frame(p *draw.Picture, n *node) {
	class := "box"
	if n.died {
		class = "dead"
	}
	p.Rect(class, n.box.x, n.box.y, n.box.width, n.box.height)
	for _, b := range n.plugs() {
		if b.frames() {
			p.Rect("bridge", n.box.x+b.around.x, n.box.y+b.around.y, b.around.width, b.around.height)
		}
	}
}

// frames tells whether an interface is drawn around others.
func (p *plug) frames() bool { return len(p.ports) > 0 || p.link.Kind == "bridge" }

// plates draws the boxes of interfaces.
func (d *drawing) plates(p *draw.Picture, n *node) {
	for _, i := range n.plugs() {
		class := "plug"
		if bad, _ := i.state(); len(bad) > 0 {
			class = "plug-bad"
		}
		p.Rect(class, n.box.x+i.box.x, n.box.y+i.box.y, i.box.width, i.box.height)
	}
}

// texts writes what stands in a node.
func (d *drawing) texts(p *draw.Picture, n *node) {
	x, y := n.box.x, n.box.y
	p.Text("head", x+pad, y+pad+line-4, n.name)
	for i, note := range n.notes {
		mark, class := "✕ ", "bad"
		if !n.died {
			mark, class = "● ", "good"
		}
		p.Text(class, x+pad, y+pad+line+float64(i+1)*line-4, mark+note)
	}
	for _, i := range n.plugs() {
		for k, runs := range d.lines(i) {
			p.Runs(x+i.box.x+pad, y+i.box.y+line+float64(k)*line-1, runs...)
		}
	}
}

// way draws a packet's way over the cables and through the nodes.
func (d *drawing) way(p *draw.Picture, number int) {
	kind := string(rune('0' + number%kinds))
	// Packets keep to the right, those that go the same way side by side.
	shift := []float64{3, 3, 6.5, 6.5}[number%kinds]
	for _, l := range d.ways[number].legs {
		p.Begin(d.legend(number))
		switch {
		case l.to != nil && l.from.peer == l.to && l.from.node != l.to.node || l.to != nil && l.from.peer == l.to && l.out:
			points := beside(d.cable(l.from), shift)
			p.Line("way"+kind, points...)
			half := part(points, 0.55)
			p.Arrow("tip"+kind, half[len(half)-2], half[len(half)-1])
		case l.to != nil:
			points := beside(d.through(l.from, l.to), shift)
			p.Line("way"+kind, points...)
		case l.out && l.from.peer != nil:
			points := beside(part(d.cable(l.from), 0.5), shift)
			p.Line("way"+kind, points...)
			if l.ended {
				d.ended(p, points[len(points)-1])
			}
		case l.ended:
			at := d.inner(l.from)
			tip := draw.Point{X: at.X + 16, Y: at.Y}
			if !l.from.left || l.from.frames() {
				tip.X = at.X - 16
			}
			p.Line("way"+kind, beside([]draw.Point{at, tip}, shift)...)
			d.ended(p, tip)
		}
		p.End()
	}
}

// ended marks the end of the packet that the verdict is about; one that was
// accepted has not died.
func (d *drawing) ended(p *draw.Picture, at draw.Point) {
	if d.verdict.End != explain.Accepted {
		p.Cross("cross", at)
	}
}

// cable is the line of a plug's cable as seen from there.
func (d *drawing) cable(from *plug) []draw.Point {
	points := slices.Clone(d.routes[from.cable])
	if from.cable.b == from {
		slices.Reverse(points)
	}
	return points
}

// inner is where a way enters or leaves an interface inside of its node.
func (d *drawing) inner(p *plug) draw.Point {
	x, y := p.node.box.x+p.box.x, p.node.box.y+p.box.y
	switch {
	case p.left && !p.frames():
		return draw.Point{X: x + p.box.width, Y: y + line/2 + 3}
	}
	return draw.Point{X: x, Y: y + line/2 + 3}
}

// through is the line through a node from one interface to another.
func (d *drawing) through(from, to *plug) []draw.Point {
	a, b := d.inner(from), d.inner(to)
	side := func(p *plug) float64 {
		if p.left && !p.frames() {
			return middle / 2
		}
		return -middle / 2
	}
	return append([]draw.Point{a}, curve(a, draw.Point{X: a.X + 2*side(from), Y: a.Y}, draw.Point{X: b.X + 2*side(to), Y: b.Y}, b)...)
}

// legends says below the network what the ways are.
func (d *drawing) legends(p *draw.Picture) {
	y := d.height + 4
	for i, w := range d.ways {
		kind := string(rune('0' + i%kinds))
		p.Line("way"+kind, draw.Point{X: 12, Y: y - 4}, draw.Point{X: 52, Y: y - 4})
		p.Arrow("tip"+kind, draw.Point{X: 12, Y: y - 4}, draw.Point{X: 58, Y: y - 4})
		class := "say" + kind
		if w.Died && d.verdict.End != explain.Accepted {
			class = "bad"
		}
		p.Runs(66, y, draw.Run{Class: class, Text: d.legend(i)})
		y += line + 2
	}
	if d.verdict != nil && !slices.ContainsFunc(d.ways, func(w way) bool { return w.Died }) {
		p.Text("bad", 12, y, fmt.Sprintf("✕ %s ended in %s: %s", d.verdict.Packet, d.verdict.Node, d.phrase()))
		y += line + 2
	}
	if d.verdict != nil && len(d.verdict.Cause) > 0 {
		p.Text("soft", 12, y, d.verdict.Cause[0])
	}
}
