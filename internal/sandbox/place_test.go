package sandbox

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// place runs a shell script inside a sandbox and returns its output.
func place(t *testing.T, who user, script string) string {
	t.Helper()
	v := who.command(t, "-test.run=^TestPlace$").with("VICTIM_SCRIPT=set -e\n" + script)
	out, state := v.run()
	require.True(t, state.Success(), out)
	return strings.TrimSuffix(out, "PASS\n")
}

// The sandbox shows its own processes, interfaces and locks, not the machine's.
func TestPlace(t *testing.T) {
	everyone(t, func(t *testing.T, who user) {
		out := place(t, who, `
			echo links $(ls /sys/class/net) $(cut -d: -f1 /proc/net/dev | tail -n +3)
			echo lo $(cat /sys/class/net/lo/flags)
			echo first $(cat /proc/1/comm) $(readlink /proc/self/ns/pid) $(readlink /proc/1/ns/pid)
			echo run $(ls -A /run)
			echo id $(id -u)
			mkdir -p /run/netns && touch /run/xtables.lock /run/lock/mine && echo written`)
		self, err := os.Readlink("/proc/self/ns/pid")
		require.NoError(t, err)
		assert.NotContains(t, out, self)
		assert.Contains(t, out, "links lo lo\n")
		assert.Contains(t, out, "lo 0x8\n", "the loopback interface is not down")
		assert.Contains(t, out, "first netrig-first ")
		assert.Contains(t, out, "run lock\n")
		assert.Contains(t, out, "id 0\n")
		assert.Contains(t, out, "written\n")
	})
}

// What stays mounted below /sys stays in sight.
func TestBelowSys(t *testing.T) {
	for _, path := range mountsBelow("/sys") {
		entries, err := os.ReadDir(path)
		if err != nil || len(entries) == 0 {
			continue
		}
		out := place(t, user("the same as this process"), "ls -A "+path)
		for _, entry := range entries {
			assert.Contains(t, out, entry.Name()+"\n", path)
		}
	}
}

// Tests that do their worst leave the machine as it was.
func TestMachineUntouched(t *testing.T) {
	need(t, "ip", "mount", "sysctl")
	before := machine(t)
	everyone(t, func(t *testing.T, who user) {
		place(t, who, `
			mount -t tmpfs victim /mnt
			mkdir -p /mnt/a && mount --bind /mnt/a /tmp
			ip link add v0 type veth peer name v1
			ip link set lo up
			ip address add 10.99.0.1/24 dev v0
			ip link set v0 up
			ip netns add victim
			ip netns exec victim true
			sysctl -qw net.ipv4.ip_forward=$((1 - $(cat /proc/sys/net/ipv4/ip_forward))) net.ipv4.conf.all.rp_filter=2
			touch /run/victim`)
		if t.Failed() {
			return
		}
		after := machine(t)
		for what := range before {
			assert.Equal(t, before[what], after[what], what)
		}
	})
}

// machine is what a test must not change.
func machine(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{"/proc/self/mountinfo", "/proc/net/route", "/proc/net/fib_trie", "/proc/sys/user/max_net_namespaces"} {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		all[name] = string(content)
	}
	// Without net.ipv6 and what modules add: loading one is the machine's own doing.
	for _, dir := range []string{"net/ipv4/conf/all", "net/ipv4/conf/lo", "net/core", "user"} {
		err := filepath.WalkDir("/proc/sys/"+dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				if content, err := os.ReadFile(path); err == nil {
					all[path] = string(content)
				}
			}
			return err
		})
		require.NoError(t, err)
	}
	forward, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	require.NoError(t, err)
	all["ip_forward"] = string(forward)
	links, err := net.Interfaces()
	require.NoError(t, err)
	all["links"] = fmt.Sprint(links)
	for _, dir := range []string{"/run", "/run/netns", "/tmp"} {
		entries, _ := os.ReadDir(dir)
		var names []string
		for _, e := range entries {
			if dir != "/tmp" || strings.Contains(e.Name(), "victim") {
				names = append(names, e.Name())
			}
		}
		sort.Strings(names)
		all[dir] = strings.Join(names, " ")
	}
	return all
}

// A test binary started by a test is in the same sandbox, or in one of its own
// inside it.
func TestNested(t *testing.T) {
	everyone(t, func(t *testing.T, who user) {
		script := "VICTIM_SCRIPT=echo pid $$ net $(readlink /proc/self/ns/net) links $(ls /sys/class/net) user $(readlink /proc/self/ns/user)"
		run := func(env ...string) []string {
			v := who.command(t, "-test.run=^(TestPlace|TestNested)$").with(script).with(env...)
			out, state := v.run()
			require.True(t, state.Success(), out)
			v.requireGone()
			var nets []string
			for line := range strings.Lines(out) {
				if f := strings.Fields(line); len(f) == 8 && f[0] == "pid" {
					assert.Equal(t, "lo", f[5])
					nets = append(nets, f[3])
				}
			}
			require.Len(t, nets, 2, out)
			return nets
		}
		same := run()
		assert.Equal(t, same[0], same[1])
		own := run("VICTIM_NESTED=")
		assert.NotEqual(t, own[0], own[1])
		stale := run("VICTIM_NESTED=1")
		assert.NotEqual(t, stale[0], stale[1])
	})
}
