package harness_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/require"
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
