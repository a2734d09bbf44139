package harness

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/firewall"
	"github.com/netrig/netrig/internal/github"
	"github.com/netrig/netrig/internal/limit"
	"github.com/netrig/netrig/internal/result"
	"github.com/netrig/netrig/internal/sandbox"
)

// Lab is one network under test. It is a testing.TB too, so that
// require.NoError(lab, err) works and later explanations hang on it. Its
// methods are for the test's goroutine, as those of testing.T are.
type Lab struct {
	testing.TB

	timers    Timers
	backend   string
	recording *capture.Recording
	tables    neighborTables // at the start, or shortly before

	mu        sync.Mutex
	nodes     []*Node
	foreign   atomic.Bool // outside programs got at its namespaces
	byName    map[string]*Node
	nextIndex int
	steps     []Step
	start     capture.Mark
	began     time.Time
	asked     []asked
	failures  []result.Failure
	failedAt  []place // of each failure
	made      place   // where the lab was made, if that is needed
	keep      bool    // its files, when it passes too
	reason    string  // why the test is skipped
	before    []result.At
	explained []explanation
	died      *died       // of the last explanation
	journal   *labJournal // nil where none is kept
	scratch   string      // folder of the lab's own, made when first needed
}

// Step is a heading in the lab's story.
type Step struct {
	Name  string
	At    capture.Mark
	Began time.Time
}

// Option changes what New makes.
type Option func(*Lab)

// Timers is a set of kernel timers for neighbours and ICMP errors.
type Timers string

const (
	// FastTimers makes a dead neighbour known in some 50 ms, and ICMP errors
	// unlimited. Tests about anything but a timer want these. They hold for the
	// interfaces that the lab makes; those made by outside programs in a node
	// have the kernel's own.
	FastTimers Timers = "fast"
	// KernelTimers leaves the kernel's own: a dead neighbour is known after 3 s.
	KernelTimers Timers = "kernel"
)

// WithTimers chooses the timer profile; FastTimers is the default.
func WithTimers(t Timers) Option { return func(l *Lab) { l.timers = t } }

// WithBackend chooses what carries out the NAT and filter verbs: "nftables"
// (the default: by netlink, no program needed), "iptables" (the nf_tables
// variant) or "iptables-legacy". A backend that can't be used here skips the
// test, or fails it when NETRIG_REQUIRE=1.
func WithBackend(name string) Option { return func(l *Lab) { l.backend = name } }

// firstIndex is the first interface index that a lab gives out: above those
// that the devices of tunnel modules (sit0, tunl0, ...) take in every
// namespace.
const firstIndex = 101

// New makes an empty lab, which ends with the test t.
func New(t testing.TB, options ...Option) *Lab {
	t.Helper()
	needMain(t)
	l := &Lab{
		TB:        t,
		timers:    FastTimers,
		backend:   firewall.NFTables,
		recording: capture.New(capture.NamesTold()),
		byName:    map[string]*Node{},
		nextIndex: firstIndex,
		tables:    recentTables(),
	}
	for i, o := range options {
		if o == nil {
			t.Fatalf("netrig: option %d of the lab is nil", i+1)
		}
		o(l)
	}
	if l.timers != FastTimers && l.timers != KernelTimers {
		t.Fatalf("netrig: timer profile %q is unknown: use harness.FastTimers or harness.KernelTimers", l.timers)
	}
	if !slices.Contains(firewall.Names(), l.backend) {
		t.Fatalf("netrig: backend %q is unknown: use one of %s", l.backend, strings.Join(firewall.Names(), ", "))
	}
	journal := journalOf(t)
	if l.backend != firewall.NFTables {
		RequireBackend(t, l.backend)
	}
	if github.Runs() {
		var callers [32]uintptr
		l.made.file, l.made.line = lineOf(callers[:runtime.Callers(2, callers[:])])
	}
	l.start, l.began, l.keep = l.recording.Start(), time.Now(), keeping()
	l.recording.Pending = l.pending
	l.register()
	atEnd(t, l.close)
	journal.add(l)
	return l
}

// needMain fails a test that Main has not put into the sandbox.
func needMain(t testing.TB) {
	t.Helper()
	if !sandbox.Active() {
		t.Fatal("netrig: the test does not run inside the sandbox: add\n\tfunc TestMain(m *testing.M) { harness.Main(m) }\nto the package's tests")
	}
}

