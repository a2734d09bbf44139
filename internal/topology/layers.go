package topology

import (
	"cmp"
	"math"
	"slices"
)

// The layout is Sugiyama's: nodes in columns by their distance from where the
// packet set out, cables between neighbouring columns only (a longer one passes
// the columns between in a row of its own), rows ordered by where the
// neighbours are. What would become too long is folded: the many leaves of a
// hub into several columns on both sides, a long chain into rows that go back
// and forth.

// box is a place in a column: of a node, or of a cable that passes by.
type box struct {
	node   *node // nil for a cable that passes by
	column int
	band   int // row of a folded chain, from 0
	layer  int
	order  float64 // how far down its layer it is, and the share of that it takes
	size   float64
	x      float64 // of the left edge
	y      float64 // of the upper edge
	width  float64
	height float64
	links  []join
}

// join is what a box is joined to, and at which height of either.
type join struct {
	to         *box
	mine, that func() float64 // offsets from the upper edges
	rank       float64        // place of the cable among those of this box
}

// columns are the boxes by layer and, in each, in order from above.
type columns [][]*box

// layers puts the connected nodes into layers.
func layers(nodes []*node, ways []way) map[*node]int {
	first := nodes[0]
	if i := slices.IndexFunc(nodes, func(n *node) bool { return len(ways) > 0 && n.name == ways[0].Hops[0].Node }); i >= 0 {
		first = nodes[i]
	} else {
		// An end of the longest way, of the two the one that was made first.
		one := farthest(nodes, first)
		first = nodes[min(slices.Index(nodes, one), slices.Index(nodes, farthest(nodes, one)))]
	}
	layer := distances(first)
	for _, hub := range nodes {
		spread(hub, layer, ways)
	}
	least := math.MaxInt
	for _, l := range layer {
		least = min(least, l)
	}
	for n := range layer {
		layer[n] -= least
	}
	return layer
}

// distances are the numbers of cables from a node, over all that it reaches.
func distances(from *node) map[*node]int {
	all := map[*node]int{from: 0}
	for queue := []*node{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range queue[0].neighbours() {
			if _, known := all[next]; !known {
				all[next] = all[queue[0]] + 1
				queue = append(queue, next)
			}
		}
	}
	return all
}

func farthest(nodes []*node, from *node) *node {
	far := distances(from)
	best := from
	for _, n := range nodes {
		if far[n] > far[best] {
			best = n
		}
	}
	return best
}

// spread puts the leaves of a hub into several columns, on both sides, so that
// the picture is about as wide as it is high.
func spread(hub *node, layer map[*node]int, ways []way) {
	var leaves []*node
	for _, n := range hub.neighbours() {
		if len(n.neighbours()) == 1 && layer[n] == layer[hub]+1 {
			leaves = append(leaves, n)
		}
	}
	const perColumn = 0.39 // height of a leaf by the width of a column, for 1.4 times as wide as high
	count := int(math.Round(math.Sqrt(perColumn * float64(len(leaves)))))
	if count < 2 {
		return
	}
	// Where the packet passes comes last, on the right, as in small pictures.
	slices.SortStableFunc(leaves, func(a, b *node) int { return cmp.Compare(passes(a, ways), passes(b, ways)) })
	left := len(leaves) * (count / 2) / count
	for i, n := range leaves {
		if i < left {
			layer[n] = layer[hub] - 1 - i%(count/2)
		} else {
			layer[n] = layer[hub] + 1 + (i-left)%(count-count/2)
		}
	}
}

func passes(n *node, ways []way) int {
	for _, w := range ways {
		for _, p := range w.Hops {
			if p.Node == n.name {
				return 1
			}
		}
	}
	return 0
}

// components are the nodes that hang together, in order of their first node.
func (g *Graph) components() [][]*node {
	var all [][]*node
	done := map[*node]bool{}
	for _, n := range g.nodes {
		if done[n] {
			continue
		}
		reached := distances(n)
		var part []*node
		for _, m := range g.nodes {
			if _, ok := reached[m]; ok {
				done[m] = true
				part = append(part, m)
			}
		}
		all = append(all, part)
	}
	return all
}

// mostColumns is how many columns a network may have before it is folded.
const mostColumns = 8

// fold tells each layer its column and band.
func fold(count, nodes int) func(layer int) (column, band int) {
	if count <= mostColumns || nodes > 3*count {
		return func(layer int) (int, int) { return layer, 0 }
	}
	// A node of a chain is some four times as wide as it is high.
	per := max(5, int(math.Sqrt(float64(count)/2)))
	return func(layer int) (int, int) {
		column, band := layer%per, layer/per
		if band%2 == 1 {
			column = per - 1 - column
		}
		return column, band
	}
}

