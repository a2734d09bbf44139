package compare

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// headings are what the differences of a kind are told under.
var headings = map[Kind]string{
	Outcomes:       "Tests that end otherwise",
	Answers:        "What nodes reach, and what they are told",
	Packets:        "Packets on the wire",
	Order:          "Order of packets at an interface",
	Interfaces:     "Interfaces",
	Addresses:      "Addresses",
	Routes:         "Routes",
	Neighbours:     "Neighbours",
	Bridges:        "Bridges",
	Connections:    "Tracked connections",
	Counters:       "Counters of the protocols",
	Sysctls:        "Sysctls of a fresh namespace",
	Configurations: "Options that the kernel was built with",
	Times:          "Times",
}

// Text tells people what changed.
func (r *Result) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "before  %s\nafter   %s\n", r.Before, r.After)
	heading := Kind("")
	for _, g := range r.groups() {
		first := g.all[0]
		if first.Kind != heading {
			heading = first.Kind
			fmt.Fprintf(&b, "\n%s\n", headings[heading])
		}
		fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(first.String(), "\n", "\n  "))
		if more := g.more(); more != "" {
			fmt.Fprintf(&b, "      %s\n", more)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", r.summary())
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String is as in "Linux 6.12.94 x86_64, 86 tests, 3 runs (DIR)".
func (s Side) String() string {
	return fmt.Sprintf("Linux %s, %s, %s (%s)", strings.Join(s.Kernels, ", "), number(s.Tests, "test"), number(s.Runs, "run"), strings.Join(s.Names, ", "))
}

func number(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// Where is the scenario, the step and the node of a difference, as far as it has
// them.
func (d Difference) Where() string {
	var parts []string
	if d.Test != "" {
		parts = append(parts, d.Test)
	}
	if d.Lab != 0 {
		parts = append(parts, fmt.Sprintf("lab %d", d.Lab))
	}
	if d.Step != "" {
		parts = append(parts, fmt.Sprintf("step %q", d.Step))
	}
	switch {
	case d.Line != "":
		parts = append(parts, d.Line)
	case d.Node != "" && !slices.Contains([]Kind{Answers, Packets, Order}, d.Kind):
		parts = append(parts, "at the end")
	}
	if d.Node != "" {
		parts = append(parts, "node "+d.Node)
	}
	return strings.Join(parts, ", ")
}

// Thing is what a difference is about.
func (d Difference) Thing() string {
	if d.Field == "" {
		return d.What
	}
	return d.What + ", " + d.Field
}

// String is the difference in one line, or in three where the values are long.
func (d Difference) String() string {
	text := d.Thing()
	if where := d.Where(); where != "" {
		text = where + ": " + text
	}
	if d.Verdict != Worse {
		text += fmt.Sprintf(" [%s]", d.Verdict)
	}
	before, after := d.value(d.Before), d.value(d.After)
	if len(before)+len(after) > 60 {
		return fmt.Sprintf("%s:\n    before  %s\n    after   %s", text, before, after)
	}
	return fmt.Sprintf("%s: %s before, %s now", text, before, after)
}

// value is a value, or what it means that there is none.
func (d Difference) value(v string) string {
	switch {
	case v != "":
		return v
	case d.Kind == Answers:
		return "none"
	case d.Kind == Packets:
		return "no such packet"
	}
	return "not there"
}

// more tells where else a group's difference is.
func (g *group) more() string {
	if len(g.all) == 1 {
		return ""
	}
	tests := g.tests()
	const most = 6
	list := tests
	if len(list) > most {
		list = list[:most]
	}
	text := fmt.Sprintf("and %d more like it", len(g.all)-1)
	if len(tests) > 1 {
		text += ", in " + strings.Join(list, ", ")
	}
	if len(tests) > most {
		text += fmt.Sprintf(" and %d other tests", len(tests)-most)
	}
	return text
}

// summary is the last line.
func (r *Result) summary() string {
	counts := map[Verdict]int{}
	for _, g := range r.groups() {
		counts[g.all[0].Verdict]++
	}
	if len(r.Differences) == 0 {
		return "nothing changed"
	}
	var parts []string
	for _, v := range []Verdict{Worse, Better, Note} {
		if counts[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[v], map[Verdict]string{Worse: "for the worse or otherwise than before", Better: "for the better", Note: "to know"}[v]))
		}
	}
	return fmt.Sprintf("%s in %s: %s", number(len(r.Differences), "difference"), number(len(r.groups()), "group"), strings.Join(parts, ", "))
}

// JSON tells machines what changed.
func (r *Result) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}
