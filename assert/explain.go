package assert

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/explain"
	"golang.org/x/sys/unix"
)

// patience is how long the probe that is sent once more may take: its first
// packets count, not the last try of a neighbour that does not answer.
const patience = 15 * time.Millisecond

// explained is what became of the exchange: which packet died, where and why,
// and the story, indented below the first line of a message.
//
// A passing test pays nothing for it. What counters moved is found out
// afterwards, by sending the same probe once more between two looks at them.
func (e *Exchange) explained() string {
	started := time.Now()
	lab := e.From.Lab()
	facts := e.repeat(lab)
	v := explain.Explain(e.asCase(), facts)
	lines, names := v.Lines(), facts.Names()
	took := time.Since(started).Round(100 * time.Microsecond)
	lab.Explained(fmt.Sprintf("%s > %s: %s\n%s\n(explained in %s)\n\n%s", e.From, e.To, e.Cause, v.All(), took, e.Window.Story(names)), facts)
	lab.Died(e.asCase(), v)
	return "\n    " + strings.Join(lines, "\n    ") + storyOf(e.Window, names)
}

// recent are the last exchanges, so that a failure about a packet's way can be
// explained by the exchange that it belongs to. They are held weakly.
var recent struct {
	sync.Mutex
	next int
	ring [64]weak.Pointer[Exchange]
}

func remember(e *Exchange) {
	recent.Lock()
	defer recent.Unlock()
	recent.ring[recent.next] = weak.Make(e)
	recent.next = (recent.next + 1) % len(recent.ring)
}

// explainedOf is the explanation of the exchange that a packet belongs to, ""
// where it is not known.
func explainedOf(f *capture.Flight) string {
	recent.Lock()
	var of *Exchange
	for _, w := range recent.ring {
		if e := w.Value(); e != nil && (e.Request == f || e.Reply == f) {
			of = e
		}
	}
	recent.Unlock()
	if of == nil {
		return ""
	}
	return of.explained()
}

// repeat sends the probe once more, and returns what the kernel says: the state
// as it was before, and what the probe moved if it went as the first one did.
func (e *Exchange) repeat(lab *harness.Lab) *explain.Facts {
	p := *e.probe
	p.count, p.plain = 1, false
	watch := lab.WatchDrops()
	facts, before := lab.Facts()
	watch.Await()
	lab.Repeating()
	mark := lab.Recording().Start()
	again := &Exchange{From: e.From, To: e.To, probe: &p}
	a, err := p.asker()
	if err != nil {
		watch.Tell(&explain.Facts{})
		return facts
	}
	defer a.close()
	if err := a.send(); err != nil {
		again.errno = errnoName(err)
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), deadline.Of(patience))
		_ = lab.Rest(ctx) // that it takes longer does not matter
		cancel()
	}
	p.follow(a, again, mark)
	if again.like(e) {
		watch.Tell(facts)
		lab.Moved(facts, before)
	} else {
		watch.Tell(&explain.Facts{}) // it is about other packets
		facts.NoDrops = "the probe, sent once more, went another way"
	}
	return facts
}

// like tells whether two exchanges ended at the same places.
func (e *Exchange) like(other *Exchange) bool {
	return e.errno == other.errno && sameEnd(e.Request, other.Request) && sameEnd(e.Reply, other.Reply)
}

func sameEnd(a, b *capture.Flight) bool {
	x, y := a.Last(), b.Last()
	return (x == nil) == (y == nil) && (x == nil || x.Where() == y.Where() && x.Direction == y.Direction && x.TTL == y.TTL)
}

// asCase is the exchange as the reasoning takes it.
func (e *Exchange) asCase() explain.Case {
	t := e.probe.target
	return explain.Case{
		From: e.From.Name(), Target: t.addr.WithZone(""), Port: t.port, Network: t.network, Source: e.probe.source, Mark: e.probe.mark,
		Request: e.Request, Reply: e.Reply, Window: e.Window, Errno: e.errno, Answered: e.reached(),
	}
}

// errnoName is the name of a system call's error, "EHOSTUNREACH".
func errnoName(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return ""
}
