package harness_test

import (
	"fmt"
	"testing"

	"github.com/netrig/netrig/harness"
)

// Each of these does its part to one cable, so often that the lab's own cost
// does not count; what was added is not removed before there is a lot of it.
const partsEach = 200

// onCable calls f with the number of each repetition, and a fresh cable every
// so often.
func onCable(b *testing.B, f func(i int, cable *harness.Cable)) {
	b.Helper()
	b.ReportAllocs()
	var cable *harness.Cable
	for i := 0; b.Loop(); i++ {
		if i%partsEach == 0 {
			b.StopTimer()
			_, _, _, cable = pair(b)
			b.StartTimer()
		}
		f(i%partsEach, cable)
	}
}

// BenchmarkAddress is one address more, of IPv4.
func BenchmarkAddress(b *testing.B) {
	onCable(b, func(i int, c *harness.Cable) { c.A.AddAddress(fmt.Sprintf("10.77.0.%d/32", i+1)) })
}

// BenchmarkRoute is one route more, through a neighbour.
func BenchmarkRoute(b *testing.B) {
	onCable(b, func(i int, c *harness.Cable) {
		c.A.Node().AddRoute(fmt.Sprintf("10.77.%d.0/24", i), c.B.Node().Addresses()[0].String())
	})
}

// BenchmarkNeighbor is one permanent neighbour more.
func BenchmarkNeighbor(b *testing.B) {
	onCable(b, func(i int, c *harness.Cable) {
		c.A.Node().AddNeighbor(c.A.Name(), fmt.Sprintf("10.77.0.%d", i+1), c.B.MAC())
	})
}

// BenchmarkReady is the wait for a cable that is up already: all that it is
// asked until packets can pass.
func BenchmarkReady(b *testing.B) {
	onCable(b, func(_ int, c *harness.Cable) { c.A.Up() })
}
