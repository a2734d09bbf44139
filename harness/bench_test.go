package harness_test

import (
	"os"
	"testing"
	"time"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/try"
)

// once runs f with a TB of its own, whose cleanups have run when it returns.
func once(b *testing.B, f func(testing.TB)) {
	b.Helper()
	if r := try.Run(b.Name(), f); r.Failed || r.Skipped {
		b.Fatalf("%v\n%s%s", r.Panic, r.Log(), r.Stack)
	}
}

// BenchmarkNode is a lab of one node, from New to its end.
func BenchmarkNode(b *testing.B) {
	for b.Loop() {
		once(b, func(t testing.TB) { harness.New(t).Node("a") })
	}
}

// BenchmarkNodeUnrecorded is the same without recording.
func BenchmarkNodeUnrecorded(b *testing.B) {
	for b.Loop() {
		once(b, func(t testing.TB) { harness.New(t).Node("a", harness.Unrecorded()) })
	}
}

// BenchmarkConnect is one cable more between two nodes, IPv4 alone.
func BenchmarkConnect(b *testing.B) {
	const cables = 20
	for b.Loop() {
		b.StopTimer()
		once(b, func(t testing.TB) {
			lab := harness.New(t)
			x, y := lab.Node("x"), lab.Node("y")
			b.StartTimer()
			for i := range cables {
				name := "eth" + string(rune('a'+i))
				lab.Connect(x.Port(name), y.Port(name))
			}
			b.StopTimer()
		})
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*cables), "µs/cable")
}

// BenchmarkCommand is a program that does nothing, run in a node.
func BenchmarkCommand(b *testing.B) {
	harness.RequireProgram(b, "true")
	n := harness.New(b).Node("a")
	n.Run("true") // the node's mounts are made for the first one
	for b.Loop() {
		n.Run("true")
	}
}

// BenchmarkLinkDown is the time from setting one end of a cable down until the
// other is seen to have lost its carrier, in a hundred fresh labs. The figure
// to reach, for the worst of them, is 100 ms.
func BenchmarkLinkDown(b *testing.B) {
	const labs = 100
	var worst, sum time.Duration
	for b.Loop() {
		for range labs {
			once(b, func(t testing.TB) {
				_, _, _, cable := pair(t)
				start := time.Now()
				cable.A.Down()
				took := time.Since(start)
				sum += took
				worst = max(worst, took)
			})
		}
	}
	b.ReportMetric(float64(sum.Microseconds())/1000/float64(labs*b.N), "mean-ms")
	worstMS := float64(worst.Microseconds()) / 1000
	b.ReportMetric(worstMS, "worst-ms")
	if worstMS > 100 && os.Getenv("NETRIG_FIGURES") == "1" {
		b.Errorf("a link that went down was seen after %.1f ms at the other end, want 100 ms at most", worstMS)
	}
}
