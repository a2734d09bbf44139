package ladder

import (
	"fmt"
	"math"

	"github.com/netrig/netrig/internal/draw"
	"github.com/netrig/netrig/internal/explain"
)

// Sizes in pixels.
const (
	top       = 40.0
	rowHeight = 26.0
	clockEnd  = 92.0 // right end of the times
	between   = 120.0
)

// SVG is the story as a picture.
func (s Story) SVG() string {
	d := s.lay()
	p := draw.New(s.Title, d.describe())
	p.Text("head", 12, 22, s.Title)
	if len(d.lines) == 0 {
		p.Text("soft", 12, top+10, "no packet was seen")
		return p.String()
	}
	right := d.columns()
	bottom := top + 46 + float64(len(d.rows))*rowHeight
	for _, l := range d.lines {
		p.Line("life", draw.Point{X: l.x, Y: top + 26}, draw.Point{X: l.x, Y: bottom})
	}
	d.heads(p)
	y := top + 46
	for _, r := range d.rows {
		y += rowHeight
		switch {
		case r.heading != "":
			p.Line("rule", draw.Point{X: 12, Y: y - 14}, draw.Point{X: right, Y: y - 14})
			p.Text("head halo", 12, y, r.heading)
		case r.end:
			class, text := "bad halo", "✕ "+r.note
			if d.Verdict.End == explain.Accepted {
				class, text = "good halo", "● "+r.note
			}
			x := clockEnd + 12
			if r.to != nil {
				if x = r.to.x + 12; x+draw.Width(text) > right {
					x = math.Max(clockEnd+12, r.to.x-12-draw.Width(text))
				}
			}
			p.Text(class, x, y-2, text)
			if r.to != nil && d.Verdict.End != explain.Accepted {
				p.Cross("cross", draw.Point{X: r.to.x, Y: y - 6})
			}
		case r.note != "":
			p.Text("soft halo", clockEnd+12, y-2, r.note)
		default:
			d.arrow(p, r, y, right)
		}
	}
	return p.String()
}

// columns gives each life line its place, and returns the right end.
func (d *diagram) columns() float64 {
	x := clockEnd + 12.0
	for i, l := range d.lines {
		half := math.Max(draw.Width(l.name), 40)/2 + 8
		if i > 0 {
			last := d.lines[i-1]
			gap := math.Max(between, half+math.Max(draw.Width(last.name), 40)/2+16)
			if last.node == l.node {
				gap = math.Max(gap/2, half+math.Max(draw.Width(last.name), 40)/2+4)
			}
			x = last.x + gap
		} else {
			x += half
		}
		l.x = x
	}
	// Room for what is said of an arrow.
	widest := 0.0
	for _, r := range d.rows {
		if r.packet != nil {
			widest = math.Max(widest, draw.Width(d.summary(r.packet)))
		}
		widest = math.Max(widest, draw.Width(r.note)+24)
	}
	return math.Max(x+60, clockEnd+24+math.Min(widest, 1400))
}

// heads names the nodes and interfaces above their life lines.
func (d *diagram) heads(p *draw.Picture) {
	for i := 0; i < len(d.lines); {
		last := i
		for last+1 < len(d.lines) && d.lines[last+1].node == d.lines[i].node {
			last++
		}
		node := d.lines[i].node
		left, right := d.lines[i].x-draw.Width(d.lines[i].name)/2-8, d.lines[last].x+draw.Width(d.lines[last].name)/2+8
		if want := draw.Width(node)*1.15 + 12; right-left < want {
			middle := (left + right) / 2
			left, right = middle-want/2, middle+want/2
		}
		p.Rect("box", left, top-8, right-left, 38)
		p.Text("head", (left+right)/2-draw.Width(node)/2, top+6, node)
		for ; i <= last; i++ {
			l := d.lines[i]
			p.Text("soft", l.x-draw.Width(l.name)/2, top+22, l.name)
		}
	}
}

// fit moves a text that would go over the right end to the left.
func (d *diagram) fit(x float64, text string, right float64) float64 {
	return math.Max(clockEnd+12, math.Min(x, right-draw.Width(text)))
}

// stub is how long the arrow is of a packet whose other end is not drawn.
const stub = 46.0

// arrow draws a packet.
func (d *diagram) arrow(p *draw.Picture, r row, y, right float64) {
	line, tip, say := "plain", "tip-plain", "address"
	if r.kind != "" {
		line, tip, say = "way"+r.kind, "tip"+r.kind, "say"+r.kind
	}
	from, to := draw.Point{Y: y}, draw.Point{Y: y}
	switch {
	case r.from != nil && r.to != nil:
		from.X, to.X = r.from.x, r.to.x
	case r.from != nil:
		from.X, to.X = r.from.x, r.from.x+stub
	default:
		from.X, to.X = r.to.x-stub, r.to.x
	}
	text := d.summary(r.packet)
	if r.lost {
		to.X = from.X + stub
		if r.to != nil && r.to.x < from.X {
			to.X = from.X - stub
		}
	}
	p.Begin(fmt.Sprintf("%s %s", r.at, r.packet))
	p.Line(line, from, to)
	if r.lost {
		p.Cross("cross", to)
	} else {
		p.Arrow(tip, from, to)
	}
	p.Text("soft", 12, y-5, r.at)
	x := d.fit(math.Min(from.X, to.X)+6, text, right)
	p.Text(say+" halo", x, y-5, text)
	p.End()
}

// describe is the diagram in a few words.
func (d *diagram) describe() string {
	arrows := 0
	for _, r := range d.rows {
		if r.packet != nil {
			arrows++
		}
	}
	text := fmt.Sprintf("%d packets between %d interfaces.", arrows, len(d.lines))
	if d.Verdict != nil {
		text += " The " + d.end() + "."
	}
	return text
}
