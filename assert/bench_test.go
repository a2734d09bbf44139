package assert_test

import (
	"fmt"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
)

// BenchmarkPing is a ping over a cable, by each way there is: go-ping without an
// option, a socket of our own with one.
func BenchmarkPing(b *testing.B) {
	for name, options := range map[string][]assert.Option{"plain": nil, "size": {assert.Size(56)}} {
		b.Run(name, func(b *testing.B) {
			lab := harness.New(b)
			x, y := lab.Node("x"), lab.Node("y")
			lab.Connect(x.Port("eth0", "10.0.0.1/24"), y.Port("eth0", "10.0.0.2/24"))
			b.ReportAllocs()
			for b.Loop() {
				assert.Reachable(b, x, "10.0.0.2", options...)
			}
		})
	}
}

// BenchmarkMatrix is a ping of a matrix of ten nodes on a bridge.
func BenchmarkMatrix(b *testing.B) {
	const size = 10
	lab := harness.New(b)
	br := lab.Node("switch").Bridge("br0")
	nodes := lab.Nodes("n%d", size)
	for i, n := range nodes {
		lab.Connect(br.Port(fmt.Sprintf("p%d", i)), n.Port("eth0", fmt.Sprintf("10.0.0.%d/24", i+1)))
	}
	lab.PermanentNeighbors()
	for b.Loop() {
		assert.Matrix(b, nodes, func(_, _ *harness.Node) assert.Cause { return assert.Reached })
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size*(size-1)), "ns/ping")
}
