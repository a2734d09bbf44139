package scenarios

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/oracle"
	"github.com/stretchr/testify/assert"
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
					requireOracle(t)
					twins(t, n, f).alike(t)
				})
			}
		})
	}
}

// A script whose network has gone, or has another name, would never run.
func TestOracleScriptsHaveNetworks(t *testing.T) {
	files, err := filepath.Glob(scriptOf("*"))
	require.NoError(t, err)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".sh")
		known := slices.ContainsFunc(networks, func(n network) bool { return n.name == name })
		assert.True(t, known || name == "family" || name == "twoways", "%s: there is no network %s", file, name)
	}
}

// The scripts spell addresses as the scenarios do.
func TestOracleSpellsFamiliesAlike(t *testing.T) {
	t.Parallel()
	harness.RequireProgram(t, "sh")
	for _, f := range families {
		out, err := exec.Command("sh", "-c", `. "$0"; addr 1 2; with 16 254; net 9; addr 10 1; net 172; at 1 2 80`, scriptOf("family"), f.name).CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Equal(t, strings.Join([]string{f.addr(1, 2), f.with(16, 254), f.net(9), f.addr(10, 1), f.net(172), at(f, 1, 2, 80).String(), ""}, "\n"), string(out))
	}
}

// pair is a network twice: as its scenario leaves it and as its script does.
type pair struct {
	built, typed side
	sysctls      oracle.Sysctls
}

type side struct {
	*oracle.Network
	state oracle.State // nil when it is to be read
}

// twins builds and types a network.
func twins(t *testing.T, n network, f family) *pair {
	file := scriptOf(n.name)
	require.FileExists(t, file, "a network has a script in testdata/oracle, or a reason in withoutScript")
	var typed *oracle.Network
	var err error
	over := make(chan struct{})
	go func() {
		defer close(over)
		typed, err = oracle.Typed(file, f.name)
	}()
	// First of all, so that the script is over also when the scenario fails.
	t.Cleanup(func() {
		if <-over; typed != nil {
			typed.Close()
		}
	})
	lab := n.body(t, f, "iptables")
	<-over
	require.NoError(t, err)
	built, err := oracle.OfLab(lab)
	require.NoError(t, err)
	t.Cleanup(built.Close)
	return &pair{
		built: side{Network: built}, typed: side{Network: typed},
		sysctls: oracle.SetIn(built, typed),
	}
}

// compare compares until the differences are as wanted, or for settleTime.
func (p *pair) compare(wanted func([]oracle.Difference) bool) (differences []oracle.Difference, err error) {
	err = deadline.Poll(settleTime, "the oracle sees something else", func() (bool, error) {
		for _, s := range []*side{&p.built, &p.typed} {
			if s.state == nil {
				if s.state, err = s.Read(p.sysctls); err != nil {
					return false, err
				}
			}
		}
		differences = oracle.Compare(p.built.state, p.typed.state)
		if wanted(differences) {
			return true, nil
		}
		p.built.state, p.typed.state = nil, nil
		return false, nil
	})
	return differences, err
}

// alike fails the test when the two differ.
func (p *pair) alike(t testing.TB) {
	t.Helper()
	var built, typed oracle.State
	differences, err := p.compare(func(all []oracle.Difference) bool {
		built, typed = p.built.state, p.typed.state
		return len(all) == 0
	})
	if len(differences) > 0 {
		t.Fatalf("%d differences between the harness and the script:\n%s", len(differences), oracle.Report(differences, built, typed))
	}
	require.NoError(t, err)
}

// requireOracle skips the test where a program is missing that the scripts run
// or that is asked for the state.
func requireOracle(t testing.TB) {
	t.Helper()
	harness.RequireProgram(t, "sh", "bash", "ip", "bridge", "sysctl", "ping", "readlink", "timeout")
	harness.RequireBackend(t, "iptables")
}

// settleTime is how long two networks that are alike may seem different: a
// lost carrier is noticed within a second where both ends of the cable have the
// same index, which the scripts do not choose.
const settleTime = 3 * time.Second