// Recording holds the packets of every node of the lab, from before the first.
func (l *Lab) Recording() *capture.Recording { return l.recording }

// Timers is the lab's timer profile.
func (l *Lab) Timers() Timers { return l.timers }

// Backend is the name of what carries out the NAT and filter verbs.
func (l *Lab) Backend() string { return l.backend }

// All are the lab's nodes, in the order in which they were made.
func (l *Lab) All() []*Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*Node(nil), l.nodes...)
}

// Record runs f and returns the packets of f, and no others: those that were
// on their way before are in no window, and those that f set going are waited
// for until they have reached their end.
func (l *Lab) Record(f func()) capture.Window {
	l.TB.Helper()
	l.Settle()
	from := l.recording.Start()
	f()
	l.Settle()
	return l.recording.Window(from, l.recording.Start())
}

// settleTime bounds waiting for packets under way: longer than the kernel's
// own three tries for a neighbour that does not answer.
const settleTime = 5 * time.Second

// Settle returns when no packet of the lab is under way: none between two
// interfaces, none waiting for a neighbour's address, none in a queue that
// delays packets. A lab that does not come to rest within 5 s (scaled on slow
// machines) fails the test.
func (l *Lab) Settle() {
	l.TB.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline.Of(settleTime))
	defer cancel()
	if err := l.Rest(ctx); err != nil {
		l.fatalf("the lab does not come to rest: %v", err)
	}
}

// Rest is Settle until ctx ends; the error says what kept moving.
func (l *Lab) Rest(ctx context.Context) error {
	// A node that is not recorded hides the packets that it passes on, so that
	// one round more is needed for each.
	rounds := 1
	for _, n := range l.All() {
		if !n.Recorded() {
			rounds++
		}
	}
	for range rounds {
		if err := l.recording.Settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Step puts a heading into the lab's story: the packets from here on belong
// to it. A testing.TB with the method
//
//	AtStep(lab *Lab, name string)
//
// is told of each, after the heading: there a test of the test can plant a
// fault.
func (l *Lab) Step(name string) {
	l.TB.Helper()
	l.heading(name)
	l.lookBefore(name)
	if tb, ok := l.TB.(interface{ AtStep(*Lab, string) }); ok {
		tb.AtStep(l, name)
	}
}

func (l *Lab) heading(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps = append(l.steps, Step{name, l.recording.Mark(), time.Now()})
}

// Steps are the headings so far.
func (l *Lab) Steps() []Step {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Step(nil), l.steps...)
}

// fatalf fails the test at the line of the verb's caller: every method between
// has called Helper.
func (l *Lab) fatalf(format string, args ...any) {
	l.TB.Helper()
	l.Fatalf("netrig: "+format, args...)
}

// must fails the test when err is one, with what was tried before it.
func (l *Lab) must(err error, format string, args ...any) {
	if err != nil {
		l.TB.Helper()
		l.fatalf("%s: %v%s", fmt.Sprintf(format, args...), err, limit.Hint(err))
	}
}

// index hands out an interface index that nothing else in the lab has, so that
// an index alone names an interface in a capture, and no two ends of a cable
// share one.
func (l *Lab) index() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nextIndex++
	return l.nextIndex - 1
}

func (l *Lab) close() {
	l.TB.Helper()
	l.hold()
	for _, n := range l.nodes {
		n.stop()
	}
	l.finish()
	l.recording.Close()
	// All descriptors together, without a wait between: the kernel then takes
	// the namespaces apart in one go.
	for _, n := range l.nodes {
		if n.worthRetiring() {
			retire(n)
		}
		n.close()
	}
	letGo()
	l.removeScratch()
}

// finish reports what would make the test's result worth less than it looks.
func (l *Lab) finish() {
	l.TB.Helper()
	defer l.unregister()
	if l.TB.Skipped() {
		if l.keep {
			l.save()
		}
		return
	}
	for _, drop := range l.recording.Dropped() {
		l.Errorf("netrig: %s", drop)
	}
	if !l.TB.Failed() {
		for _, n := range l.nodes {
			for _, p := range n.ports {
				if p.index == 0 {
					l.Errorf("netrig: the port %s was declared but never connected", p)
				}
			}
		}
	}
	if l.TB.Failed() || l.keep {
		l.save()
	}
}
