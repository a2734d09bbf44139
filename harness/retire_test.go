package harness_test

import (
	"errors"
	"os"
	"os/exec"
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

// Where few namespaces are allowed, labs that have ended make room for new
// ones. The limit is that of a user namespace of its own: the machine's stays.
func TestEndedLabsMakeRoom(t *testing.T) {
	const inside = "NETRIG_TEST_FEW_NAMESPACES"
	if os.Getenv(inside) == "" {
		again := exec.Command("/proc/self/exe", "-test.run=^TestEndedLabsMakeRoom$", "-test.v")
		again.Env = append(os.Environ(), inside+"=1", "NETRIG_SANDBOX=")
		again.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		}
		out, err := again.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "--- PASS: TestEndedLabsMakeRoom")
		return
	}
	// The sandbox's own, three spare ones, and those of four labs.
	require.NoError(t, os.WriteFile("/proc/sys/user/max_net_namespaces", []byte("12"), 0))
	// More than there may be at once fails, and says why.
	r := try.Run(t.Name(), func(t testing.TB) { harness.New(t).Nodes("n%d", 13) })
	require.True(t, r.Failed)
	require.Contains(t, r.Log(), "user.max_net_namespaces")
	for lab := range 10 {
		r := try.Run(t.Name(), func(t testing.TB) { harness.New(t).Nodes("n%d", 2)[0].Bridge("br0") })
		require.False(t, r.Failed || r.Skipped, "lab %d: %v\n%s", lab, r.Panic, r.Log())
	}
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
	require.NoError(t, watch.Do(func() error {
		return deadline.Poll(5*time.Second, "the other end of a link in the lab is still there", func() (bool, error) {
			_, err := netlink.LinkByName("l1")
			return errors.As(err, &netlink.LinkNotFoundError{}), nil
		})
	}))
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
