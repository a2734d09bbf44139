package harness

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/netrig/netrig/internal/result"
)

// labs are those whose tests are running.
var labs struct {
	sync.Mutex
	all map[*Lab]struct{}
}

func (l *Lab) register() {
	labs.Lock()
	defer labs.Unlock()
	if labs.all == nil {
		labs.all = map[*Lab]struct{}{}
	}
	labs.all[l] = struct{}{}
}

func (l *Lab) unregister() {
	labs.Lock()
	defer labs.Unlock()
	delete(labs.all, l)
}

// NoteFailure keeps what is about to be said of a failure, for the files of the
// labs of the test and of those that it is a part of. It is for netrig's own
// verbs: a testing.TB does not tell what was said by it.
func NoteFailure(t testing.TB, text string) {
	for _, l := range labsOf(t) {
		l.failure(text)
	}
}

// labsOf are the labs of a test, and of those that it is a part of.
func labsOf(t testing.TB) (of []*Lab) {
	name := t.Name()
	labs.Lock()
	defer labs.Unlock()
	for l := range labs.all {
		if own := l.TB.Name(); own == name || strings.HasPrefix(name, own+"/") {
			of = append(of, l)
		}
	}
	return of
}

func (l *Lab) failure(text string) {
	var callers [32]uintptr
	file, line := lineOf(callers[:runtime.Callers(2, callers[:])])
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failedAt = append(l.failedAt, place{file, line})
	l.failures = append(l.failures, result.Failure{Line: fmt.Sprintf("%s:%d", path.Base(file), line), Code: lineIn(file, line), Text: text})
}

// lineIn is a line of a file, "" where it can't be read: the sources need not be
// where the tests run.
func lineIn(path string, line int) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		if number == line {
			return strings.TrimSpace(lines.Text())
		}
	}
	return ""
}

// What is said by the Lab as a testing.TB is kept too: require.NoError(lab, err).

// Error is as of testing.T.
func (l *Lab) Error(args ...any) {
	l.TB.Helper()
	l.failure(strings.TrimSuffix(fmt.Sprintln(args...), "\n"))
	l.TB.Error(args...)
}

// Errorf is as of testing.T.
func (l *Lab) Errorf(format string, args ...any) {
	l.TB.Helper()
	l.failure(fmt.Sprintf(format, args...))
	l.TB.Errorf(format, args...)
}

// Fatal is as of testing.T.
func (l *Lab) Fatal(args ...any) {
	l.TB.Helper()
	l.failure(strings.TrimSuffix(fmt.Sprintln(args...), "\n"))
	l.TB.Fatal(args...)
}

// Fatalf is as of testing.T.
func (l *Lab) Fatalf(format string, args ...any) {
	l.TB.Helper()
	l.failure(fmt.Sprintf(format, args...))
	l.TB.Fatalf(format, args...)
}
