// Package scenarios holds one network a file, each built, driven and asserted
// from end to end. They are what netrig is tested by, and examples of how a
// test of a network reads.
package scenarios

import (
	"testing"

	"github.com/netrig/netrig/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// bothFamilies runs a scenario for IPv4 and for IPv6.
func bothFamilies(t *testing.T, run func(testing.TB, family) *harness.Lab) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			run(t, f)
		})
	}
}

// onEachBackend runs a scenario with NAT or filters on each backend, for IPv4
// and for IPv6.
func onEachBackend(t *testing.T, run func(testing.TB, family, string) *harness.Lab) {
	t.Parallel()
	for _, backend := range []string{"nftables", "iptables", "iptables-legacy"} {
		t.Run(backend, func(t *testing.T) {
			harness.RequireBackend(t, backend)
			bothFamilies(t, func(t testing.TB, f family) *harness.Lab { return run(t, f, backend) })
		})
	}
}
