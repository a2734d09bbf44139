package draw

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Picture is an SVG in the making. Coordinates are CSS pixels, from the upper
// left corner.
type Picture struct {
	title, description string
	body               strings.Builder
	width, height      float64
}

// New is an empty picture. Title and description are for those who can't see
// it, and the title is shown when the pointer rests on it.
func New(title, description string) *Picture {
	return &Picture{title: title, description: description}
}

// Rect draws a box with round corners.
func (p *Picture) Rect(class string, x, y, width, height float64) {
	fmt.Fprintf(&p.body, `<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="4"/>`+"\n", class, n(x), n(y), n(width), n(height))
	p.grow(x+width, y+height)
}

// Text writes a line of text, its left end at x and its base line at y.
func (p *Picture) Text(class string, x, y float64, text string) {
	fmt.Fprintf(&p.body, `<text class="%s" x="%s" y="%s">%s</text>`+"\n", class, n(x), n(y), Escape(text))
	p.grow(x+Width(text), y+4)
}

// Run is a piece of a line of text with a class of its own.
type Run struct{ Class, Text string }

// Runs writes a line of several pieces, one after the other.
func (p *Picture) Runs(x, y float64, runs ...Run) {
	fmt.Fprintf(&p.body, `<text x="%s" y="%s">`, n(x), n(y))
	for i, r := range runs {
		text := r.Text
		if i > 0 {
			text = " " + text
		}
		fmt.Fprintf(&p.body, `<tspan class="%s">%s</tspan>`, r.Class, Escape(text))
		x += Width(text)
	}
	p.body.WriteString("</text>\n")
	p.grow(x, y+4)
}

// Point is a place in the picture.
type Point struct{ X, Y float64 }

// Line draws a line through points.
func (p *Picture) Line(class string, points ...Point) {
	var d strings.Builder
	for i, at := range points {
		d.WriteString(map[bool]string{true: "M", false: "L"}[i == 0])
		d.WriteString(n(at.X) + "," + n(at.Y))
		p.grow(at.X, at.Y)
	}
	fmt.Fprintf(&p.body, `<path class="%s" d="%s"/>`+"\n", class, d.String())
}

// Arrow draws the head of an arrow, its tip at a point, that points as a line
// from there does.
func (p *Picture) Arrow(class string, from, tip Point) {
	dx, dy := tip.X-from.X, tip.Y-from.Y
	length := math.Hypot(dx, dy)
	if length == 0 {
		return
	}
	dx, dy = dx/length, dy/length
	const long, wide = 8, 3.6
	base := Point{tip.X - long*dx, tip.Y - long*dy}
	fmt.Fprintf(&p.body, `<path class="%s" d="M%s,%sL%s,%sL%s,%sZ"/>`+"\n", class, n(tip.X), n(tip.Y),
		n(base.X-wide*dy), n(base.Y+wide*dx), n(base.X+wide*dy), n(base.Y-wide*dx))
}

// Cross marks the place where something ended.
func (p *Picture) Cross(class string, at Point) {
	const r = 6
	fmt.Fprintf(&p.body, `<path class="%s" d="M%s,%sL%s,%sM%s,%sL%s,%s"/>`+"\n", class,
		n(at.X-r), n(at.Y-r), n(at.X+r), n(at.Y+r), n(at.X-r), n(at.Y+r), n(at.X+r), n(at.Y-r))
	p.grow(at.X+r, at.Y+r)
}

// Begin opens a group with a title of its own, which is shown when the pointer
// rests on what is in it. End closes it.
func (p *Picture) Begin(title string) {
	fmt.Fprintf(&p.body, "<g><title>%s</title>\n", Escape(title))
}

// End closes the group.
func (p *Picture) End() { p.body.WriteString("</g>\n") }

func (p *Picture) grow(x, y float64) {
	p.width, p.height = math.Max(p.width, x), math.Max(p.height, y)
}

// margin is kept free around the picture.
const margin = 12

// String is the picture as a file.
func (p *Picture) String() string {
	w, h := math.Ceil(p.width+margin), math.Ceil(p.height+margin)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="netrig-picture" role="img" width="%s" height="%s" viewBox="0 0 %s %s">`+"\n", n(w), n(h), n(w), n(h))
	fmt.Fprintf(&b, "<title>%s</title>\n<desc>%s</desc>\n<style>%s</style>\n", Escape(p.title), Escape(p.description), style)
	fmt.Fprintf(&b, `<rect class="paper" width="%s" height="%s"/>`+"\n", n(w), n(h))
	b.WriteString(p.body.String())
	b.WriteString("</svg>\n")
	return b.String()
}

// n is a number with a decimal at most.
func n(f float64) string {
	return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64)
}
