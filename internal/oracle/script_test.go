package oracle

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { harness.Main(m) }

// write makes a script that reads family.sh first.
func write(t *testing.T, lines ...string) string {
	t.Helper()
	harness.RequireProgram(t, "sh", "ip", "sysctl", "readlink")
	family, err := filepath.Abs("../../testdata/oracle/family.sh")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "Some.sh")
	text := "#!/bin/sh\n. " + family + "\n" + strings.Join(lines, "\n") + "\n"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestScriptRunsOutOfReach(t *testing.T) {
	t.Parallel()
	n, err := Typed(write(t,
		"node a b",
		"ip link add veth0 type veth peer name veth1",
		"ip netns exec a sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.lo.rp_filter=2",
	), "IPv4")
	require.NoError(t, err)
	defer n.Close()
	assert.Equal(t, []string{"a", "b"}, n.names())
	assert.Equal(t, map[string][]string{"a": {"net/ipv4/ip_forward", "net/ipv4/conf/lo/rp_filter"}}, n.sysctls)

	links, err := os.ReadFile("/proc/thread-self/net/dev")
	require.NoError(t, err)
	assert.NotContains(t, string(links), "veth", "its own network namespace")
	assert.NoFileExists(t, "/run/netns/a", "its own /run")
	assert.NoDirExists(t, tools)

	state, err := n.Read(SetIn(n))
	require.NoError(t, err)
	assert.Equal(t, "1", state["a"]["sysctl net/ipv4/ip_forward"]["value"])
	assert.Equal(t, "0", state["b"]["sysctl net/ipv4/conf/default/rp_filter"]["value"], "the baseline")
	assert.Contains(t, state["b"]["link lo"]["flags"], "UP")
}

func TestScriptStartsAsNodesDo(t *testing.T) {
	t.Parallel()
	for _, family := range []string{"IPv4", "IPv6"} {
		n, err := Typed(write(t, "node a"), family)
		require.NoError(t, err)
		defer n.Close()
		lab := harness.New(t)
		if family == "IPv6" {
			lab.Node("a", harness.IPv6())
		} else {
			lab.Node("a")
		}
		built, err := OfLab(lab)
		require.NoError(t, err)
		defer built.Close()
		sysctls := SetIn(n, built)
		typed, err := n.Read(sysctls)
		require.NoError(t, err)
		state, err := built.Read(sysctls)
		require.NoError(t, err)
		assert.Empty(t, Compare(state, typed))
		assert.Greater(t, len(state["a"]), 10)
	}
}

func TestScriptThatFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines []string
		want  []string
	}{
		"a command":          {[]string{"node a", "ip -n a link set eth9 up", "node b"}, []string{"exit status 1", "Cannot find device", "Some.sh IPv6"}},
		"an unknown request": {[]string{"ask dance"}, []string{`the runner does not know ["dance"]`}},
		"no such namespace":  {[]string{"ask node a"}, []string{"node a", "/run/netns/a", "no such file"}},
		"a sysctl nowhere":   {[]string{"sysctl -qw net.ipv4.ip_forward=1"}, []string{"is set in no node"}},
		"a signal":           {[]string{"kill -9 $$"}, []string{"killed"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Typed(write(t, c.lines...), "IPv6")
			require.Error(t, err)
			for _, want := range c.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

// What a script leaves running, with its pipes open, ends with it.
func TestScriptLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	pidFile := filepath.Join(t.TempDir(), "pid")
	n, err := Typed(write(t, "node a", "ip netns exec a sleep 1000 &", "echo $! > "+pidFile), "IPv4")
	require.NoError(t, err)
	defer n.Close()
	text, err := os.ReadFile(pidFile)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	assert.NoError(t, deadline.Poll(time.Second, "the program runs on", func() (bool, error) {
		return unix.Kill(pid, 0) == unix.ESRCH, nil
	}))
}
