package try_test

import (
	"testing"

	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// Where no Main has put the tests into the sandbox, nothing may be done or asked
// of the machine's own network. (This package has none.)
func TestWithoutMain(t *testing.T) {
	for _, f := range []func(testing.TB){
		func(t testing.TB) { harness.New(t) },
		func(t testing.TB) { harness.RequireSysctl(t, "net.ipv4.ip_forward") },
	} {
		err := harness.Try("outside", f)
		require.ErrorContains(t, err, "outside_test.go:")
		require.ErrorContains(t, err, "func TestMain(m *testing.M) { harness.Main(m) }")
	}
}
