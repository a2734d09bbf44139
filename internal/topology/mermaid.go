package topology

import (
	"fmt"
	"strings"

	"github.com/netrig/netrig/internal/draw"
	"github.com/netrig/netrig/internal/explain"
)

// Mermaid is the network as a flowchart of Mermaid, which GitHub shows in
// Markdown. Cables that a packet passed are thick, those that nothing can pass
// are dotted.
func (g *Graph) Mermaid() string {
	g.inOrder()
	var b strings.Builder
	b.WriteString("%%{init: {\"flowchart\": {\"wrappingWidth\": 600}}}%%\nflowchart LR\n")
	fmt.Fprintf(&b, "  accTitle: %s\n", draw.Mermaid(g.title))
	names := map[*plug]string{}
	for i, n := range g.nodes {
		fmt.Fprintf(&b, "  subgraph n%d[\"%s\"]\n", i+1, mermaidText(g.head(n)))
		if len(n.plugs()) == 0 {
			fmt.Fprintf(&b, "    n%di0[\" \"]\n", i+1)
		}
		for k, p := range n.plugs() {
			names[p] = fmt.Sprintf("n%di%d", i+1, k+1)
		}
		var write func(p *plug, indent string)
		write = func(p *plug, indent string) {
			inside := indent
			if p.frames() {
				fmt.Fprintf(&b, "%ssubgraph %sb[\"%s\"]\n", indent, names[p], mermaidText(p.link.Name))
				inside += "  "
			}
			fmt.Fprintf(&b, "%s%s[\"%s\"]\n", inside, names[p], mermaidText(g.texts(p)...))
			for _, port := range p.ports {
				write(port, inside)
			}
			if p.frames() {
				fmt.Fprintf(&b, "%send\n", indent)
			}
		}
		for _, p := range n.bridges {
			write(p, "    ")
		}
		for _, p := range n.others {
			write(p, "    ")
		}
		b.WriteString("  end\n")
		if n.died {
			fmt.Fprintf(&b, "  style n%d stroke:#c4121f,stroke-width:3px\n", i+1)
		}
	}
	for _, c := range g.cables {
		line := "---"
		switch from, to := g.passed(c); {
		case c.bad():
			line = "-. down .-"
		case from && to:
			line = "<==>"
		case from:
			line = "==>"
		case to:
			fmt.Fprintf(&b, "  %s ==> %s\n", names[c.b], names[c.a])
			continue
		}
		fmt.Fprintf(&b, "  %s %s %s\n", names[c.a], line, names[c.b])
	}
	return b.String()
}

// head is a node's name, and what ended there.
func (g *Graph) head(n *node) string {
	mark := "✕"
	if g.verdict != nil && g.verdict.End == explain.Accepted {
		mark = "●"
	}
	text := n.name
	for _, note := range n.notes {
		text += " " + mark + " " + note
	}
	return text
}

// texts are the lines about an interface without a style.
func (g *Graph) texts(p *plug) []string {
	d := &drawing{Graph: g, seen: g.seen()}
	var all []string
	for _, runs := range d.lines(p) {
		var words []string
		for _, r := range runs {
			words = append(words, r.Text)
		}
		all = append(all, strings.Join(words, " "))
	}
	return all
}

// passed tells whether a packet passed a cable, from its end a and from its
// end b.
func (g *Graph) passed(c *cable) (fromA, fromB bool) {
	for _, w := range g.ways {
		for _, l := range w.legs {
			if l.to != nil && l.from.peer == l.to {
				fromA, fromB = fromA || l.from == c.a && l.to == c.b, fromB || l.from == c.b && l.to == c.a
			}
		}
	}
	return fromA, fromB
}

// mermaidText are lines of text between quotes.
func mermaidText(lines ...string) string {
	var b strings.Builder
	for i, text := range lines {
		if i > 0 {
			b.WriteString("<br>")
		}
		b.WriteString(draw.Mermaid(text))
	}
	return b.String()
}
