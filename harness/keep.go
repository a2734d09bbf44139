package harness

import (
	"os"
	"testing"
	"time"

	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/result"
)

// keeping tells whether tests keep their files when they pass or are skipped,
// too.
func keeping() bool { return os.Getenv(result.KeepVariable) == "1" }

// lookBefore keeps what the kernel says at the beginning of a step, if files are
// kept anyway: that takes milliseconds.
func (l *Lab) lookBefore(step string) {
	if !l.keep || standsIn(l.TB) {
		return
	}
	facts, _ := l.Facts()
	l.before = append(l.before, result.At{Step: step, Facts: facts})
}

// keepSkip writes down that a test is skipped before it has a lab.
func keepSkip(t testing.TB, why string) {
	t.Helper()
	if !keeping() || standsIn(t) {
		return
	}
	if of := labsOf(t); len(of) > 0 { // which save themselves
		for _, l := range of {
			l.reason = why
		}
		return
	}
	test := &result.Test{Header: journal.Here(), Name: t.Name(), Outcome: journal.Skipped, Reason: why, Began: time.Now()}
	test.Version = result.Version
	folder, err := artifacts(t)
	if err == nil {
		err = result.Place{Folder: folder, Number: 1}.Finish(test)
	}
	if err != nil {
		t.Logf("netrig: %s: the skipped test could not be written down: %v", result.KeepVariable, err)
	}
}
