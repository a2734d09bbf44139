package journal

import "testing"

// TB is a testing.TB whose labs are written down by a writer of its own, for
// tests of journals: those of the process, if any, hold nothing of it.
type TB struct {
	testing.TB
	Writer *Writer
}

// Journals is how the harness finds the writer.
func (t TB) Journals() *Writer { return t.Writer }

// StandIn marks a testing.TB of a run inside another test, which keeps no files
// of a failure.
func (t TB) StandIn() {}
