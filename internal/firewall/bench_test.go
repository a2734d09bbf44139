package firewall

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/netrig/netrig/internal/ns"
)

var masquerade = Rule{Family: IPv4, Hook: Postrouting, Verdict: Masquerade, Source: prefix("10.0.0.0/8")}

func eachBackendB(b *testing.B, f func(b *testing.B, name string)) {
	for _, name := range Available() {
		b.Run(name, func(b *testing.B) { f(b, name) })
	}
}

// BenchmarkFirstRule is opening the backend and the first rule of a namespace.
func BenchmarkFirstRule(b *testing.B) {
	eachBackendB(b, func(b *testing.B, name string) {
		for b.Loop() {
			b.StopTimer()
			n, err := ns.New()
			require.NoError(b, err)
			b.StartTimer()
			w, err := Open(name, n)
			require.NoError(b, err)
			_, err = w.Add(masquerade)
			require.NoError(b, err)
			b.StopTimer()
			w.Close()
			n.Close()
			b.StartTimer()
		}
	})
}

// BenchmarkFurtherRule adds up to a hundred rules to a namespace that has one.
func BenchmarkFurtherRule(b *testing.B) {
	eachBackendB(b, func(b *testing.B, name string) {
		var w Backend
		for i := 0; b.Loop(); i++ {
			if i%100 == 0 {
				b.StopTimer()
				w = open(b, name, namespace(b))
				_, err := w.Add(masquerade)
				require.NoError(b, err)
				b.StartTimer()
			}
			_, err := w.Add(masquerade)
			require.NoError(b, err)
		}
	})
}

func BenchmarkCounters(b *testing.B) {
	eachBackendB(b, func(b *testing.B, name string) {
		w := open(b, name, namespace(b))
		id, err := w.Add(masquerade)
		require.NoError(b, err)
		for b.Loop() {
			_, err := w.Counters(id)
			require.NoError(b, err)
		}
	})
}

// BenchmarkRemoveLast is the removal of the last NAT rule, which waits for the
// end of connection tracking.
func BenchmarkRemoveLast(b *testing.B) {
	eachBackendB(b, func(b *testing.B, name string) {
		w := open(b, name, namespace(b))
		for b.Loop() {
			b.StopTimer()
			id, err := w.Add(masquerade)
			require.NoError(b, err)
			b.StartTimer()
			require.NoError(b, w.Remove(id))
		}
	})
}
