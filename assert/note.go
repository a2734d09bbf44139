package assert

import (
	"fmt"
	"net/netip"
	"path"
	"runtime"
	"strings"
	"time"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/journal"
)

// noteExchange adds what came of a probe to the lab's journal, if one is kept.
func noteExchange(verb string, began time.Time, e *Exchange) {
	j := e.From.Lab().Journal()
	if j == nil {
		return
	}
	saw := map[string]string{"outcome": e.Cause.Kind}
	if e.Cause.From != "" {
		saw["said by"] = e.Cause.From
		if a, err := netip.ParseAddr(e.Cause.From); err == nil {
			saw["said by"] = j.Addr(a)
		}
	}
	if e.Cause.MTU != 0 {
		saw["mtu"] = fmt.Sprint(e.Cause.MTU)
	}
	if e.TTL != 0 {
		saw["ttl"] = fmt.Sprint(e.TTL)
	}
	if e.ServerSaw.IsValid() {
		saw["server saw"] = j.AddrPort(e.ServerSaw)
	}
	j.Note(began, journal.Verb{Verb: verb, From: e.From.Name(), To: e.To, Line: line(), Saw: saw})
}

// noteState adds what a node holds to the lab's journal, if one is kept.
func noteState(verb string, began time.Time, n *harness.Node, about, state string) {
	if j := n.Lab().Journal(); j != nil {
		j.Note(began, journal.Verb{Verb: verb, From: n.Name(), To: about, Line: line(), Saw: map[string]string{"state": state}})
	}
}

// line is where the test called: the first line that is not of this package.
func line() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "github.com/netrig/netrig/assert.") || strings.HasSuffix(f.File, "_test.go") || !more {
			return fmt.Sprintf("%s:%d", path.Base(f.File), f.Line)
		}
	}
}
