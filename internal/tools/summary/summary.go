package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// event is one line of go test -json (see `go doc test2json` and `go help
// buildjson`); only the fields used here.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// part is the run as one user.
type part struct {
	name                    string
	passed, failed, skipped int
	packages                int
	notes                   []string       // each failure and skip once, in the order seen
	times                   map[string]int // how often each was seen (-count)
}

type summary struct {
	out    io.Writer
	parts  []*part
	notRun []string
	broken bool // something failed that is no test: a build, a package

	// What is held back until it is known whether it matters: the output of
	// each running test, and per package what its end will print.
	tests    map[string]map[string][]string
	packages map[string][]string
}

func newSummary(out io.Writer) *summary {
	return &summary{
		out:      out,
		tests:    map[string]map[string][]string{},
		packages: map[string][]string{},
	}
}

func (s *summary) read(in io.Reader) error {
	r := bufio.NewReader(in) // not a Scanner: a line may be of any length
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 {
			s.line(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) line(line []byte) {
	var e event
	if !bytes.HasPrefix(line, []byte("{")) || json.Unmarshal(line, &e) != nil {
		s.plain(string(line))
		return
	}
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
		return
	case "build-fail":
		s.broken = true
		return
	}
	if _, open := s.packages[e.Package]; !open {
		s.packages[e.Package] = nil // so that one without an end is noticed
	}
	if e.Test != "" {
		s.test(e)
	} else {
		s.pkg(e)
	}
}

// plain is a line that no test wrote: a heading, or a message of go's own.
func (s *summary) plain(line string) {
	fmt.Fprint(s.out, line)
	line = strings.TrimSpace(line)
	if name, ok := strings.CutPrefix(line, "## as "); ok {
		s.flush()
		s.parts = append(s.parts, &part{name: name, times: map[string]int{}})
	} else if what, ok := strings.CutPrefix(line, "## not run as "); ok {
		s.notRun = append(s.notRun, "not run as "+what)
	}
}

func (s *summary) part() *part {
	if len(s.parts) == 0 {
		s.parts = append(s.parts, &part{name: "the caller", times: map[string]int{}})
	}
	return s.parts[len(s.parts)-1]
}

// frame matches the lines by which go test tells tests apart, and which say
// nothing once they are told apart.
var frame = regexp.MustCompile(`^\s*=== (RUN|PAUSE|CONT|NAME) `)

func (s *summary) test(e event) {
	running := s.tests[e.Package]
	if running == nil {
		running = map[string][]string{}
		s.tests[e.Package] = running
	}
	switch e.Action {
	case "output":
		if !frame.MatchString(e.Output) {
			running[e.Test] = append(running[e.Test], e.Output)
		}
		return
	case "run":
		running[e.Test] = nil
		return
	case "pass":
		s.part().passed++
	case "skip":
		s.part().skip(e.Package, e.Test, running[e.Test])
	case "fail":
		s.part().failed++
		s.part().note(fmt.Sprintf("FAILED %s %s", e.Package, e.Test))
		s.packages[e.Package] = append(s.packages[e.Package], running[e.Test]...)
	default: // pause, cont, bench, attr, artifacts
		return
	}
	delete(running, e.Test)
}

var verdict = regexp.MustCompile(`^\s*--- SKIP: `)

func (p *part) skip(pkg, test string, output []string) {
	p.skipped++
	var why []string
	for _, line := range output {
		if line = strings.TrimSpace(line); line != "" && !verdict.MatchString(line) {
			why = append(why, line)
		}
	}
	if len(why) == 0 {
		why = []string{"no reason given"}
	}
	p.note(fmt.Sprintf("skipped %s %s: %s", pkg, test, strings.Join(why, " ")))
}

func (p *part) note(what string) {
	if p.times[what]++; p.times[what] == 1 {
		p.notes = append(p.notes, what)
	}
}

func (s *summary) pkg(e event) {
	switch e.Action {
	case "output":
		if e.Output != "PASS\n" {
			s.packages[e.Package] = append(s.packages[e.Package], e.Output)
		}
		return
	case "pass":
		s.part().packages++
	case "fail":
		s.broken = true
		s.part().packages++
	case "skip": // no test files
	default:
		return
	}
	s.end(e.Package)
}

// end prints a package: the tests that never came to an end (a panic, a
// time-out, a killed process) before what the package itself said.
func (s *summary) end(pkg string) {
	var unfinished []string
	for test := range s.tests[pkg] {
		unfinished = append(unfinished, test)
	}
	slices.Sort(unfinished)
	for _, test := range unfinished {
		s.broken = true
		fmt.Fprintf(s.out, "--- UNFINISHED: %s\n%s", test, strings.Join(s.tests[pkg][test], ""))
	}
	fmt.Fprint(s.out, strings.Join(s.packages[pkg], ""))
	delete(s.tests, pkg)
	delete(s.packages, pkg)
}

// flush prints packages whose end was never told.
func (s *summary) flush() {
	var open []string
	for pkg := range s.packages {
		open = append(open, pkg)
	}
	slices.Sort(open)
	for _, pkg := range open {
		s.broken = true
		fmt.Fprintf(s.out, "%s never ended\n", pkg)
		s.end(pkg)
	}
}

// close prints the summary, and says whether all is well.
func (s *summary) close() bool {
	s.flush()
	ok := !s.broken
	for _, p := range s.parts {
		fmt.Fprintf(s.out, "\nas %s: %d passed, %d failed, %d skipped (packages with tests: %d)\n",
			p.name, p.passed, p.failed, p.skipped, p.packages)
		for _, what := range p.notes {
			times := ""
			if n := p.times[what]; n > 1 {
				times = fmt.Sprintf(" (%d times)", n)
			}
			fmt.Fprintf(s.out, "    %s%s\n", what, times)
		}
		switch {
		case p.passed == 0 && p.skipped > 0:
			fmt.Fprintln(s.out, "    no test passed here: all that were selected were skipped")
		case p.passed == 0:
			fmt.Fprintln(s.out, "    no test passed here: that is a failure")
			ok = false
		}
		ok = ok && p.failed == 0
	}
	for _, what := range s.notRun {
		fmt.Fprintln(s.out, what)
	}
	return ok && len(s.parts) > 0
}
