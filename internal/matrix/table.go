package matrix

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/netrig/netrig/internal/journal"
)

// rows are the tests, without subtests, of all columns.
func (r *Result) rows() []string {
	names := map[string]bool{}
	for _, c := range r.Columns {
		for name := range c.tests {
			top, _, _ := strings.Cut(name, "/")
			names[top] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// cell is what became of a test and its subtests on a kernel.
func (c *Column) cell(row string) string {
	passed, failed, skipped, missing := 0, 0, 0, 0
	for _, name := range leaves(c.tests) {
		if name != row && !strings.HasPrefix(name, row+"/") {
			continue
		}
		switch c.tests[name].String() {
		case journal.Passed:
			passed++
		case journal.Failed:
			failed++
		case journal.Skipped:
			skipped++
		default:
			missing++
		}
	}
	all := passed + failed + skipped + missing
	part := func(word string, n int) string {
		if n == all {
			return word
		}
		return fmt.Sprintf("%s %d of %d", word, n, all)
	}
	switch {
	case failed > 0:
		return part("FAIL", failed)
	case all == 0, missing > 0:
		if c.Crash != nil && !c.Unable {
			return "crash"
		}
		return "-"
	case skipped > 0:
		return part("skip", skipped)
	}
	return "pass"
}

// Text is the result for people.
func (r *Result) Text(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	head := []string{""}
	for _, c := range r.Columns {
		head = append(head, c.Short())
	}
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for _, row := range r.rows() {
		cells := []string{row}
		for _, c := range r.Columns {
			cells = append(cells, c.cell(row))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	t.Flush() // to a strings.Builder, which takes everything
	r.kernels(&b)
	r.said(&b)
	r.changes(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// kernels says which they are, and what they did besides.
func (r *Result) kernels(b *strings.Builder) {
	fmt.Fprintln(b)
	for _, c := range r.Columns {
		text := fmt.Sprintf("%s: %s", c.Short(), c.Name)
		if c.Release != "" {
			text += ", " + c.Release
		}
		if c.Version != "" {
			text += " (" + c.Version + ")"
		}
		switch {
		case c.Unable:
			text += ": could not run: " + c.Crash.Error()
		case c.Outside:
			text += fmt.Sprintf(": ran outside, %.1f s", c.Took.Seconds())
		default:
			text += fmt.Sprintf(": boot %.1f s, all %.1f s", c.Boot.Seconds(), c.Took.Seconds())
		}
		if c.Crash != nil && !c.Unable {
			text += "\n" + c.Crash.Error()
		}
		for _, line := range c.Complaints {
			text += "\ncomplained: " + line
		}
		fmt.Fprintln(b, strings.ReplaceAll(text, "\n", "\n    "))
	}
}

// said are the reasons of tests that did not pass, once for all columns that give
// the same.
func (r *Result) said(b *strings.Builder) {
	type reason struct{ how, text string }
	columns := map[reason][]string{}
	tests := map[reason][]string{}
	var order []reason
	for _, c := range r.Columns {
		for _, name := range leaves(c.tests) {
			o := c.tests[name]
			if how := o.String(); how != journal.Passed && how != notRun {
				key := reason{how, o.reason()}
				if tests[key] == nil {
					order = append(order, key)
				}
				if !slices.Contains(tests[key], name) {
					tests[key] = append(tests[key], name)
				}
				if !slices.Contains(columns[key], c.Short()) {
					columns[key] = append(columns[key], c.Short())
				}
			}
		}
	}
	if len(order) > 0 {
		fmt.Fprintln(b)
	}
	for _, key := range order {
		names := tests[key]
		more := ""
		if len(names) > 3 {
			more = fmt.Sprintf(" and %d more", len(names)-3)
			names = names[:3]
		}
		fmt.Fprintf(b, "%s on %s: %s%s: %s\n", key.how, strings.Join(columns[key], ", "), strings.Join(names, ", "), more, key.text)
	}
}

// changes tells what changed, column by column.
func (r *Result) changes(b *strings.Builder) {
	for _, change := range r.Changes {
		fmt.Fprintf(b, "\n%s, compared with %s\n", change.Column.Short(), cut(change.Before))
		lines := change.outcomes()
		if change.Compared != nil {
			var text strings.Builder
			_ = change.Compared.Text(&text) // to a strings.Builder, which takes everything
			lines = append(lines, strings.Split(strings.TrimSpace(text.String()), "\n")...)
		} else {
			lines = append(lines, "not compared: "+change.Missing)
		}
		for _, line := range lines {
			fmt.Fprintln(b, strings.TrimRight("    "+line, " "))
		}
	}
}

func cut(before string) string {
	if before == "" {
		return "nothing"
	}
	return before
}

// Markdown is the result for the summary of a job.
func (r *Result) Markdown(w io.Writer) error {
	var b strings.Builder
	word := map[int]string{StatusSame: "as before", StatusWorse: "changed", StatusCannot: "could not run"}[r.Status()]
	fmt.Fprintf(&b, "### Kernels: %s\n\n|", word)
	for _, c := range r.Columns {
		fmt.Fprintf(&b, " | %s", c.Short())
	}
	fmt.Fprintf(&b, " |\n| ---%s |\n", strings.Repeat(" | ---", len(r.Columns)))
	for _, row := range r.rows() {
		fmt.Fprintf(&b, "| %s", row)
		for _, c := range r.Columns {
			fmt.Fprintf(&b, " | %s", strings.NewReplacer("pass", "✅", "FAIL", "❌", "skip", "⏭️", "crash", "💥").Replace(c.cell(row)))
		}
		fmt.Fprintln(&b, " |")
	}
	var text strings.Builder
	r.kernels(&text)
	r.said(&text)
	fmt.Fprintf(&b, "\n```\n%s\n```\n", strings.TrimSpace(text.String()))
	for _, change := range r.Changes {
		fmt.Fprintf(&b, "\n#### %s, compared with %s\n\n", change.Column.Short(), cut(change.Before))
		for _, line := range change.outcomes() {
			fmt.Fprintf(&b, "- ❌ %s\n", line)
		}
		if change.Compared == nil {
			fmt.Fprintf(&b, "not compared: %s\n", change.Missing)
			continue
		}
		if err := change.Compared.Markdown(&b); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
