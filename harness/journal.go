package harness

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/ns"
)

// labJournal writes down what was observed of a lab, for the file that
// NETRIG_JOURNAL asks for.
type labJournal struct {
	lab   *Lab
	test  *testJournal
	began time.Time

	mu      sync.Mutex
	actions []acted
}

// testJournal is the file of one test, which may have several labs.
type testJournal struct {
	tb     testing.TB
	writer *journal.Writer

	mu   sync.Mutex
	file *journal.Test
}

// testJournals are those of the tests that are running, by their testing.TB.
var testJournals struct {
	mu sync.Mutex
	of map[testing.TB]*testJournal
}

// journalOf is the file of a test, nil where none is kept: without
// NETRIG_JOURNAL, and for what runs inside a test with a stand-in for its
// testing.TB, unless that brings a writer along.
func journalOf(t testing.TB) *testJournal {
	writer, err := journal.Default()
	if own, ok := t.(interface{ Journals() *journal.Writer }); ok {
		writer, err = own.Journals(), nil
	} else if writer == nil && err == nil {
		return nil
	} else if _, standIn := t.(interface{ StandIn() }); standIn {
		return nil
	}
	t.Helper()
	if err != nil {
		t.Fatalf("netrig: %v", err)
	}
	if !reflect.TypeOf(t).Comparable() {
		t.Fatalf("netrig: %s: a %T can't be told from another: hand a pointer to harness.New", journal.Variable, t)
	}
	testJournals.mu.Lock()
	defer testJournals.mu.Unlock()
	if j := testJournals.of[t]; j != nil {
		return j
	}
	j := &testJournal{tb: t, writer: writer, file: writer.Test(t.Name())}
	if testJournals.of == nil {
		testJournals.of = map[testing.TB]*testJournal{}
	}
	testJournals.of[t] = j
	atEnd(t, j.write) // before the first lab's own, and so after it
	return j
}

// skip notes why the test is about to be skipped.
func (j *testJournal) skip(why string) {
	if j != nil {
		j.file.Reason = why
	}
}

// add begins the part of a lab.
func (j *testJournal) add(l *Lab) {
	if j == nil {
		return
	}
	l.journal = &labJournal{lab: l, test: j, began: time.Now()}
	// After the lab's own, and so before it: the nodes still stand.
	atEnd(l.TB, l.journal.end)
}

func (j *testJournal) write() {
	j.tb.Helper()
	testJournals.mu.Lock()
	delete(testJournals.of, j.tb)
	testJournals.mu.Unlock()
	switch {
	case j.tb.Failed():
		j.file.Outcome = journal.Failed
	case j.tb.Skipped():
		j.file.Outcome = journal.Skipped
	default:
		j.file.Outcome = journal.Passed
	}
	if err := j.writer.Write(j.file); err != nil {
		j.tb.Errorf("netrig: %v", err)
	}
}

