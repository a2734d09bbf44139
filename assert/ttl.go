package assert

import (
	"testing"
)

// TTL demands the TTL (of IPv6 the hop limit) with which an answer arrived: 64
// over a link, one less for each router between.
func TTL(t testing.TB, e *Exchange, want int) {
	t.Helper()
	if e == nil {
		fatalf(t, "netrig: TTL: there is no exchange")
	}
	if e.TTL == 0 {
		fatalf(t, "netrig: TTL: the exchange from %s to %s holds no answer with a TTL", e.From, e.To)
	}
	if e.TTL != want {
		fatalf(t, "the answer from %s came to %s with ttl %d, want %d%s", e.To, e.From, e.TTL, want, e.explained())
	}
}
