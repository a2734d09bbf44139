package topology

import (
	"fmt"
	"strings"

	"github.com/netrig/netrig/internal/draw"
)

// DOT is the network in the language of Graphviz: `dot -Tpng topology.dot`.
func (g *Graph) DOT() string {
	g.inOrder()
	var b strings.Builder
	fmt.Fprintf(&b, "graph %s {\n  rankdir=LR\n  node [shape=box, fontname=monospace, fontsize=10]\n", dotText(g.title))
	fmt.Fprintf(&b, "  label=%s\n  labelloc=t\n  fontname=monospace\n", dotText(g.title))
	names := map[*plug]string{}
	for i, n := range g.nodes {
		color := ""
		if n.died {
			color = "    color=red\n"
		}
		fmt.Fprintf(&b, "  subgraph cluster_n%d {\n    label=%s\n%s", i+1, dotText(g.head(n)), color)
		if len(n.plugs()) == 0 {
			fmt.Fprintf(&b, "    n%di0 [style=invis]\n", i+1)
		}
		for k, p := range n.plugs() {
			names[p] = fmt.Sprintf("n%di%d", i+1, k+1)
		}
		var write func(p *plug, indent string)
		write = func(p *plug, indent string) {
			inside := indent
			if p.frames() {
				fmt.Fprintf(&b, "%ssubgraph cluster_%s {\n%s  label=\"\"\n%s  style=filled\n%s  fillcolor=\"#ddf4ff\"\n", indent, names[p], indent, indent, indent)
				inside += "  "
			}
			fmt.Fprintf(&b, "%s%s [label=%s]\n", inside, names[p], dotText(g.texts(p)...))
			for _, port := range p.ports {
				write(port, inside)
			}
			if p.frames() {
				fmt.Fprintf(&b, "%s}\n", indent)
			}
		}
		for _, p := range n.bridges {
			write(p, "    ")
		}
		for _, p := range n.others {
			write(p, "    ")
		}
		b.WriteString("  }\n")
	}
	for _, c := range g.cables {
		var options []string
		switch from, to := g.passed(c); {
		case from && to:
			options = append(options, "dir=both", "penwidth=2.5")
		case from:
			options = append(options, "dir=forward", "penwidth=2.5")
		case to:
			options = append(options, "dir=back", "penwidth=2.5")
		}
		if c.bad() {
			options = append(options, "style=dashed", "color=red")
		}
		line := fmt.Sprintf("  %s -- %s", names[c.a], names[c.b])
		if len(options) > 0 {
			line += " [" + strings.Join(options, ", ") + "]"
		}
		b.WriteString(line + "\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// dotText is a string of DOT, its lines to the left. Between quotes only the
// quote and, in labels, the backslash mean something; and entities of HTML are
// replaced there too.
func dotText(lines ...string) string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "&", "&amp;")
	var b strings.Builder
	for i, text := range lines {
		if i > 0 {
			b.WriteString(`\l`)
		}
		b.WriteString(escape.Replace(draw.Clean(text)))
	}
	if len(lines) > 1 {
		b.WriteString(`\l`)
	}
	return `"` + b.String() + `"`
}
