package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/netrig/netrig/internal/journal"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// pageData is what the template takes.
type pageData struct {
	Title    string
	Policy   string // which scripts may run: the page's own
	Style    template.CSS
	Where    []string // kernels, machine, users
	Problems []string
	Counts   []count
	Packages bool // tests of several packages
	Tests    []pageTest
	Script   template.JS
}

type count struct {
	Outcome, Label string
	Number         int
}

// pageTest is what a page says of a test before it is unpacked.
type pageTest struct {
	ID                           int
	Name, Package, Outcome, Mark string
	Took, First                  string // First is the first line of the first failure
	Facts, Problems, Drops       []string
	Failures                     []failure
	Reason, Search               string
	Packed                       template.HTML // base64, whose letters mean nothing to HTML
}

type failure struct{ Line, Code, Text string }

// labels are what the page calls the outcomes, in their order.
var labels = []struct{ outcome, label, mark string }{
	{journal.Failed, "failed", "✗"}, {unknown, "without a result", "?"}, {journal.Passed, "passed", "✓"}, {journal.Skipped, "skipped", "–"},
}

// write writes the page.
func write(w io.Writer, sets []*set, problems []string) error {
	p := pageData{Style: template.CSS(pageCSS), Script: template.JS(pageJS), Problems: problems} //nolint:gosec // our own files
	sum := sha256.Sum256([]byte(pageJS))
	p.Policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; script-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
	numbers, packages, where := map[string]int{}, map[string]bool{}, map[string]bool{}
	for i, s := range sets {
		t, err := s.page(i)
		if err != nil {
			return fmt.Errorf("%s: %w", s.folder, err)
		}
		p.Tests = append(p.Tests, t)
		numbers[t.Outcome]++
		packages[t.Package] = true
		if k := s.test; k.Kernel != "" && !where[k.Kernel+k.User] {
			where[k.Kernel+k.User] = true
			p.Where = append(p.Where, fmt.Sprintf("Linux %s on %s, %s", k.Kernel, k.Machine, map[string]string{"root": "as root"}[k.User]+map[string]string{"ordinary": "as an ordinary user"}[k.User]))
		}
	}
	p.Packages = len(packages) > 1
	p.Counts = append(p.Counts, count{"all", "all", len(sets)})
	var parts []string
	for _, l := range labels {
		if n := numbers[l.outcome]; n > 0 {
			p.Counts = append(p.Counts, count{l.outcome, l.label, n})
			parts = append(parts, fmt.Sprintf("%d %s", n, l.label))
		}
	}
	p.Title = "netrig: " + strings.Join(parts, ", ")
	return pageTemplate.Execute(w, p)
}

func (s *set) page(id int) (pageTest, error) {
	packed, err := pack(s.details()) // first: it may find problems
	t := s.test
	name := t.Name
	if s.Number > 1 {
		name += fmt.Sprintf(" (%d)", s.Number)
	}
	p := pageTest{ID: id, Name: name, Package: t.Package, Outcome: t.Outcome, Problems: s.problems, Drops: t.Drops, Reason: t.Reason}
	label := ""
	for _, l := range labels {
		if l.outcome == t.Outcome {
			p.Mark, label = l.mark, l.label
		}
	}
	p.Facts = append(p.Facts, label)
	if t.Took > 0 {
		p.Took = took(t.Took)
		p.Facts = append(p.Facts, "after "+p.Took)
	}
	for _, fact := range []struct{ text, value string }{
		{"%s", t.Package}, {"Linux %s", t.Kernel}, {"%s", map[string]string{"root": "as root", "ordinary": "as an ordinary user"}[t.User]},
		{"filters by %s", t.Backend}, {"%s timers", map[string]string{"fast": "fast", "kernel": "the kernel's own"}[t.Timers]},
		{"files in %s", s.folder},
	} {
		if fact.value != "" {
			p.Facts = append(p.Facts, fmt.Sprintf(fact.text, fact.value))
		}
	}
	for _, f := range t.Failures {
		p.Failures = append(p.Failures, failure(f))
	}
	if t.Outcome == journal.Failed && len(t.Failures) == 0 {
		p.First = "failed by the test itself: go test's output has the message"
	}
	if len(p.Failures) > 0 {
		p.First, _, _ = strings.Cut(strings.TrimSpace(p.Failures[0].Text), "\n")
	} else if p.Reason != "" {
		p.First = p.Reason
	}
	p.Search = strings.ToLower(strings.Join([]string{name, t.Package, label, p.First}, " "))
	for _, f := range p.Failures {
		p.Search += " " + strings.ToLower(f.Line)
	}
	p.Packed = template.HTML(packed) //nolint:gosec // base64
	return p, err
}

func took(ms float64) string {
	switch d := time.Duration(ms * float64(time.Millisecond)); {
	case ms < 999.5: // which three digits would make 1e+03
		return fmt.Sprintf("%.3g ms", ms)
	case d < time.Minute:
		return fmt.Sprintf("%.3g s", d.Seconds())
	default:
		return d.Round(time.Second).String()
	}
}
