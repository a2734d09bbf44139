package trial

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/sandbox"
	"github.com/stretchr/testify/require"
)

// binary is a copy of this test binary in a folder that every user may enter.
// The folders of victims are beside it.
var binary, folder string

func TestMain(m *testing.M) {
	if os.Getenv(victimVariable) != "" {
		harness.Main(m)
	}
	os.Exit(outside(m))
}

// outside runs the tests where they are: a sandbox would hide the machine.
func outside(m *testing.M) int {
	// A shell without job control starts what is in the background with these
	// ignored, and so would victims be. What is caught here is not, for them.
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	var err error
	if folder, err = os.MkdirTemp("", "netrig-trial-"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	binary = filepath.Join(folder, "victim.test")
	if err := copyBinary(); err != nil {
		panic(err)
	}
	return m.Run()
}

func copyBinary() error {
	if err := os.Chmod(folder, 0o755); err != nil {
		return err
	}
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(binary, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		return err
	}
	return to.Close()
}

// nobody is the ordinary user that root becomes (the same number everywhere).
const nobody = 65534

// user is who starts a victim: "root" or "user".
type user string

// users are those that this process can be: root is an ordinary user too.
func users() []user {
	if os.Geteuid() == 0 && !nested() {
		return []user{"root", "user"}
	}
	if os.Geteuid() == 0 {
		return []user{"root"}
	}
	return []user{"user"}
}

func (who user) credential() *syscall.Credential {
	if who == "user" && os.Geteuid() == 0 {
		return &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return nil
}

// dir makes an empty folder that the user may write to.
func (who user) dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(folder, "tmp-")
	require.NoError(t, err)
	if c := who.credential(); c != nil {
		require.NoError(t, os.Chown(dir, int(c.Uid), int(c.Gid)))
	}
	return dir
}

// need skips the test where a program is missing, or fails it when everything
// is required.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if sandbox.RequireAll() {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}
