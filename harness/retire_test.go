package harness_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/ns"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
)

// inUserNamespace runs the test again in a user namespace of its own, whose
// limits are not the machine's, and reports whether this is that run.
func inUserNamespace(t *testing.T) bool {
	t.Helper()
	const inside = "NETRIG_TEST_USER_NAMESPACE"
	if os.Getenv(inside) == t.Name() {
		return true
	}
	again := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), inside+"="+t.Name(), "NETRIG_SANDBOX=")
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := again.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return false
}

func limitNamespaces(t *testing.T, most int) {
	t.Helper()
	require.NoError(t, os.WriteFile("/proc/sys/user/max_net_namespaces", []byte(strconv.Itoa(most)), 0))
}

// Where few namespaces are allowed, labs that have ended make room for new
// ones.
func TestEndedLabsMakeRoom(t *testing.T) {
	if !inUserNamespace(t) {
		return
	}
	// The sandbox's own, three spare ones, and those of four labs.
	limitNamespaces(t, 12)
	// More than there may be at once fails, and says why.
	r := try.Run(t.Name(), func(t testing.TB) { harness.New(t).Nodes("n%d", 13) })
	require.True(t, r.Failed)
	require.Contains(t, r.Log(), "user.max_net_namespaces")
	for lab := range 10 {
		r := try.Run(t.Name(), func(t testing.TB) { harness.New(t).Nodes("n%d", 2)[0].Bridge("br0") })
		require.False(t, r.Failed || r.Skipped, "lab %d: %v\n%s", lab, r.Panic, r.Log())
	}
}

// When the process is killed, with as many labs ended and standing as there may
// well be, the kernel has taken every namespace apart within a second: one more
// than the sandbox's own can be made where only that is allowed. It takes those
// of all processes apart one after the other: where others keep it busy, it has
// as long as for twenty times one namespace with a bridge.
func TestKilledWithEndedLabs(t *testing.T) {
	if !inUserNamespace(t) {
		return
	}
	victim := exec.Command("/proc/self/exe", "-test.run=^TestManyBridges$", "-test.v")
	victim.Env = append(os.Environ(), manyBridges+"=1", "NETRIG_SANDBOX=")
	out, err := victim.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, victim.Start())
	ready := false
	for lines := bufio.NewScanner(out); !ready && lines.Scan(); {
		ready = lines.Text() == "ready"
	}
	require.True(t, ready)
	start := time.Now()
	one, err := ns.New()
	require.NoError(t, err)
	require.NoError(t, one.Do(func() error { return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}) }))
	awaitGone(t, one, 20*time.Second)
	single := time.Since(start)

	require.NoError(t, victim.Process.Kill())
	limitNamespaces(t, 2)
	start = time.Now()
	require.NoError(t, deadline.Poll(max(time.Second, 20*single), "the kernel has not taken the namespaces apart", func() (bool, error) {
		space, err := ns.New()
		if err != nil {
			return false, nil
		}
		space.Close()
		return true, nil
	}))
	t.Logf("gone after %v; a single namespace with a bridge took %v", time.Since(start), single)
	require.Error(t, victim.Wait())
}

// awaitGone closes a namespace, and waits until the kernel has taken it apart:
// the other end of a veth into it goes with it.
func awaitGone(t *testing.T, space *ns.Namespace, limit time.Duration) {
	t.Helper()
	require.NoError(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "here"}, PeerName: "there", PeerNamespace: netlink.NsFd(space.Fd())}))
	space.Close()
	require.NoError(t, awaitNoLink("here", limit))
}

// awaitNoLink waits until the thread's namespace has no such link any more.
func awaitNoLink(name string, limit time.Duration) error {
	return deadline.Poll(limit, "the link "+name+" is still there, and so is the namespace of its other end", func() (bool, error) {
		_, err := netlink.LinkByName(name)
		return errors.As(err, &netlink.LinkNotFoundError{}), nil
	})
}

const manyBridges = "NETRIG_TEST_MANY_BRIDGES"

// TestManyBridges is what TestKilledWithEndedLabs kills.
func TestManyBridges(t *testing.T) {
	if os.Getenv(manyBridges) == "" {
		return
	}
	lab := func(t testing.TB) {
		lab := harness.New(t)
		host := lab.Node("host")
		br0 := host.Bridge("br0", harness.Address("10.0.0.254/24"))
		for i, n := range lab.Nodes("n%d", 3) {
			lab.Connect(n.Port("eth0", fmt.Sprintf("10.0.0.%d/24", i+1)), br0.Port(n.Name()))
		}
	}
	for range 28 {
		require.False(t, try.Run("ended", lab).Failed)
	}
	for range 4 {
		lab(t)
	}
	fmt.Println("ready")
	select {}
}

// What was made in a lab by others ends with it: only a namespace in which
// nothing can go on is kept for a while.
func TestEndedLabsAreQuiet(t *testing.T) {
	watch, err := ns.New()
	require.NoError(t, err)
	defer watch.Close()
	var node *harness.Node
	r := try.Run(t.Name(), func(t testing.TB) {
		node = harness.New(t).Node("host")
		node.Bridge("br0")
		require.NoError(t, node.Do(func() error {
			br, err := netlink.LinkByName("br0")
			if err != nil {
				return err
			}
			attrs := netlink.LinkAttrs{Name: "l0", MasterIndex: br.Attrs().Index}
			return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "l1", PeerNamespace: netlink.NsFd(watch.Fd())})
		}))
	})
	require.False(t, r.Failed || r.Skipped, "%v\n%s", r.Panic, r.Log())
	require.NoError(t, watch.Do(func() error { return awaitNoLink("l1", 5*time.Second) }))
}

// Nobody gets into a node of a lab that has ended, although its namespace is
// kept for a while.
func TestEndedLabsAreClosed(t *testing.T) {
	var node *harness.Node
	r := try.Run(t.Name(), func(t testing.TB) {
		node = harness.New(t).Node("host")
		node.Bridge("br0")
	})
	require.False(t, r.Failed || r.Skipped, "%v\n%s", r.Panic, r.Log())
	require.Error(t, node.Do(func() error { return nil }))
}
