package capture

import (
	"fmt"
	"os/exec"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// burn keeps every CPU busy for as long as the test runs: with processes, or
// with goroutines, which take the runtime's processors as well.
func burn(t testing.TB, processes bool) {
	t.Helper()
	var stop atomic.Bool
	for range 2 * runtime.NumCPU() {
		if !processes {
			go func() {
				for !stop.Load() {
				}
			}()
			continue
		}
		loop := exec.Command("sh", "-c", "while :; do :; done")
		require.NoError(t, loop.Start())
		t.Cleanup(func() {
			_ = loop.Process.Kill() // it may be gone
			_ = loop.Wait()         // it was killed
		})
	}
	t.Cleanup(func() { stop.Store(true) })
}

// chain is two hosts with three routers between, which know all neighbours;
// it gives the address of the last host. prepare, if there is one, is called
// with each before it has interfaces.
func chain(t testing.TB, prepare ...func(i int, h *host)) (hosts []*host, last string) {
	t.Helper()
	for i, name := range []string{"a", "r1", "r2", "r3", "b"} {
		h := newHost(t, name)
		for _, f := range prepare {
			f(i, h)
		}
		if i > 0 {
			before := hosts[i-1]
			connect(before, "right", fmt.Sprintf("10.0.%d.1/24", i), h, "left", fmt.Sprintf("10.0.%d.2/24", i))
			before.neighbour("right", fmt.Sprintf("10.0.%d.2", i), h.mac("left"))
			h.neighbour("left", fmt.Sprintf("10.0.%d.1", i), before.mac("right"))
		}
		hosts = append(hosts, h)
	}
	for i, h := range hosts[:4] {
		if i > 0 {
			h.sysctl("net/ipv4/ip_forward", "1")
			h.sysctl("net/ipv4/conf/left/forwarding", "1")
			h.sysctl("net/ipv4/conf/right/forwarding", "1")
		}
		if i < 3 {
			h.route("10.0.4.0/24", fmt.Sprintf("10.0.%d.2", i+1))
		}
	}
	for i, h := range hosts[1:] {
		if i > 0 {
			h.route("10.0.1.0/24", fmt.Sprintf("10.0.%d.1", i+1))
		}
	}
	return hosts, "10.0.4.2"
}
