package assert

import (
	"fmt"
	"strings"

	"github.com/netrig/netrig/harness"
)

// grid is a matrix of reachability, and what it should have been.
type grid struct {
	names              []string
	expected, observed [][]string
	wrong              [][]bool
	misses             []string
	first              *Exchange // of the misses
}

func newGrid(nodes []*harness.Node) *grid {
	g := &grid{}
	for _, n := range nodes {
		g.names = append(g.names, n.Name())
		g.expected = append(g.expected, make([]string, len(nodes)))
		g.observed = append(g.observed, make([]string, len(nodes)))
		g.wrong = append(g.wrong, make([]bool, len(nodes)))
	}
	for i := range nodes {
		g.expected[i][i], g.observed[i][i] = "-", "-"
	}
	return g
}

// short is a cause in a cell of the grid.
func short(c Cause) string {
	letters := map[string]string{
		Reached.Kind: "ok", NoRoute.Kind: "route", NetUnreachable.Kind: "net", HostUnreachable.Kind: "host", PortUnreachable.Kind: "port",
		Prohibited.Kind: "prohib", TimeExceeded.Kind: "ttl", TooBig.Kind: "big", MessageTooLong.Kind: "msg", NotPermitted.Kind: "perm",
		NullRouted.Kind: "null", NoBufferSpace.Kind: "queue", Reset.Kind: "reset", Silence.Kind: "none", "": "any",
	}
	if l, ok := letters[c.Kind]; ok {
		return l
	}
	return "other"
}

// String is the expected, the observed and the compared matrix side by side: a
// row for each sender, a column for each target.
func (g *grid) String() string {
	compared := make([][]string, len(g.names))
	for i := range compared {
		for j := range g.names {
			mark := "."
			switch {
			case i == j:
				mark = "-"
			case g.wrong[i][j]:
				mark = "X"
			}
			compared[i] = append(compared[i], mark)
		}
	}
	blocks := []string{g.block("expected", g.expected), g.block("observed", g.observed), g.block("compared", compared)}
	return beside(blocks)
}

func (g *grid) block(title string, cells [][]string) string {
	width := 5
	for _, n := range g.names {
		width = max(width, len(n))
	}
	for _, row := range cells {
		for _, c := range row {
			width = max(width, len(c))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%*s", title, width, "")
	for _, n := range g.names {
		fmt.Fprintf(&b, " %*s", width, n)
	}
	for i, n := range g.names {
		fmt.Fprintf(&b, "\n%-*s", width, n)
		for _, c := range cells[i] {
			fmt.Fprintf(&b, " %*s", width, c)
		}
	}
	return b.String()
}

// beside puts blocks of lines next to each other, or below each other where
// they would be wider than a terminal.
func beside(blocks []string) string {
	const terminal, gap = 160, 4
	rows := make([][]string, len(blocks))
	widths := make([]int, len(blocks))
	height, total := 0, 0
	for i, b := range blocks {
		rows[i] = strings.Split(b, "\n")
		height = max(height, len(rows[i]))
		for _, line := range rows[i] {
			widths[i] = max(widths[i], len(line))
		}
		total += widths[i] + gap
	}
	if total > terminal {
		return strings.Join(blocks, "\n\n")
	}
	var b strings.Builder
	for line := range height {
		text := ""
		for i := range rows {
			cell := ""
			if line < len(rows[i]) {
				cell = rows[i][line]
			}
			text += fmt.Sprintf("%-*s", widths[i]+gap, cell)
		}
		b.WriteString("    " + strings.TrimRight(text, " ") + "\n")
	}
	return b.String()
}
