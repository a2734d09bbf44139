//go:build machine

package trial

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/netrig/netrig/internal/vm/wire"
	"github.com/stretchr/testify/require"
)

// The kernel's tables of this file are one for all namespaces, or have one limit
// for all: to use them up is for a machine of one's own (make starved).

// setting is a sysctl of the machine's own, by its path below /proc/sys.
type setting struct{ path, value string }

// inMachine sets sysctls for the time of a test, in a virtual machine: nobody
// else is there.
func inMachine(t *testing.T, settings ...setting) {
	t.Helper()
	if _, err := os.Stat(wire.RunFile); err != nil {
		t.Fatalf("this test changes limits of the whole machine, and is for a virtual one: make starved runs it there (%v)", err)
	}
	for _, s := range settings {
		file := "/proc/sys/" + s.path
		before, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, []byte(s.value), 0))
		t.Cleanup(func() { require.NoError(t, os.WriteFile(file, []byte(strings.TrimSpace(string(before))), 0)) })
	}
}

// recording is for an ordinary user's recordings, whose buffers are small
// otherwise, in an emulated machine.
var recording = setting{"net/core/rmem_max", "16777216"}

// through changes nothing of what the victim may use.
var through = []string{"env"}

// A gateway that can track fewer connections than its network has: what is lost
// is told by the name of the limit, and not taken for a silence or a filter.
func TestStarvedOfConnections(t *testing.T) {
	for _, who := range users() {
		inMachine(t, recording)
		primed(t, who)
		for n, lost := range map[int]string{
			1: `client cannot reach tcp:10\.0\.0\.2:80|reach tcp:10\.0\.0\.2:80: silence, which proves nothing`,
			3: `reach 10\.0\.0\.2: silence, which proves nothing: node gateway had no room to track the connection`,
		} {
			t.Run(fmt.Sprint(who, " ", n), func(t *testing.T) {
				// With few buckets a new connection may find an old one to take the place of.
				inMachine(t, setting{"net/netfilter/nf_conntrack_buckets", "262144"}, setting{"net/netfilter/nf_conntrack_max", fmt.Sprint(n)})
				f := famine{name: "connections", through: through,
					says: `(?s)` + lost + `.*node gateway tracks \d connections, of ` + fmt.Sprint(n) + ` that the machine lets each namespace track \(net\.netfilter\.nf_conntrack_max\).* dropped [1-9]`}
				f.starve(t, who, "labs=1")
			})
		}
	}
}

// Nodes whose neighbours do not fit into the table.
func TestStarvedOfNeighbors(t *testing.T) {
	for _, who := range users() {
		inMachine(t, recording)
		primed(t, who)
		for _, n := range []int{2, 5} {
			t.Run(fmt.Sprint(who, " ", n), func(t *testing.T) {
				dir := "net/ipv4/neigh/default/"
				inMachine(t, setting{dir + "gc_thresh1", "1"}, setting{dir + "gc_thresh2", "1"}, setting{dir + "gc_thresh3", fmt.Sprint(n)})
				f := famine{name: "neighbours", through: through,
					says: fmt.Sprintf(`the kernel's neighbour table, of %d entries for all namespaces of the machine together \(net\.ipv4\.neigh\.default\.gc_thresh3,.* was too full for another one [1-9]`, n)}
				f.starve(t, who, "crowd=20")
			})
		}
	}
}