// end writes the lab down as it is when its test has ended.
func (j *labJournal) end() {
	l := j.lab
	l.TB.Helper()
	if l.TB.Skipped() {
		return
	}
	took := time.Since(j.began)
	// What is on its way would be in one journal and not in the next. A lab in
	// which a program keeps sending never rests.
	ctx, cancel := context.WithTimeout(context.Background(), deadline.Of(time.Second))
	_ = l.Rest(ctx)
	cancel()
	interfaces := map[*Node][]Interface{}
	for _, n := range l.All() {
		n.lookAtCarriers()
	}
	for _, n := range l.All() {
		interfaces[n] = n.Interfaces()
	}
	words := j.words(interfaces)
	file := &journal.Lab{Timers: string(l.timers), Backend: l.backend, Steps: j.steps(words)}
	for _, drop := range l.recording.Dropped() {
		file.Gaps = append(file.Gaps, drop.String())
	}
	for _, n := range l.All() {
		file.Nodes = append(file.Nodes, journal.Node{Name: n.name, Objects: n.objects(words, interfaces[n])})
	}
	j.test.mu.Lock()
	defer j.test.mu.Unlock()
	j.test.file.Labs = append(j.test.file.Labs, file)
	times := []journal.Time{{What: "the test", Took: milliseconds(took)}}
	for _, a := range l.allAsked() {
		v := a.in(wordily{words})
		times = append(times, journal.Time{What: fmt.Sprintf("%s %s %s (%s)", v.Verb, v.From, v.To, v.Line), Took: milliseconds(a.took)})
	}
	j.test.file.Times = append(j.test.file.Times, times...)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// words are the lab's names for its hardware addresses.
func (j *labJournal) words(interfaces map[*Node][]Interface) journal.Words {
	j.lab.TB.Helper()
	macs := map[string]string{}
	for _, n := range j.lab.All() {
		for _, p := range n.ports { // also those that have been moved or deleted
			macs[p.mac.String()] = p.node.name + ":" + p.name
		}
		for _, b := range n.bridges {
			macs[b.mac.String()] = n.name + ":" + b.name
		}
	}
	for _, n := range j.lab.All() {
		for _, i := range interfaces[n] {
			if mac := i.MAC.String(); macs[mac] == "" && mac != "00:00:00:00:00:00" {
				macs[mac] = n.name + ":" + i.Name
			}
		}
	}
	return journal.NewWords(macs)
}

// steps are the lab's headings, with the verbs and the packets of each.
func (j *labJournal) steps(words journal.Words) []*journal.Step {
	l := j.lab
	headings := append([]Step{{At: l.start}}, l.Steps()...)
	end := l.recording.Mark()
	all := l.allAsked()
	steps := make([]*journal.Step, len(headings))
	for number, heading := range headings {
		step := &journal.Step{Name: heading.Name}
		steps[number] = step
		for _, a := range j.actions {
			if a.step == number {
				step.Actions = append(step.Actions, a.action)
			}
		}
		var verbs []asked
		for _, a := range all {
			if a.step == number {
				step.Verbs, verbs = append(step.Verbs, a.in(wordily{words})), append(verbs, a)
			}
		}
		until := end
		if number+1 < len(headings) {
			until = headings[number+1].At
		}
		step.Packets = words.Packets(l.recording.Window(heading.At, until), lastBegun(verbs))
	}
	return steps
}

// lastBegun tells the number of the verb that had begun last at a time, and
// whether it had ended.
func lastBegun(verbs []asked) func(time.Time) (int, bool) {
	return func(at time.Time) (last int, ended bool) {
		for i, v := range verbs {
			if !v.at.After(at) {
				last, ended = i+1, at.After(v.at.Add(v.took))
			}
		}
		return last, ended
	}
}

// journalProcess writes down the sysctls of a fresh namespace, if a journal is
// kept and a test has run. It is the last thing that the process does, when the
// modules are loaded that its tests need.
func journalProcess() error {
	writer, err := journal.Default()
	if writer == nil || err != nil {
		return err
	}
	space, err := ns.New()
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer space.Close()
	process := writer.Process()
	process.Modules = kernelModules()
	for _, name := range process.Modules {
		if !slices.Contains(modulesAtStart, name) {
			process.Loaded = append(process.Loaded, name)
		}
	}
	if err := space.Do(func() (err error) { process.Sysctls, err = sysctlsHere(); return err }); err != nil {
		return fmt.Errorf("journal: read the sysctls of a fresh namespace: %w", err)
	}
	return writer.Write(process)
}

// modulesAtStart are the kernel's modules before the first test.
var modulesAtStart []string

// kernelModules are the names of the kernel's modules, in order; none of a kernel
// without modules, or where /proc does not tell.
func kernelModules() (names []string) {
	raw, _ := os.ReadFile("/proc/modules")
	for line := range strings.Lines(string(raw)) {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// sysctlsHere are those of the namespace that the thread is in. What can only be
// written, or only by the machine's root, is left out.
func sysctlsHere() (map[string]string, error) {
	values := map[string]string{}
	err := filepath.WalkDir(sysctlRoot+"net", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // an entry that went with its device
		}
		if raw, err := os.ReadFile(path); err == nil {
			values[strings.ReplaceAll(strings.TrimPrefix(path, sysctlRoot), "/", ".")] = strings.Join(strings.Fields(string(raw)), " ")
		}
		return nil
	})
	return values, err
}

// Untouched tells whether nobody but the harness has been at work in the lab's nodes: no
// function by Do, no program, and nobody who was told where a namespace is. Then they have
// no links but those that the harness has made. It is for netrig's own verbs.
func (l *Lab) Untouched() bool {
	return !l.foreign.Load() && !slices.ContainsFunc(l.All(), func(n *Node) bool { return n.entered.Load() })
}

// Journaled tells whether NETRIG_JOURNAL asks for what is observed of the lab. It
// is for netrig's own verbs.
func (l *Lab) Journaled() bool { return l.journal != nil }
