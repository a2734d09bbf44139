package trial

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// nestedVariable makes a process the machine of somebody else: a network and a
// mount namespace of its own, in which the test may make what it likes.
const nestedVariable = "NETRIG_TRIAL_NESTED"

func nested() bool { return os.Getenv(nestedVariable) != "" }

// somebodyElses has the names that the victim uses too: two namespaces by the
// names of its nodes, a bridge and cables by the names of its interfaces.
// IPv6 is off, and the indexes differ, so that nothing there changes by itself.
const somebodyElses = `set -e
off='[ ! -e /proc/sys/net/ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
eval "$off"
for ns in client gateway; do
	ip netns add $ns
	ip netns exec $ns sh -c "$off"
done
ip link add br0 index 10 type bridge
ip link add eth0 index 11 type veth peer name eth1 index 12
ip link set eth1 master br0
ip address add 192.168.1.1/24 dev br0
ip address add 10.0.0.1/24 dev eth0
ip link set br0 up
ip link set eth0 up
ip link set eth1 up
ip route add 172.16.0.0/12 via 10.0.0.9 dev eth0
ip rule add from 10.0.0.0/24 lookup 100
ip -n client link add eth0 index 21 type veth peer name eth1 index 22 netns gateway
ip -n client address add 192.168.1.2/24 dev eth0
ip -n client link set eth0 up
ip -n gateway link set eth1 up
`

// look at what is in those namespaces, without what counts or runs out.
const lookInside = `for ns in client gateway; do stat -c '%n %i %d' /run/netns/$ns; ip -n $ns -details link; ip -n $ns address; ip -n $ns route; done`

// A network namespace, links, addresses, routes and rules of somebody else's
// that have the names of ours stay as they are, both when the tests come to
// their end and when they are killed.
func TestSomebodyElses(t *testing.T) {
	need(t, "sh", "ip", "setsid", "sleep")
	if !nested() {
		enterNested(t)
		return
	}
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	require.NoError(t, unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"))
	shell(t, somebodyElses)
	if _, err := exec.LookPath("nft"); err == nil {
		shell(t, "nft add table inet netrig && nft add chain inet netrig input '{ type filter hook input priority 0; }' && nft add rule inet netrig input counter")
	}
	awaitUp(t, "ip link; ip -n client link; ip -n gateway link")
	machine, inside := primed(t, "root"), shell(t, lookInside)
	require.NotEmpty(t, machine)
	unchanged := func() { require.Equal(t, inside, shell(t, lookInside)) }

	v := user("root").victim(t, "labs=2")
	v.start()
	v.readAll()
	require.NoError(t, v.Wait(), "%s", v.log())
	v.requireNothingLeft(machine, time.Now(), false)
	unchanged()

	for _, e := range endings {
		e.try(t, "root", machine)
		unchanged()
	}
	// The comparison sees a change of the kind that it looks for.
	shell(t, "ip -n client link set eth0 mtu 1400 && ip link set eth0 mtu 1400")
	require.NotEqual(t, inside, shell(t, lookInside))
	require.Contains(t, strings.Join(machine.differences(look(t)), "\n"), "new: link 11 eth0 veth")
}

// awaitUp waits until no link that a command shows lacks a carrier, or has one
// that the kernel has not told of yet.
func awaitUp(t *testing.T, links string) {
	t.Helper()
	require.NoError(t, deadline.Poll(5*time.Second, "a link of somebody else's is not up", func() (bool, error) {
		said := shell(t, links)
		return !strings.Contains(said, "NO-CARRIER") && !strings.Contains(said, "LOWERLAYERDOWN"), nil
	}))
}

// enterNested runs the test again where it can do no harm.
func enterNested(t *testing.T) {
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	cmd := exec.Command(binary, "-test.run=^"+t.Name()+"$", "-test.v="+fmt.Sprint(testing.Verbose()))
	cmd.SysProcAttr = attr
	cmd.Env = append(os.Environ(), nestedVariable+"=1", "TMPDIR="+nestedDir(t))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", strings.TrimSpace(string(out)))
	require.NoError(t, err)
}

// nestedDir is where that process keeps its own files.
func nestedDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(folder, "nested-")
	require.NoError(t, err)
	return dir
}

func shell(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", script).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}
