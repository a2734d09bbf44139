package ladder

import (
	"fmt"
	"strings"

	"github.com/netrig/netrig/internal/draw"
)

// Mermaid is the story as a sequence diagram of Mermaid, with a participant for
// each node.
func (s Story) Mermaid() string {
	d := s.lay()
	var b strings.Builder
	b.WriteString("sequenceDiagram\n")
	names := map[string]string{}
	for _, l := range d.lines {
		if names[l.node] == "" {
			names[l.node] = fmt.Sprintf("n%d", len(names)+1)
			fmt.Fprintf(&b, "  participant %s as %s\n", names[l.node], draw.Mermaid(l.node))
		}
	}
	if len(d.lines) == 0 {
		b.WriteString("  participant n1 as no packet was seen\n")
		return b.String()
	}
	over := names[d.lines[0].node]
	if last := names[d.lines[len(d.lines)-1].node]; last != over {
		over += "," + last
	}
	for _, r := range d.rows {
		switch {
		case r.heading != "":
			fmt.Fprintf(&b, "  Note over %s: %s\n", over, draw.Mermaid(r.heading))
		case r.end && r.to != nil:
			fmt.Fprintf(&b, "  Note over %s: %s\n", names[r.to.node], draw.Mermaid("✕ "+r.note))
		case r.note != "":
			fmt.Fprintf(&b, "  Note over %s: %s\n", over, draw.Mermaid(r.note))
		case r.packet != nil:
			from, to, line := r.from, r.to, "->>"
			if from == nil {
				from = to
			}
			if to == nil {
				to = from
			}
			if r.lost {
				line = "-x"
			}
			fmt.Fprintf(&b, "  %s%s%s: %s\n", names[from.node], line, names[to.node], draw.Mermaid(r.packet.Interface+": "+r.packet.Summary()))
		}
	}
	return b.String()
}