// arrange orders the boxes of each layer by where those are that they are
// joined to, from left to right and back, and takes the order in which the
// fewest cables cross.
func (c columns) arrange() {
	c.number()
	best := c.copy()
	least := c.crossings()
	for round := 0; round < 8 && least > 0; round++ {
		back := round%2 == 1
		for i := range c {
			l := i
			if back {
				l = len(c) - 1 - i
			}
			wanted := map[*box]float64{}
			for _, b := range c[l] {
				wanted[b] = b.wish(back)
			}
			slices.SortStableFunc(c[l], func(a, b *box) int { return cmp.Compare(wanted[a], wanted[b]) })
			c.number()
		}
		if crossings := c.crossings(); crossings < least {
			best, least = c.copy(), crossings
		}
	}
	copy(c, best)
	c.number()
}

func (c columns) copy() columns {
	all := make(columns, len(c))
	for i := range c {
		all[i] = slices.Clone(c[i])
	}
	return all
}

// number tells each box how far down its layer it is, from 0 to 1.
func (c columns) number() {
	for _, list := range c {
		for i, b := range list {
			b.size = 1 / float64(len(list))
			b.order = (float64(i) + 0.5) * b.size
		}
	}
}

// wish is how far down a box would be best, by those on its left, or when
// looking back on its right.
func (b *box) wish(back bool) float64 {
	sum, count := 0.0, 0.0
	for _, j := range b.links {
		if j.to.layer < b.layer != back && j.to.layer != b.layer {
			sum, count = sum+j.far(b), count+1
		}
	}
	if count == 0 {
		return b.order
	}
	return sum / count
}

// far is how far down the other end of a join is.
func (j join) far(from *box) float64 {
	for _, back := range j.to.links {
		if back.to == from {
			return back.near(j.to)
		}
	}
	return j.to.order
}

// near is how far down this end of a join of the box is.
func (j join) near(b *box) float64 {
	if len(b.links) < 2 || b.node == nil {
		return b.order
	}
	before := 0
	for _, other := range b.links {
		if other.rank < j.rank {
			before++
		}
	}
	return b.order + b.size*(float64(before)/float64(len(b.links))-0.5)
}

// crossings is how many pairs of cables cross. Two of one box do not: its
// interfaces are put in the order of their cables.
func (c columns) crossings() int {
	count := 0
	for _, list := range c {
		var ends [][2]float64
		for _, b := range list {
			for _, j := range b.links {
				if j.to.layer == b.layer+1 {
					ends = append(ends, [2]float64{b.order, j.to.order})
				}
			}
		}
		for i, a := range ends {
			for _, b := range ends[:i] {
				if (a[0]-b[0])*(a[1]-b[1]) < 0 {
					count++
				}
			}
		}
	}
	return count
}

// gap is the least distance of two boxes that are one above the other.
func gap(a, b *box) float64 {
	if a.node == nil && b.node == nil {
		return 5
	}
	return 18
}

// settle moves the boxes of all layers up and down, so that cables become as
// straight as can be.
func (c columns) settle() {
	for _, list := range c {
		y := 0.0
		for i, b := range list {
			if i > 0 {
				y += gap(list[i-1], b)
			}
			b.y = y
			y += b.height
		}
	}
	for round := range 24 {
		for i := range c {
			l := i
			if round%2 == 1 {
				l = len(c) - 1 - i
			}
			pull(c[l])
		}
	}
}

// pull puts the boxes of a layer where their cables want them, by least
// squares, in their order and with their distances (pool adjacent violators).
func pull(list []*box) {
	type pool struct {
		sum, weight float64
		size        int
	}
	var pools []pool
	offsets := make([]float64, len(list)) // of each box, if all lay as close as they may
	for i, b := range list {
		if i > 0 {
			offsets[i] = offsets[i-1] + list[i-1].height + gap(list[i-1], b)
		}
		want, weight := 0.0, 0.0
		for _, j := range b.links {
			if j.to.band == b.band && j.to.layer != b.layer {
				w := 1.0
				if j.to.node == nil || b.node == nil {
					w = 2 // a cable that passes by looks best straight
				}
				want, weight = want+w*(j.to.y+j.that()-j.mine()), weight+w
			}
		}
		if weight == 0 {
			want, weight = b.y, 0.01
		} else {
			want /= weight
		}
		p := pool{weight * (want - offsets[i]), weight, 1}
		for len(pools) > 0 {
			last := pools[len(pools)-1]
			if last.sum/last.weight <= p.sum/p.weight {
				break
			}
			p = pool{last.sum + p.sum, last.weight + p.weight, last.size + p.size}
			pools = pools[:len(pools)-1]
		}
		pools = append(pools, p)
	}
	i := 0
	for _, p := range pools {
		for range p.size {
			list[i].y = p.sum/p.weight + offsets[i]
			i++
		}
	}
}
