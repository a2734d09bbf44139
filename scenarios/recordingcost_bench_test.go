package scenarios

import (
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
)

// BenchmarkRecordingCost is a scenario that passes, with its packets recorded and
// without, by turns: the router between two subnets, asked before its routes and
// after. What can be demanded of a lab without a recording is demanded in both. The
// figure is 1.15 at most.
func BenchmarkRecordingCost(b *testing.B) {
	const turn = 8
	var took [2]time.Duration
	for b.Loop() {
		for i, options := range [][]harness.NodeOption{nil, {harness.Unrecorded()}} {
			start := time.Now()
			for range turn {
				once(b, "routed", func(t testing.TB) { routed(t, options...) })
			}
			took[i] += time.Since(start)
		}
	}
	b.ReportMetric(0, "ns/op") // of both together
	b.ReportMetric(milliseconds(took[0])/float64(b.N*turn), "recorded-ms")
	b.ReportMetric(milliseconds(took[1])/float64(b.N*turn), "unrecorded-ms")
	figure(b, float64(took[0])/float64(took[1]), 1.15, "times")
}

// routed is TestRouter's network, without what is demanded of its packets.
func routed(t testing.TB, options ...harness.NodeOption) {
	f := families[0]
	lab := harness.New(t)
	ns0, router, ns1 := lab.Node("ns0", options...), lab.Node("router", options...), lab.Node("ns1", options...)
	lab.Connect(ns0.Port("veth0", f.with(0, 2)), router.Port("veth1", f.with(0, 1)))
	lab.Connect(ns1.Port("veth2", f.with(1, 2)), router.Port("veth3", f.with(1, 1)))
	router.EnableForwarding()
	assert.Unreachable(t, ns0, f.addr(1, 2), assert.NoRoute)
	ns0.AddRoute(f.net(1), f.addr(0, 1))
	ns1.AddRoute(f.net(0), f.addr(1, 1))
	echo := assert.Reachable(t, ns0, f.addr(1, 2))
	assert.TTL(t, echo, 63)
	assert.Neighbor(t, ns0, f.addr(0, 1), router.MAC("veth1"))
	assert.Reachable(t, ns1, f.addr(0, 2))
}
