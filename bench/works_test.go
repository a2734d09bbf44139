package bench

import (
	"fmt"
	"testing"
)

// BenchmarkPair: two nodes on a cable, one ping, gone.
func BenchmarkPair(b *testing.B) {
	c := compete(b, "pair", 2, 8, everyone()...)
	c.faster(b, "shell", 12)
	c.near(b, 2.5)
}

// BenchmarkMasquerade: a router that masquerades, one ping, captured on every
// interface, gone.
func BenchmarkMasquerade(b *testing.B) {
	compete(b, "masquerade", 3, 4, everyone()...).faster(b, "shell", 15)
}

// sizes runs a benchmark for each size, of which the short form does some.
func sizes(b *testing.B, large []int, few []int, run func(b *testing.B, size int)) {
	b.Helper()
	if short() {
		large = few
	}
	for _, size := range large {
		b.Run(fmt.Sprint(size), func(b *testing.B) { run(b, size) })
	}
}

// BenchmarkBridge: a bridge with so many nodes: built, ready, one ping, gone.
func BenchmarkBridge(b *testing.B) {
	perNode := map[int]float64{}
	sizes(b, []int{2, 10, 50, 200, 1000}, []int{2, 10, 50}, func(b *testing.B, size int) {
		c := compete(b, "bridge", size, max(1, 8/size), everyone()...)
		perNode[size] = c.of("netrig").median() / float64(size)
		switch size {
		case 50:
			c.faster(b, "mininet", 20)
		case 1000:
			c.near(b, 2)
			if at50 := perNode[50]; at50 > 0 {
				b.ReportMetric(perNode[size]/at50, "x-node-at-50")
				demand(b, perNode[size] <= 1.5*at50, "a node costs %.2f times what it does of 50, want at most 1.5", perNode[size]/at50)
			}
		}
	})
}

// BenchmarkMatrixLearned: every node pings every node, with neighbours learned.
func BenchmarkMatrixLearned(b *testing.B) {
	sizes(b, []int{10, 20}, []int{10}, func(b *testing.B, size int) {
		compete(b, "learned", size, 1, everyone()...)
	})
}

// BenchmarkMatrixPermanent: the same with permanent neighbours. The kernel's
// neighbour table is one for the whole machine, and too small for those that
// fifty nodes learn.
func BenchmarkMatrixPermanent(b *testing.B) {
	sizes(b, []int{50, 100}, []int{20}, func(b *testing.B, size int) {
		c := compete(b, "permanent", size, 1, everyone()...)
		if size == 50 {
			c.faster(b, "mininet", 100)
		}
	})
}

// BenchmarkChain: so many routers in a row, one ping from end to end, gone.
func BenchmarkChain(b *testing.B) {
	sizes(b, []int{2, 10, 60}, []int{2, 10}, func(b *testing.B, size int) {
		compete(b, "chain", size, 1, everyone()...)
	})
}

// BenchmarkCapture: a million frames of so many bytes over a cable, recorded at
// both ends. The floor records nothing.
func BenchmarkCapture(b *testing.B) {
	frames := 1_000_000
	if short() {
		frames = 100_000
	}
	sizes(b, []int{64, 1500}, []int{64}, func(b *testing.B, size int) {
		c := compete(b, "capture", size, frames, everyone("plain")...)
		lost := c.of("netrig").Lost
		demand(b, lost == 0, "%d packets lost, want none", lost)
	})
}

// BenchmarkThroughput: TCP between two nodes with recording off, and between
// two bare namespaces.
func BenchmarkThroughput(b *testing.B) {
	seconds := 2
	if short() {
		seconds = 1
	}
	c := compete(b, "throughput", seconds, 1, "netrig", "shell")
	own, bare := median(c.of("netrig").Bits), median(c.of("shell").Bits)
	if own > 0 && bare > 0 {
		b.ReportMetric(own/1e9, "netrig-Gbit/s")
		b.ReportMetric(bare/1e9, "bare-Gbit/s")
		b.ReportMetric(own/bare, "x-bare")
		demand(b, own >= 0.97*bare, "%.3f of the throughput of bare namespaces, want 0.97", own/bare)
	}
}
