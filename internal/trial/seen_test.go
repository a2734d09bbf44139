package trial

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What the trials look for, they see: each of these is left behind on purpose.
func TestLeftoversAreSeen(t *testing.T) {
	machine := look(t)
	for _, left := range []struct {
		what, message string
		leave         func(testing.TB, *victim)
	}{
		{"nothing", "", func(testing.TB, *victim) {}},
		{"a process", "processes are left", func(t testing.TB, v *victim) {
			sleeper(t, v.Env)
		}},
		{"a process without the mark, in our namespace", "network namespaces are held", func(t testing.TB, v *victim) {
			cmd := sleeper(t, nil)
			f, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid))
			require.NoError(t, err)
			v.held = append(v.held, f)
		}},
		{"a file", "files are left", func(t testing.TB, v *victim) {
			require.NoError(t, os.WriteFile(filepath.Join(v.Dir, "netrig-x"), nil, 0o600))
		}},
		{"an incomplete folder", "files are left", func(t testing.TB, v *victim) {
			require.NoError(t, os.Mkdir(filepath.Join(v.Dir, "netrig-TestVictim_1-1"), 0o700))
		}},
		{"a link", "the machine has changed", func(testing.TB, *victim) {
			// As if the veth had not been there before.
			for line := range machine {
				if strings.HasPrefix(line, "link ") {
					delete(machine, line)
				}
			}
		}},
	} {
		t.Run(left.what, func(t *testing.T) {
			before := maps.Clone(machine)
			defer func() { machine = before }()
			r := try.Run(t.Name(), func(tb testing.TB) {
				v := user("root").victim(tb, "labs=1")
				if left.message != "" {
					v.limit = 20 * time.Millisecond // nothing that goes by itself is waited for
				}
				close(v.ended)
				left.leave(tb, v)
				v.requireNothingLeft(machine, time.Now(), true)
			})
			require.Nil(t, r.Panic, r.Stack)
			require.Equal(t, left.message != "", r.Failed, r.Log())
			require.Contains(t, r.Log(), left.message)
		})
	}
}

// sleeper is a program in a network namespace of its own.
func sleeper(t testing.TB, env []string) *exec.Cmd {
	cmd := exec.Command("sleep", "1000")
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
	}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}
