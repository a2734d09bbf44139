package harness_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	netrig "github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recorded runs f as a test, and returns its journal.
func recorded(t *testing.T, f func(testing.TB)) (*journal.Test, try.Result) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "j")
	w, err := journal.NewWriter(folder)
	require.NoError(t, err)
	r := try.Run("TestIt/sub", func(tb testing.TB) { f(journal.TB{TB: tb, Writer: w}) })
	read, err := journal.Read(folder)
	require.NoError(t, err)
	require.Len(t, read.Tests, 1)
	return read.Tests[0], r
}

func TestJournal(t *testing.T) {
	t.Parallel()
	j, r := recorded(t, func(tb testing.TB) {
		lab := harness.New(tb)
		a, b := lab.Node("a"), lab.Node("b")
		lab.Connect(a.Port("eth0", "192.168.1.1/24"), b.Port("eth0", "192.168.1.2/24"))
		netrig.Reachable(tb, a, "192.168.1.2")
		lab.Step("then")
		b.Serve("tcp", ":80")
		netrig.Reachable(tb, a, "tcp:192.168.1.2:80")
		netrig.Unreachable(tb, a, "10.0.0.1", netrig.NoRoute)
		netrig.Neighbor(tb, a, "192.168.1.2", b.MAC("eth0"))
	})
	require.False(t, r.Failed, r.Log())
	assert.Equal(t, "TestIt/sub", j.Name)
	assert.Equal(t, journal.Passed, j.Outcome)
	require.Len(t, j.Labs, 1)
	lab := j.Labs[0]
	assert.Equal(t, "fast", lab.Timers)
	require.Len(t, lab.Steps, 2)
	assert.Equal(t, "then", lab.Steps[1].Name)

	require.Len(t, lab.Steps[0].Verbs, 1)
	ping := lab.Steps[0].Verbs[0]
	assert.Equal(t, "Reachable", ping.Verb)
	assert.Equal(t, "a", ping.From)
	assert.Equal(t, map[string]string{"outcome": "reached", "ttl": "64"}, ping.Saw)
	assert.Regexp(t, `^journal_test\.go:\d+$`, ping.Line)
	require.Len(t, lab.Steps[1].Verbs, 3)
	assert.Equal(t, "192.168.1.1:ephemeral", lab.Steps[1].Verbs[0].Saw["server saw"])
	assert.Equal(t, map[string]string{"outcome": "no route", "said by": "local"}, lab.Steps[1].Verbs[1].Saw)
	assert.Equal(t, map[string]string{"state": "REACHABLE"}, lab.Steps[1].Verbs[2].Saw)

	// Four frames, each seen twice, without anything that is another next time.
	require.Len(t, lab.Steps[0].Packets, 8)
	assert.Equal(t, journal.Packet{
		At: "a:eth0", Direction: "out", Flight: 3, During: 1, Kind: "echo request", Src: "192.168.1.1", Dst: "192.168.1.2", TTL: 64,
		Detail: "don't fragment, 98 bytes", MACs: "a:eth0 > b:eth0",
	}, lab.Steps[0].Packets[4])
	assert.Equal(t, lab.Steps[0].Packets[4].Flight, lab.Steps[0].Packets[5].Flight)

	has := func(node int, kind, name, field string) string {
		for _, o := range lab.Nodes[node].Objects {
			if o.Kind == kind && o.Name == name {
				return o.Fields[field]
			}
		}
		t.Errorf("node %s has no %s %s", lab.Nodes[node].Name, kind, name)
		return ""
	}
	require.Len(t, lab.Nodes, 2)
	assert.Equal(t, "up", has(0, journal.Interface, "eth0", "operational state"))
	assert.Equal(t, "global", has(1, journal.Address, "192.168.1.2/24 on eth0", "scope"))
	assert.Equal(t, "kernel", has(0, journal.Route, "unicast 192.168.1.0/24 on eth0 in table 254", "made by"))
	assert.Equal(t, "b:eth0", has(0, journal.Neighbour, "192.168.1.2 on eth0", "mac"))
	assert.Equal(t, "1", has(1, journal.Counter, "IcmpInEchos", "value"))
	assert.NotEmpty(t, j.Times)
}

