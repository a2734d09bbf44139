package compare

import (
	"fmt"
	"io"
	"strings"
)

// mostRows keeps a table below what GitHub takes for a summary, 1 MiB.
const mostRows = 200

// Markdown is for the summary of a job: a table of what changed, and how it
// counts.
func (r *Result) Markdown(w io.Writer) error {
	var b strings.Builder
	title := map[int]string{StatusSame: "as before", StatusWorse: "changed"}[r.Status]
	fmt.Fprintf(&b, "### Networks: %s\n\n", title)
	fmt.Fprintf(&b, "| | kernel | tests | runs |\n| --- | --- | --- | --- |\n")
	for _, side := range []struct {
		name string
		s    Side
	}{{"before", r.Before}, {"after", r.After}} {
		fmt.Fprintf(&b, "| %s | %s | %d | %d |\n", side.name, cell(strings.Join(side.s.Kernels, ", ")), side.s.Tests, side.s.Runs)
	}
	if len(r.Differences) > 0 {
		fmt.Fprintf(&b, "\n| | where | what | before | after | also |\n| --- | --- | --- | --- | --- | --- |\n")
		groups := r.groups()
		for _, g := range groups[:min(mostRows, len(groups))] {
			d := g.all[0]
			also := ""
			if len(g.all) > 1 {
				also = fmt.Sprintf("%d more in %s", len(g.all)-1, number(len(g.tests()), "test"))
			}
			where := d.Where()
			if where == "" {
				where = "-"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", map[Verdict]string{Worse: "❌", Better: "✅", Note: "ℹ️"}[d.Verdict],
				cell(where), cell(d.Thing()), cell(d.value(d.Before)), cell(d.value(d.After)), also)
		}
	}
	if n := len(r.groups()); n > mostRows {
		fmt.Fprintf(&b, "\nand %d groups more: `--format text` and `json` have them all\n", n-mostRows)
	}
	fmt.Fprintf(&b, "\n%s\n", r.summary())
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\n> %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cell keeps a text within its cell.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;", ">", "&gt;").Replace(text)
}
