package topology

import (
	"fmt"
	"math"

	"github.com/netrig/netrig/internal/draw"
)

// route is the line of a cable, from its end a to its end b, by way of the boxes
// that it was given in the columns between.
func route(c *cable, through []*box) []draw.Point {
	a, b := c.a.plugged(), c.b.plugged()
	if through[0].column == through[len(through)-1].column && len(through) == 2 {
		return bow(c)
	}
	points := []draw.Point{a}
	for i := 1; i < len(through); i++ {
		last, next := points[len(points)-1], through[i]
		at := b
		if next.node == nil {
			at = draw.Point{X: next.x, Y: next.y + next.height/2}
			if through[i-1].column > next.column || through[i-1].column == next.column && next.x+next.width/2 < last.X {
				at.X += next.width
			}
		}
		if through[i-1].column == next.column {
			points = append(points, bend(last, at, last.X > through[i-1].x+through[i-1].width/2)...)
		} else {
			points = append(points, wave(last, at)...)
		}
		if next.node == nil {
			across := draw.Point{X: next.x + next.width, Y: at.Y}
			if at.X > next.x {
				across.X = next.x
			}
			points = append(points, across)
		}
	}
	return points
}

// plugged is where the cable of a plug begins, in the picture.
func (p *plug) plugged() draw.Point {
	at := p.jack()
	return draw.Point{X: p.node.box.x + at.X, Y: p.node.box.y + at.Y}
}

// bow is the line of a cable between two interfaces on the same side of a
// column, or of one node.
func bow(c *cable) []draw.Point {
	a, b := c.a.plugged(), c.b.plugged()
	return append([]draw.Point{a}, bend(a, b, !c.a.left)...)
}

// bend goes from a to b round the right (or left) of them.
func bend(a, b draw.Point, right bool) []draw.Point {
	out := 40 + math.Min(math.Abs(a.Y-b.Y)/12, 30)
	edge := math.Max(a.X, b.X) + out
	if !right {
		edge = math.Min(a.X, b.X) - out
	}
	return curve(a, draw.Point{X: edge, Y: a.Y}, draw.Point{X: edge, Y: b.Y}, b)
}

// wave goes from a to b, leaving and arriving level.
func wave(a, b draw.Point) []draw.Point {
	if math.Abs(a.Y-b.Y) < 0.5 {
		return []draw.Point{b}
	}
	half := (a.X + b.X) / 2
	return curve(a, draw.Point{X: half, Y: a.Y}, draw.Point{X: half, Y: b.Y}, b)
}

// curve is a cubic Bézier curve as points, the first one left out.
func curve(a, b, c, d draw.Point) []draw.Point {
	const steps = 20
	points := make([]draw.Point, 0, steps)
	for i := 1; i <= steps; i++ {
		t := float64(i) / steps
		u := 1 - t
		at := func(a, b, c, d float64) float64 { return u*u*u*a + 3*u*u*t*b + 3*u*t*t*c + t*t*t*d }
		points = append(points, draw.Point{X: at(a.X, b.X, c.X, d.X), Y: at(a.Y, b.Y, c.Y, d.Y)})
	}
	return points
}

// part is a line's part up to a share of its length, 0 to 1.
func part(points []draw.Point, share float64) []draw.Point {
	total := 0.0
	for i := 1; i < len(points); i++ {
		total += distance(points[i-1], points[i])
	}
	left := total * share
	for i := 1; i < len(points); i++ {
		step := distance(points[i-1], points[i])
		if step >= left && step > 0 {
			a, b := points[i-1], points[i]
			end := draw.Point{X: a.X + (b.X-a.X)*left/step, Y: a.Y + (b.Y-a.Y)*left/step}
			return append(append([]draw.Point(nil), points[:i]...), end)
		}
		left -= step
	}
	return points
}

// beside is a line on the right of a line, as one goes along it.
func beside(points []draw.Point, by float64) []draw.Point {
	moved := make([]draw.Point, len(points))
	for i, at := range points {
		before, after := points[max(i-1, 0)], points[min(i+1, len(points)-1)]
		if length := distance(before, after); length > 0 {
			at.X, at.Y = at.X-by*(after.Y-before.Y)/length, at.Y+by*(after.X-before.X)/length
		}
		moved[i] = at
	}
	return moved
}

func distance(a, b draw.Point) float64 { return math.Hypot(a.X-b.X, a.Y-b.Y) }

func plural(count int, what string) string {
	if count == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", count, what)
}
