package assert

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/netrig/netrig/harness"
)

// noteExchange keeps what came of a probe. Of the exchange it keeps little: a
// matrix has thousands.
func noteExchange(verb string, began time.Time, e *Exchange) {
	cause, ttl, server := e.Cause, e.TTL, e.ServerSaw
	e.From.Lab().Note(began, verb, e.From, e.To, func(words harness.Naming) map[string]string {
		saw := map[string]string{"outcome": cause.Kind}
		if cause.From != "" {
			saw["said by"] = cause.From
			if a, err := netip.ParseAddr(cause.From); err == nil {
				saw["said by"] = words.Addr(a)
			}
		}
		if cause.MTU != 0 {
			saw["mtu"] = fmt.Sprint(cause.MTU)
		}
		if ttl != 0 {
			saw["ttl"] = fmt.Sprint(ttl)
		}
		if server.IsValid() {
			saw["server saw"] = words.AddrPort(server)
		}
		return saw
	})
}

// noteState keeps what a node holds.
func noteState(verb string, began time.Time, n *harness.Node, about, state string) {
	n.Lab().Note(began, verb, n, about, func(harness.Naming) map[string]string { return map[string]string{"state": state} })
}

// fatalf fails the test, and keeps why.
func fatalf(t testing.TB, format string, args ...any) {
	t.Helper()
	text := fmt.Sprintf(format, args...)
	harness.NoteFailure(t, text)
	t.Fatal(text)
}