// The journal has what the test did, by the verbs that it called itself, and the
// packet filter as it was left.
func TestJournalActions(t *testing.T) {
	t.Parallel()
	j, r := recorded(t, func(tb testing.TB) {
		lab := harness.New(tb)
		a, b := lab.Node("a"), lab.Node("b")
		cable := lab.Connect(a.Port("eth0", "192.168.1.1/24"), b.Port("eth0", "192.168.1.2/24"), harness.MTU(1400))
		lab.Step("then")
		a.AddDefaultRoute("192.168.1.2", harness.Metric(5))
		_ = a.TryAddRoute("default", "192.168.1.2", harness.Metric(5))
		b.EnableForwarding()
		b.Masquerade(harness.NAT{Out: "eth0", Source: "10.0.0.0/8"})
		b.Count(harness.Filter{Hook: harness.Input, Protocol: "icmp"})
		netrig.Reachable(tb, a, "192.168.1.2")
		cable.B.Down()
		b.Run("true")
		br0 := b.Bridge("br0", harness.Address("10.1.1.1/24"))
		br0.Down()
	})
	require.False(t, r.Failed, r.Log())
	steps := j.Labs[0].Steps
	texts := func(step int) (all []string) {
		for _, a := range steps[step].Actions {
			assert.Regexp(t, `^journal_test\.go:\d+$`, a.Line)
			all = append(all, a.Node+": "+a.Do+" "+a.What)
		}
		return all
	}
	assert.Equal(t, []string{"a: Node ", "b: Node ", ": Connect a:eth0 - b:eth0, MTU 1400"}, texts(0))
	assert.Equal(t, []string{
		"a: AddDefaultRoute default via 192.168.1.2 metric 5",
		"a: TryAddRoute default via 192.168.1.2 metric 5, which the kernel refused",
		"b: EnableForwarding net.ipv4.ip_forward = 1",
		"b: EnableForwarding net.ipv6.conf.all.forwarding = 1",
		"b: Masquerade -t nat -A POSTROUTING -s 10.0.0.0/8 -o eth0 -j MASQUERADE",
		"b: Count -t filter -A INPUT -p icmp",
		"b: Down eth0 down",
		"b: Run true",
		"b: Bridge br0",
		"b: Bridge br0 up",
		"b: Bridge 10.1.1.1/24 on br0",
		"b: Down br0 down",
	}, texts(1))

	rules := map[string]string{}
	for _, o := range j.Labs[0].Nodes[1].Objects {
		if o.Kind == journal.Filter {
			rules[o.Name] = o.Fields["packets"]
		}
	}
	assert.Equal(t, map[string]string{"-t nat -A POSTROUTING -s 10.0.0.0/8 -o eth0 -j MASQUERADE": "none", "-t filter -A INPUT -p icmp": "some"}, rules)
}

func TestJournalOfLabsThatFailOrSkip(t *testing.T) {
	t.Parallel()
	j, _ := recorded(t, func(tb testing.TB) {
		harness.New(tb).Node("first")
		harness.New(tb).Node("second")
		tb.Error("on purpose")
	})
	assert.Equal(t, journal.Failed, j.Outcome)
	assert.Len(t, j.Labs, 2, "two labs, one file")

	if os.Getenv("NETRIG_REQUIRE") == "" {
		j, _ = recorded(t, func(tb testing.TB) { harness.RequireProgram(tb, "no-such-program") })
		assert.Equal(t, journal.Skipped, j.Outcome)
		assert.Contains(t, j.Reason, "no-such-program is not installed")
	}
}

// With the variable a process writes one of each test and one of itself.
func TestJournalVariable(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "journals")
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestJournalledByVariable$", "-test.count=2")
	cmd.Env = append(os.Environ(), "NETRIG_SANDBOX=", journal.Variable+"="+folder)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	read, err := journal.Read(folder)
	require.NoError(t, err)
	require.Len(t, read.Tests, 2, "one of each run")
	assert.Equal(t, "TestJournalledByVariable", read.Tests[0].Name)
	require.Len(t, read.Processes, 1)
	assert.NotEmpty(t, read.Processes[0].Sysctls["net.ipv4.ip_default_ttl"])
	listed, _ := os.ReadFile("/proc/modules")
	assert.Equal(t, len(listed) > 0, len(read.Processes[0].Modules) > 0, "of a kernel with modules they are listed")
	for _, name := range read.Processes[0].Loaded {
		assert.Contains(t, read.Processes[0].Modules, name)
	}

	// A folder that can't be written fails the test, and says why.
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	cmd = exec.Command("/proc/self/exe", "-test.run=^TestJournalledByVariable$")
	cmd.Env = append(os.Environ(), "NETRIG_SANDBOX=", journal.Variable+"="+file+"/in")
	out, err = cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "NETRIG_JOURNAL: the folder of the journals can't be made")
}

// TestJournalledByVariable is what TestJournalVariable runs.
func TestJournalledByVariable(t *testing.T) { harness.New(t).Node("a") }
