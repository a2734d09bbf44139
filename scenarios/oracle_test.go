package scenarios

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/oracle"
	"github.com/stretchr/testify/require"
)

// withoutScript are the networks that no script types, with the reason.
var withoutScript = map[string]string{}

func scriptOf(name string) string {
	return filepath.Join("..", "testdata", "oracle", name+".sh")
}

// TestOracle compares each network, as its scenario leaves it, with the same
// network typed as commands of iproute2 and iptables (testdata/oracle), field by
// field of what iproute2 and iptables say of the two.
func TestOracle(t *testing.T) {
	t.Parallel()
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			if why := withoutScript[n.name]; why != "" {
				require.NoFileExists(t, scriptOf(n.name), "the network is listed as one without a script")
				t.Skip("no script types this network: " + why)
			}
			for _, f := range n.families() {
				t.Run(f.name, func(t *testing.T) {
					t.Parallel()
					compare(t, n, f)
				})
			}
		})
	}
}

func compare(t *testing.T, n network, f family) {
	requireOracle(t, n.filters)
	_, err := os.Stat(scriptOf(n.name))
	require.NoError(t, err, "a network has a script in testdata/oracle, or a reason in withoutScript")

	type result struct {
		*oracle.Network
		error
	}
	typing := make(chan result, 1)
	go func() {
		typed, err := oracle.Typed(scriptOf(n.name), f.name)
		typing <- result{typed, err}
	}()
	lab := n.body(t, f, "iptables")
	typed := <-typing
	require.NoError(t, typed.error)
	defer typed.Close()
	built, err := oracle.OfLab(lab)
	require.NoError(t, err)
	defer built.Close()

	alike(t, built, typed.Network, oracle.Scope{Family: f.name, Filters: n.filters, Typed: typed.Network})
}

// requireOracle skips the test where a program is missing that the scripts run
// or that is asked for the state.
func requireOracle(t testing.TB, filters bool) {
	t.Helper()
	harness.RequireProgram(t, "sh", "bash", "ip", "bridge", "sysctl", "ping", "readlink")
	if filters {
		harness.RequireBackend(t, "iptables")
	}
}

// settleTime is how long two networks that are alike may seem different: a
// lost carrier is noticed within a second where both ends of the cable have the
// same index, which the scripts do not choose.
const settleTime = 3 * time.Second

// alike fails the test when the networks differ.
func alike(t testing.TB, built, typed *oracle.Network, scope oracle.Scope) {
	t.Helper()
	var harness, script oracle.State
	var differences []oracle.Difference
	err := deadline.Poll(settleTime, "they still differ", func() (ok bool, err error) {
		if harness, err = built.Read(scope); err != nil {
			return false, err
		}
		if script, err = typed.Read(scope); err != nil {
			return false, err
		}
		differences = oracle.Compare(harness, script)
		return len(differences) == 0, nil
	})
	if len(differences) > 0 {
		t.Fatalf("%d differences between the harness and the script:\n%s", len(differences), oracle.Report(differences, harness, script))
	}
	require.NoError(t, err)
}
