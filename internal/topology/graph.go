package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/explain"
)

// Graph is a network to be drawn.
type Graph struct {
	title   string
	nodes   []*node
	cables  []*cable
	ways    []way
	verdict *explain.Verdict
}

// node is one network namespace.
type node struct {
	name    string
	bridges []*plug // each with its ports below it
	others  []*plug // interfaces that are ports of no bridge
	hidden  []*plug // those that are not drawn, see dull
	notes   []string
	died    bool
	box     *box
}

// plug is an interface. A bridge is one that has ports.
type plug struct {
	node   *node
	link   *explain.Link
	ports  []*plug // of a bridge
	master *plug
	peer   *plug
	cable  *cable
	rank   int    // its place among the node's interfaces
	says   []said // what was seen here
	box    rect
	around rect // of a bridge: what its ports are in
	left   bool // the cable leaves the node's box on the left
}

// cable is a pair of veth interfaces.
type cable struct{ a, b *plug }

// said is a line of text about a sighting, of the way with that number.
type said struct {
	way  int
	text string
}

// New is the network of the facts.
func New(title string, facts *explain.Facts) *Graph {
	g := &Graph{title: title}
	at := map[string]*plug{}
	for _, told := range facts.Nodes {
		n := &node{name: told.Name}
		g.nodes = append(g.nodes, n)
		byName := map[string]*plug{}
		for i := range told.Links {
			p := &plug{node: n, link: &told.Links[i], rank: i}
			byName[p.link.Name] = p
			at[n.name+":"+p.link.Name] = p
		}
		for i := range told.Links {
			p := byName[told.Links[i].Name]
			p.master = byName[p.link.Master]
			switch {
			case p.master != nil:
				p.master.ports = append(p.master.ports, p)
			case p.link.Kind == "bridge":
				n.bridges = append(n.bridges, p)
			case dull(p.link):
				n.hidden = append(n.hidden, p)
			default:
				n.others = append(n.others, p)
			}
		}
		// A bond or a VRF has ports as well.
		n.others = slices.DeleteFunc(n.others, func(p *plug) bool {
			if len(p.ports) > 0 {
				n.bridges = append(n.bridges, p)
			}
			return len(p.ports) > 0
		})
	}
	for _, n := range g.nodes {
		for _, p := range n.plugs() {
			if q := at[p.link.Peer]; q != nil && p.cable == nil && q != p && q.link.Peer == p.where() {
				c := &cable{p, q}
				p.peer, q.peer, p.cable, q.cable = q, p, c, c
				g.cables = append(g.cables, c)
			}
		}
	}
	return g
}

// plugs are the node's interfaces, those of bridges after their bridge.
func (n *node) plugs() []*plug {
	var all []*plug
	var add func(p *plug)
	add = func(p *plug) {
		all = append(all, p)
		for _, port := range p.ports {
			add(port)
		}
	}
	for _, p := range slices.Concat(n.bridges, n.others) {
		add(p)
	}
	return all
}

// inOrder puts interfaces in the kernel's order, whatever was drawn before.
func (g *Graph) inOrder() {
	by := func(a, b *plug) int { return cmp.Compare(a.rank, b.rank) }
	for _, n := range g.nodes {
		slices.SortFunc(n.bridges, by)
		slices.SortFunc(n.others, by)
		for _, p := range n.plugs() {
			slices.SortFunc(p.ports, by)
		}
	}
}

func (p *plug) where() string { return p.node.name + ":" + p.link.Name }

// fallback are the devices that tunnel modules put into every namespace
// (net.core.fb_tunnels_only_for_init_net = 0).
var fallback = []string{"tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "sit0", "ip6tnl0", "ip6gre0", "ip6_vti0"}

// dull tells whether an interface is as in every namespace, and not worth being
// drawn unless a packet was seen there: lo with its own addresses, and the
// devices of tunnel modules.
func dull(l *explain.Link) bool {
	if slices.Contains(fallback, l.Name) {
		return !l.Up && len(l.Addresses) == 0
	}
	if l.Name != "lo" || !l.Up {
		return false
	}
	for _, a := range l.Addresses {
		if !a.Prefix.Addr().IsLoopback() {
			return false
		}
	}
	return true
}

// usual is the MTU that need not be told.
const usual = 1500

// state says what is wrong or out of the ordinary about an interface.
func (p *plug) state() (bad, other []string) {
	l := p.link
	switch {
	case !l.Up:
		bad = append(bad, "DOWN")
	case l.NoCarrier:
		bad = append(bad, "NO-CARRIER")
	}
	if l.Port != nil {
		if l.Port.State != "forwarding" {
			bad = append(bad, l.Port.State)
		}
		if l.Port.Isolated {
			other = append(other, "isolated")
		}
		if l.Port.Hairpin {
			other = append(other, "hairpin")
		}
	}
	if l.MTU != usual && l.Name != "lo" {
		other = append(other, fmt.Sprintf("mtu %d", l.MTU))
	}
	if l.Kind != "veth" && l.Kind != "bridge" && l.Name != "lo" {
		other = append(other, l.Kind)
	}
	if l.Parent != "" {
		other = append(other, "on "+l.Parent)
	}
	if l.XDP {
		other = append(other, "xdp")
	}
	return bad, other
}

// addresses are those of the interface; link-local ones only where a packet
// that was seen has them.
func (p *plug) addresses(seen map[string]bool) []string {
	var all []string
	for _, a := range p.link.Addresses {
		if a.LinkOnly && !seen[a.Prefix.Addr().String()] {
			continue
		}
		text := a.Prefix.String()
		switch {
		case a.DADFailed:
			text += " duplicate"
		case a.Tentative:
			text += " tentative"
		}
		all = append(all, text)
	}
	return all
}

// bad tells whether nothing can pass the cable, as far as its ends say.
func (c *cable) bad() bool {
	return !c.a.link.Up || !c.b.link.Up || c.a.link.NoCarrier || c.b.link.NoCarrier
}

// describe is the picture in a few words, for those who can't see it.
func (g *Graph) describe() string {
	text := []string{fmt.Sprintf("%d nodes, %d cables.", len(g.nodes), len(g.cables))}
	for _, c := range g.cables {
		state := ""
		if c.bad() {
			state = " (down)"
		}
		if len(g.cables) <= 12 || state != "" {
			text = append(text, fmt.Sprintf("%s to %s%s.", c.a.where(), c.b.where(), state))
		}
	}
	for i := range g.ways {
		text = append(text, g.legend(i)+".")
	}
	return strings.Join(text, " ")
}

// neighbours are the nodes at the other ends of the node's cables, in the order
// of its interfaces, each once.
func (n *node) neighbours() []*node {
	var all []*node
	plugs := n.plugs()
	slices.SortStableFunc(plugs, func(a, b *plug) int { return cmp.Compare(a.rank, b.rank) })
	for _, p := range plugs {
		if p.peer != nil && p.peer.node != n && !slices.Contains(all, p.peer.node) {
			all = append(all, p.peer.node)
		}
	}
	return all
}
