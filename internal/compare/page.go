package compare

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/netrig/netrig/internal/journal"
)

// Page tells readers what changed from each of the kernels to the next, in
// Markdown. Each folder is of one kernel.
func Page(w io.Writer, all []*journal.Folder) error {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b *journal.Folder) int {
		return cmp.Or(versions(kernelOf(a), kernelOf(b)), cmp.Compare(flavour(a), flavour(b)))
	})
	var b strings.Builder
	fmt.Fprint(&b, pageHead)
	for _, f := range all {
		s := systemOf(f)
		fmt.Fprintf(&b, "| %s | %s | %s | `%.12s` | %d | `%s` |\n", s.Name, s.Kernel, s.PackageVersion, s.ConfigHash, len(testsOf([]*journal.Folder{f}, shortNames([]*journal.Folder{f}))), path.Base(f.Path))
	}
	last := map[string]*journal.Folder{}
	for _, f := range all {
		before := last[flavour(f)]
		if before == nil && flavour(f) != "cloud" {
			before = last["cloud"]
		}
		last[flavour(f)] = f
		if before == nil {
			continue
		}
		if err := transition(&b, before, f); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const pageHead = `# What changed between kernels

What the networks of this repository's scenarios do on one kernel of Debian and do otherwise on the next: on the wire, in answers, and in what the
kernel holds at the end. Written by ` + "`make kernels-page`" + ` from testdata/baseline, where ` + "`make baseline`" + ` records it; not by hand. A name in bold is that of a
change that is known (` + "`internal/compare/known.go`" + `), with the version of Linux that brought it; what is not known by name is listed as ` + "`netrig compare`" + ` tells it.

| name | kernel | package | configuration (SHA-256) | tests | file |
| --- | --- | --- | --- | --- | --- |
`

func systemOf(f *journal.Folder) *journal.System {
	if len(f.Systems) > 0 {
		return f.Systems[0]
	}
	return &journal.System{Header: f.Tests[0].Header}
}

func kernelOf(f *journal.Folder) string { return systemOf(f).Kernel }

// flavour is that of a kernel of Debian's.
func flavour(f *journal.Folder) string {
	if strings.Contains(kernelOf(f), "-cloud-") {
		return "cloud"
	}
	return "full"
}

// versions orders releases by their numbers.
func versions(a, b string) int {
	numbers := func(s string) (n []int) {
		for _, part := range strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsDigit(r) }) {
			i, err := strconv.Atoi(part)
			if err != nil {
				break // longer than a number of a version
			}
			n = append(n, i)
		}
		return n[:min(3, len(n))]
	}
	return slices.Compare(numbers(a), numbers(b))
}

// transition is what changed from one kernel to the other.
func transition(b *strings.Builder, before, after *journal.Folder) error {
	r, err := Compare([]*journal.Folder{before}, []*journal.Folder{after}, Options{})
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "\n## From %s to %s\n", title(before), title(after))
	known, rest := r.Known()
	if len(known) > 0 {
		fmt.Fprintln(b)
	}
	for _, k := range known {
		fmt.Fprintf(b, "- **%s** (%s). %s%s\n", k.Name, k.Since, k.Words, seen(k.Found))
	}
	sections(b, rest)
	return nil
}

func title(f *journal.Folder) string {
	version, _, _ := strings.Cut(systemOf(f).PackageVersion, "-")
	if flavour(f) == "full" {
		version += ", full flavour"
	}
	return cmp.Or(version, kernelOf(f))
}

// seen tells in how many tests, and an example.
func seen(all []Difference) string {
	g := &group{all: all}
	tests := g.tests()
	d := all[0]
	text := fmt.Sprintf(" `%s`: %s → %s", d.Thing(), shortened(d.value(d.Before)), shortened(d.value(d.After)))
	switch {
	case len(tests) > 1:
		text += fmt.Sprintf(", in %d tests such as %s", len(tests), tests[0])
	case len(tests) == 1:
		text += ", in " + tests[0]
	}
	return text + "."
}

// shortened keeps a value within a line.
func shortened(value string) string {
	const most = 90
	if r := []rune(value); len(r) > most {
		value = string(r[:most]) + "…"
	}
	return "`" + value + "`"
}

// sections list what has no name: sysctls and options in a line a sort, the rest
// one by one.
func sections(b *strings.Builder, rest []Difference) {
	var settings, options, others []Difference
	for _, d := range rest {
		switch d.Kind {
		case Sysctls:
			settings = append(settings, d)
		case Configurations:
			options = append(options, d)
		default:
			others = append(others, d)
		}
	}
	if len(others) > 0 {
		fmt.Fprint(b, "\nNot known by name:\n\n")
		r := &Result{Differences: others}
		for _, g := range r.groups() {
			d := g.all[0]
			fmt.Fprintf(b, "- %s: `%s`: %s → %s", d.Where(), d.Thing(), shortened(d.value(d.Before)), shortened(d.value(d.After)))
			if len(g.all) > 1 {
				fmt.Fprintf(b, ", and %d more in %s", len(g.all)-1, number(len(g.tests()), "test"))
			}
			fmt.Fprintln(b)
		}
	}
	listed(b, "Sysctls of a fresh namespace", "sysctl ", settings)
	listed(b, "Options for networks", "CONFIG_", options)
}

// everyInterface are the parts of names by which a sysctl is there more than once.
var everyInterface = regexp.MustCompile(`\.(conf|neigh)\.(?:all|default|lo)\.`)

func listed(b *strings.Builder, heading, prefix string, all []Difference) {
	var came, went, changed []string
	add := func(to *[]string, text string) {
		if !slices.Contains(*to, text) {
			*to = append(*to, text)
		}
	}
	for _, d := range all {
		name := everyInterface.ReplaceAllString(strings.TrimPrefix(d.What, prefix), ".$1.*.")
		none := func(v string) bool { return v == "" || d.Kind == Configurations && v == "n" }
		switch {
		case none(d.Before):
			add(&came, fmt.Sprintf("`%s` (%s)", name, d.After))
		case none(d.After):
			add(&went, "`"+name+"`")
		default:
			add(&changed, fmt.Sprintf("`%s` %s → %s", name, d.Before, d.After))
		}
	}
	if len(all) > 0 {
		fmt.Fprintf(b, "\n%s:\n\n", heading)
	}
	for _, part := range []struct {
		word  string
		names []string
	}{{"changed", changed}, {"new", came}, {"gone", went}} {
		if len(part.names) > 0 {
			fmt.Fprintf(b, "- %s: %s\n", part.word, strings.Join(part.names, ", "))
		}
	}
}
