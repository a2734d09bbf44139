package matrix

import (
	"bytes"
	"regexp"
	"strings"
	"sync"

	"github.com/netrig/netrig/internal/journal"
)

// output reads what a test binary prints with -test.v=test2json: that marks the
// lines that are testing's own.
type output struct {
	mu      sync.Mutex
	line    []byte
	current string
	tests   map[string]*outcome
	copy    func(text string) // gets the lines as people know them
	ended   func(name string) // a test has ended, no subtest
}

// outcome is what became of one test, over all its runs.
type outcome struct {
	runs, failed, skipped int
	said                  []string // the last lines that it printed
}

func (o *outcome) String() string {
	switch {
	case o.failed > 0:
		return journal.Failed
	case o.skipped > 0:
		return journal.Skipped
	case o.runs > 0:
		return journal.Passed
	}
	return notRun
}

// notRun is the outcome of a test that has not ended.
const notRun = "not run"

// mark is what testing puts before its own lines (cmd/internal/test2json).
const mark = 0x16

var (
	turn  = regexp.MustCompile(`^=== (RUN|NAME|CONT|PAUSE) +(\S*)`)
	end   = regexp.MustCompile(`^ *--- (PASS|FAIL|SKIP): (\S+) \(`)
	place = regexp.MustCompile(`^ *\S+\.go:\d+: `)
)

const mostLines = 60

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.line = append(o.line, b...)
	for {
		at := bytes.IndexByte(o.line, '\n')
		if at < 0 {
			return len(b), nil
		}
		o.take(string(o.line[:at]))
		o.line = o.line[at+1:]
	}
}

func (o *output) take(line string) {
	// The mark may stand behind what a test printed without an end of line.
	if before, own, found := strings.Cut(line, string(rune(mark))); found {
		if before != "" {
			o.take(before)
		}
		line = own
		if m := turn.FindStringSubmatch(line); m != nil {
			o.current = m[2]
			if m[1] == "RUN" {
				o.of(m[2])
			}
		} else if m := end.FindStringSubmatch(line); m != nil {
			o.end(m[2], m[1])
		}
	} else if t := o.tests[o.current]; t != nil && line != "" {
		if t.said = append(t.said, line); len(t.said) > mostLines {
			t.said = t.said[1:]
		}
	}
	if o.copy != nil {
		o.copy(line)
	}
}

func (o *output) of(name string) *outcome {
	if o.tests == nil {
		o.tests = map[string]*outcome{}
	}
	if o.tests[name] == nil {
		o.tests[name] = &outcome{}
	}
	return o.tests[name]
}

func (o *output) end(name, how string) {
	t := o.of(name)
	t.runs++
	switch how {
	case "FAIL":
		t.failed++
	case "SKIP":
		t.skipped++
	}
	o.current = ""
	if o.ended != nil && !strings.Contains(name, "/") {
		o.ended(name)
	}
}

// reason is what a test that was skipped, or failed, said last.
func (o *outcome) reason() string {
	for i := len(o.said) - 1; i >= 0; i-- {
		if place.MatchString(o.said[i]) {
			return strings.TrimSpace(place.ReplaceAllString(o.said[i], ""))
		}
	}
	return ""
}
