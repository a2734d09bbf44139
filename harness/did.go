package harness

import (
	"fmt"
	"os"
	"path"
	"runtime"
	"strings"

	"github.com/netrig/netrig/internal/journal"
)

// did notes in the lab's journal, if one is kept, that a verb of the harness has
// done something to a node, or to the lab ("" for where). Which verb that was is
// told by the stack: the one that the test called, as AddDefaultRoute, and not
// those that it calls itself. It is noted where the thing is done, so that no verb
// does something that is not in the journal.
func (l *Lab) did(where, format string, args ...any) {
	j := l.journal
	if j == nil {
		return
	}
	verb, line := caller()
	action := journal.Action{Do: verb, Node: where, What: fmt.Sprintf(format, args...), Line: line}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.actions = append(j.actions, acted{action, len(l.Steps())})
}

func (n *Node) did(format string, args ...any) { n.lab.did(n.name, format, args...) }

// acted is an action and the step that it belongs to.
type acted struct {
	action journal.Action
	step   int
}

// caller is the verb that the test called, and the line where it did: the last
// frame of this package before one that is not.
func caller() (verb, line string) {
	const here = "github.com/netrig/netrig/harness."
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, here) || strings.HasSuffix(f.File, "_test.go") || !more {
			return verb, fmt.Sprintf("%s:%d", path.Base(f.File), f.Line)
		}
		// "(*Node).AddRoute", "New", "(*Node).Do.func1"
		name := strings.TrimPrefix(f.Function, here)
		if i := strings.LastIndex(name, ")."); i >= 0 {
			name = name[i+2:]
		}
		name, _, _ = strings.Cut(name, ".")
		verb = name
	}
}

// commandLine is a program with its arguments, without the paths of files that a
// test has made for itself: they are others in every run.
type commandLine struct{ args []string }

func (c commandLine) String() string {
	words := []string{path.Base(c.args[0])}
	for _, a := range c.args[1:] {
		if i := strings.Index(a, strings.TrimSuffix(os.TempDir(), "/")+"/"); i >= 0 {
			a = a[:i] + "(a file)"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}
