package harness

import "testing"

// atEnd has a test call f when it ends, and lets go of it then. Package testing
// itself keeps what was registered, and all that it refers to, until the last of
// the tests that run side by side has ended: with their labs, 150 tests took
// 50 MB.
func atEnd(t testing.TB, f func()) {
	t.Helper()
	t.Cleanup(func() {
		t.Helper()
		run := f
		f = nil
		run()
	})
}

// Cleanup is that of testing.TB. When f has run, nothing that it refers to is
// kept.
func (l *Lab) Cleanup(f func()) {
	l.TB.Helper()
	atEnd(l.TB, f)
}
