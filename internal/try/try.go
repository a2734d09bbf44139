// Package try runs code that wants a testing.TB outside of a test, or inside
// one without failing it: on a goroutine of its own, with cleanups, skips,
// failures and panics kept apart and returned.
package try

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
)

// Line is a line that was logged, with the place that logged it, helpers
// passed over: "router_test.go", 23.
type Line struct {
	File string
	Line int
	Text string
}

// Result is what became of a run.
type Result struct {
	Failed, Skipped bool
	Lines           []Line
	Panic           any    // what f panicked with; nil for no panic
	Stack           string // of the panic
}

// Log is the lines as `go test` prints them.
func (r Result) Log() string {
	var b strings.Builder
	for _, l := range r.Lines {
		fmt.Fprintf(&b, "%s:%d: %s\n", l.File, l.Line, l.Text)
	}
	return b.String()
}

// Run calls f with a testing.TB of the name given, waits for it and its
// cleanups, and tells what became of it.
func Run(name string, f func(testing.TB)) Result {
	t := &standIn{name: name, helpers: map[string]bool{}}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Cleanups run on the same goroutine, also after a panic or Goexit, and
		// each may end the goroutine in its turn.
		defer t.runCleanups()
		returned := false
		defer t.ended(&returned)
		f(t)
		returned = true
	}()
	<-done
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.artifacts != "" {
		_ = os.RemoveAll(t.artifacts)
	}
	return t.result
}

// standIn is a testing.TB of its own. The embedded interface is nil: it is
// there for the unexported method only, and a test checks by reflection that
// every exported method is overridden.
type standIn struct {
	testing.TB
	name   string
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	result   Result
	helpers  map[string]bool
	cleanups []cleanup
	running  *Line // where the cleanup that runs now was registered

	artifacts string
}

// cleanup is a function, and the place that registered it: what it logs counts
// as logged there, as in package testing.
type cleanup struct {
	f  func()
	at Line
}

func (t *standIn) recovered() {
	if p := recover(); p != nil {
		t.panicked(p)
	}
}

// ended tells how f has ended: by itself, by a panic, or with its goroutine, as
// FailNow and SkipNow end it. Whoever else ends a goroutine makes a test fail.
func (t *standIn) ended(returned *bool) {
	if p := recover(); p != nil {
		t.panicked(p)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !*returned && !t.result.Failed && !t.result.Skipped {
		t.result.Failed = true
		t.result.Lines = append(t.result.Lines, Line{File: "try.go", Text: "somebody else ended the goroutine (runtime.Goexit), such as the FailNow of another testing.TB"})
	}
}

func (t *standIn) panicked(p any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Failed, t.result.Panic, t.result.Stack = true, p, string(debug.Stack())
}

func (t *standIn) runCleanups() {
	t.cancel()
	t.mu.Lock()
	if len(t.cleanups) == 0 {
		t.mu.Unlock()
		return
	}
	last := t.cleanups[len(t.cleanups)-1]
	t.cleanups = t.cleanups[:len(t.cleanups)-1]
	t.running = &last.at
	t.mu.Unlock()
	defer t.runCleanups()
	defer t.recovered()
	last.f()
}

func (t *standIn) log(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := t.caller()
	line.Text = strings.TrimRight(text, "\n")
	t.result.Lines = append(t.result.Lines, line)
}

// caller is the place that called into the standIn, helpers passed over. It is
// called from a method that an exported method calls, with mu held.
func (t *standIn) caller() Line {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(4, pcs)])
	for {
		f, more := frames.Next()
		if t.running != nil && strings.HasSuffix(f.Function, ".runCleanups") {
			return *t.running
		}
		if !t.helpers[f.Function] || !more {
			return Line{File: path.Base(f.File), Line: f.Line}
		}
	}
}

func (t *standIn) Helper() {
	pcs := make([]uintptr, 1)
	if runtime.Callers(2, pcs) == 0 {
		return
	}
	f, _ := runtime.CallersFrames(pcs).Next()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.helpers[f.Function] = true
}

func (t *standIn) set(failed, skipped bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Failed = t.result.Failed || failed
	t.result.Skipped = t.result.Skipped || skipped
}

func (t *standIn) Log(args ...any)                 { t.log(fmt.Sprintln(args...)) }
func (t *standIn) Logf(format string, args ...any) { t.log(fmt.Sprintf(format, args...)) }
func (t *standIn) Fail()                           { t.set(true, false) }
func (t *standIn) FailNow()                        { t.set(true, false); runtime.Goexit() }
func (t *standIn) SkipNow()                        { t.set(false, true); runtime.Goexit() }
func (t *standIn) Name() string                    { return t.name }
func (t *standIn) Context() context.Context        { return t.ctx }

func (t *standIn) Error(args ...any) { t.log(fmt.Sprintln(args...)); t.set(true, false) }
func (t *standIn) Errorf(format string, args ...any) {
	t.log(fmt.Sprintf(format, args...))
	t.set(true, false)
}
func (t *standIn) Fatal(args ...any) {
	t.log(fmt.Sprintln(args...))
	t.set(true, false)
	runtime.Goexit()
}
func (t *standIn) Fatalf(format string, args ...any) {
	t.log(fmt.Sprintf(format, args...))
	t.set(true, false)
	runtime.Goexit()
}
func (t *standIn) Skip(args ...any) {
	t.log(fmt.Sprintln(args...))
	t.set(false, true)
	runtime.Goexit()
}
func (t *standIn) Skipf(format string, args ...any) {
	t.log(fmt.Sprintf(format, args...))
	t.set(false, true)
	runtime.Goexit()
}

func (t *standIn) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.result.Failed
}

func (t *standIn) Skipped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.result.Skipped
}

func (t *standIn) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, cleanup{f, t.registered()})
}

// registered is caller for Cleanup, one call less deep.
func (t *standIn) registered() Line { return t.caller() }

func (t *standIn) Attr(key, value string) { t.log("attribute " + key + "=" + value) }

func (t *standIn) Output() io.Writer { return writer{t} }

type writer struct{ t *standIn }

func (w writer) Write(p []byte) (int, error) {
	w.t.log(string(p))
	return len(p), nil
}

func (t *standIn) TempDir() string {
	dir := t.folder("netrig-try-")
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// StandIn marks a testing.TB that is not of package testing.
func (t *standIn) StandIn() {}

// ArtifactDir is one folder that is deleted when all is over, as that of a test
// is without -artifacts; cleanups can still read it.
func (t *standIn) ArtifactDir() string {
	t.mu.Lock()
	dir := t.artifacts
	t.mu.Unlock()
	if dir == "" {
		dir = t.folder("netrig-try-artifacts-")
		t.mu.Lock()
		t.artifacts = dir
		t.mu.Unlock()
	}
	return dir
}

func (t *standIn) folder(prefix string) string {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		t.Fatalf("make a folder: %v", err)
	}
	return dir
}

func (t *standIn) Setenv(key, value string) {
	before, had := os.LookupEnv(key)
	if err := os.Setenv(key, value); err != nil {
		t.Fatalf("set %s: %v", key, err)
	}
	t.Cleanup(func() {
		if had {
			_ = os.Setenv(key, before)
		} else {
			_ = os.Unsetenv(key)
		}
	})
}

func (t *standIn) Chdir(dir string) {
	before, err := os.Getwd()
	if err == nil {
		err = os.Chdir(dir)
	}
	if err != nil {
		t.Fatalf("change to %s: %v", dir, err)
	}
	t.Cleanup(func() { _ = os.Chdir(before) })
}
