package harness

import (
	"fmt"
	"net/netip"
	"path"
	"runtime"
	"strings"
	"time"

	"github.com/netrig/netrig/internal/journal"
)

// asked is what a verb asked and saw. It is put into words when somebody wants
// them: for a journal, or when the test has failed.
type asked struct {
	verb, from, to string
	saw            func(Naming) map[string]string
	step           int // number of headings before it
	at             time.Time
	took           time.Duration
	callers        [12]uintptr
}

// Naming writes addresses: as they are, or in words that are the same in every
// run.
type Naming interface {
	Addr(netip.Addr) string
	AddrPort(netip.AddrPort) string
}

// Note keeps what a verb asked, from when on, and what it saw by name. It is for
// netrig's own verbs, and costs a microsecond.
func (l *Lab) Note(began time.Time, verb string, from *Node, to string, saw func(Naming) map[string]string) {
	a := asked{verb: verb, from: from.name, to: to, saw: saw, at: began, took: time.Since(began)}
	runtime.Callers(2, a.callers[:])
	l.mu.Lock()
	defer l.mu.Unlock()
	a.step = len(l.steps)
	l.asked = append(l.asked, a)
}

// allAsked is everything that verbs have asked so far.
func (l *Lab) allAsked() []asked {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]asked(nil), l.asked...)
}

func (a *asked) in(words Naming) journal.Verb {
	file, line := lineOf(a.callers[:])
	return journal.Verb{Verb: a.verb, From: a.from, To: a.to, Line: fmt.Sprintf("%s:%d", path.Base(file), line), Saw: a.saw(words)}
}

// plainly names addresses as they are.
type plainly struct{}

func (plainly) Addr(a netip.Addr) string         { return a.String() }
func (plainly) AddrPort(a netip.AddrPort) string { return a.String() }

// wordily names addresses in the words of a journal.
type wordily struct{ journal.Words }

func (w wordily) AddrPort(a netip.AddrPort) string { return w.Words.AddrPort(a, a.Port()) }

// lineOf is where the test called: the first line that belongs neither to netrig
// nor to testify, which calls a Lab's Errorf.
func lineOf(callers []uintptr) (file string, line int) {
	frames := runtime.CallersFrames(callers)
	for {
		f, more := frames.Next()
		ours := strings.HasPrefix(f.Function, "github.com/netrig/netrig/assert.") || strings.HasPrefix(f.Function, "github.com/netrig/netrig/harness.") ||
			strings.HasPrefix(f.Function, "github.com/stretchr/testify/")
		if !ours || strings.HasSuffix(f.File, "_test.go") || !more {
			return f.File, f.Line
		}
	}
}
