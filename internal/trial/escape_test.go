package trial

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const (
	// machineVariable are the namespaces of the machine, as in readlink /proc/self/ns/*.
	machineVariable = "NETRIG_TRIAL_MACHINE"
	// preciousVariable is a file of the machine's that nobody may write to.
	preciousVariable = "NETRIG_TRIAL_PRECIOUS"
)

// tryToLeave is what a program in a node, as root, tries in order to reach the
// machine's own network: other processes' namespaces and descriptors, names,
// sysctls, links, rules. What it finds goes to its output, for the victim to
// judge; what it changes, the machine would show. It does not undo the sandbox's
// mounts: root may, and is at the machine's then (docs/reliability.md).
const tryToLeave = `
echo "namespaces: $(readlink /proc/[0-9]*/ns/net /proc/[0-9]*/task/[0-9]*/ns/net | sort -u | tr '\n' ' ')"
echo "mounts: $(readlink /proc/[0-9]*/ns/mnt | sort -u | tr '\n' ' ')"
echo "descriptors: $(readlink /proc/[0-9]*/fd/* /proc/[0-9]*/task/[0-9]*/fd/* 2>/dev/null | grep -E '^(net|mnt|pid|user):|^/proc/.*/ns/' | sort -u | tr '\n' ' ')"
for pid in /proc/[0-9]*; do
	for into in $pid/ns/net $pid/root/proc/1/ns/net; do
		nsenter --net=$into sh -c 'ip link set machine0 down; ip link del machine0; ip addr flush dev machine0; sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.machine0.forwarding=1; nft flush ruleset; ip route flush table main' 2>/dev/null
	done
done
nsenter -t 1 --net --mount ip link set machine0 down 2>/dev/null
ip netns list
ip -n precious link set machine1 down 2>/dev/null
ip netns del precious 2>/dev/null
ip link set dev lo netns 1 2>/dev/null
ip netns exec precious ip link set machine1 down 2>/dev/null
ls /run/netns /var/run/netns 2>/dev/null
echo left >/run/netrig-left 2>/dev/null
for link in /sys/class/net/*; do echo "link: $link"; done
true`

// escape is a lab in which things go the way out.
func escape(t *testing.T) {
	lab := harness.New(t)
	a, b := lab.Node("a"), lab.Node("b")
	lab.Connect(a.Port("eth0", "10.0.0.1/24"), b.Port("eth0", "10.0.0.2/24"))
	assert.Reachable(t, a, "10.0.0.2")
	said := a.Run("sh", "-c", tryToLeave)
	fmt.Println(said)
	for _, of := range strings.Fields(os.Getenv(machineVariable)) {
		require.NotContains(t, said, of, "a namespace of the machine is in reach")
	}
	for _, name := range []string{"machine0", "machine1", "precious"} {
		require.NotContains(t, said, name, "something of the machine's is in sight")
	}
	// Names of nodes and interfaces become paths: none may lead elsewhere.
	for _, name := range []string{"..", ".", "../../etc/x", "/tmp/x", "a/../b", "x\x00y", "a\nb"} {
		require.ErrorContains(t, harness.Try("name", func(tb testing.TB) { harness.New(tb).Node(name) }), "name", name)
		require.ErrorContains(t, harness.Try("name", func(tb testing.TB) { harness.New(tb).Node("a").Port(name) }), "name", name)
	}
	// And so does the name of a failing test. Links that lie where its files come
	// to be are not followed.
	plant(t, filepath.Join(os.TempDir(), "netrig-TestVictim"))
	t.Run("../../../"+strings.TrimPrefix(os.Getenv(preciousVariable), "/"), func(t *testing.T) {
		for _, name := range []string{"story.txt", "lab.pcapng", "state.json", "story-2.txt"} {
			plant(t, filepath.Join(t.ArtifactDir(), name))
		}
		harness.New(t).Node("a")
		t.Fatal("on purpose")
	})
}

// plant makes a symbolic link to the file that is not to be written to.
func plant(t *testing.T, path string) {
	t.Helper()
	if err := os.Symlink(os.Getenv(preciousVariable), path); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
}

// A lab can't be led out of its namespaces: not by a program in a node that runs
// as root and tries to, nor by names or symbolic links. The machine is one of
// our own making, so that the trial is safe where it fails.
func TestNoWayOut(t *testing.T) {
	need(t, "sh", "ip", "nsenter", "sysctl")
	if !nested() {
		enterNested(t)
		return
	}
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	require.NoError(t, unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"))
	shell(t, `set -e
ip link add machine0 type veth peer name machine1
ip netns add precious
[ ! -e /proc/sys/net/ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
ip netns exec precious sh -c '[ ! -e /proc/sys/net/ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'
ip link set machine1 netns precious
ip addr add 10.99.0.1/24 dev machine0
ip link set machine0 up
ip -n precious link set machine1 up`)
	awaitUp(t, "ip link; ip -n precious link")
	inside := shell(t, "ip -n precious -details link")
	precious := filepath.Join(t.TempDir(), "precious")
	require.NoError(t, os.WriteFile(precious, []byte("precious"), 0o644))
	for _, artifacts := range []bool{false, true} {
		t.Run(fmt.Sprint("artifacts ", artifacts), func(t *testing.T) {
			machine := primed(t, "root")
			args := []string{"-test.v"}
			if artifacts {
				args = append(args, "-test.artifacts", "-test.outputdir="+t.TempDir())
			}
			v := user("root").victim(t, "escape", args...)
			v.Env = append(v.Env, machineVariable+"="+namespaces(t), preciousVariable+"="+precious)
			v.start()
			v.readAll()
			require.Error(t, v.Wait(), "it fails on purpose")
			require.Contains(t, v.log(), "on purpose", "it came to its end")
			require.Contains(t, v.log(), "link: /sys/class/net/eth0", "the program ran")
			require.Equal(t, 1, strings.Count(v.log(), "Fatal")+strings.Count(v.log(), "on purpose"), "and failed of nothing else\n%s", v.log())
			require.NotContains(t, v.log(), "Error Trace")
			content, err := os.ReadFile(precious)
			require.NoError(t, err)
			require.Equal(t, "precious", string(content), "a link was followed")
			require.Equal(t, inside, shell(t, "ip -n precious -details link"))
			require.NoError(t, os.RemoveAll(filepath.Join(v.Dir, "netrig-TestVictim")))
			v.requireStarved(machine)
			require.Equal(t, []string{filepath.Base(precious)}, list(filepath.Dir(precious)), "nothing came to lie beside it")
		})
	}
}

// namespaces are those of this process.
func namespaces(t *testing.T) string {
	t.Helper()
	var all []string
	for _, kind := range []string{"net", "mnt"} {
		target, err := os.Readlink("/proc/self/ns/" + kind)
		require.NoError(t, err)
		all = append(all, target)
	}
	return strings.Join(all, " ")
}
