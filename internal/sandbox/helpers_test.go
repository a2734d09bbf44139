package sandbox

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// These tests stay outside: they only start and watch sandboxes, and some of
// them need a user that a sandbox of an ordinary user does not know.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "netrig-sandbox-")
	if err != nil {
		panic(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // an ordinary user is to start what is in it
		panic(err)
	}
	victims.dir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

var victims struct {
	dir  string
	mu   sync.Mutex
	made map[string]error
}

// victimBinary builds testdata/victim, once for each set of flags.
func victimBinary(tb testing.TB, flags ...string) string {
	tb.Helper()
	victims.mu.Lock()
	defer victims.mu.Unlock()
	path := filepath.Join(victims.dir, "victim"+strings.Join(flags, "")+".test")
	err, done := victims.made[path]
	if !done {
		args := append(append([]string{"test", "-c", "-o", path}, flags...), "./testdata/victim")
		var out []byte
		if out, err = exec.Command("go", args...).CombinedOutput(); err != nil {
			err = fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		if victims.made == nil {
			victims.made = map[string]error{}
		}
		victims.made[path] = err
	}
	require.NoError(tb, err)
	return path
}

// nobody is the ordinary user that root becomes.
const nobody = 65534

// user is who starts a victim.
type user string

// everyone runs f as the user of this process and, if that is root, as an
// ordinary user too.
func everyone(t *testing.T, f func(t *testing.T, who user)) {
	if os.Geteuid() == 0 {
		t.Run("root", func(t *testing.T) { f(t, "root") })
	}
	if os.Geteuid() != 0 || knowsNobody() {
		t.Run("user", func(t *testing.T) { f(t, "user") })
	}
}

// knowsNobody reports whether this user namespace has the ordinary user. The
// root of one that an ordinary user made has only itself.
func knowsNobody() bool {
	var inside, outside, count int
	ids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	_, err = fmt.Sscan(string(ids), &inside, &outside, &count)
	return err == nil && inside <= nobody && nobody < inside+count
}

func (who user) credential() *syscall.Credential {
	if who == "user" && os.Geteuid() == 0 && knowsNobody() {
		return &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return nil
}

// dir makes a directory that the user may write to.
func (who user) dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(victims.dir, "d")
	require.NoError(t, err)
	if c := who.credential(); c != nil {
		require.NoError(t, os.Chown(dir, int(c.Uid), int(c.Gid)))
	}
	return dir
}

var marks struct {
	sync.Mutex
	n int
}

// victim is a started or startable victim. Every process of it has its mark in
// its environment.
type victim struct {
	*exec.Cmd
	t    testing.TB
	mark string
	out  *bytes.Buffer // both streams, unless Stdout was set
	soon time.Duration // in which everything must be gone
}

// command is a victim that runs in an empty directory of its own, and that is
// gone, with everything it started, when the test is over.
func (who user) command(t testing.TB, args ...string) *victim {
	t.Helper()
	return who.program(t, append([]string{victimBinary(t)}, args...)...)
}

// program is any program that starts a victim.
func (who user) program(t testing.TB, args ...string) *victim {
	t.Helper()
	marks.Lock()
	marks.n++
	mark := fmt.Sprintf("VICTIM_MARK=%d.%d", os.Getpid(), marks.n)
	marks.Unlock()
	v := &victim{exec.Command(args[0], args[1:]...), t, mark, &bytes.Buffer{}, time.Second}
	v.Dir = who.dir(t)
	v.Stdout, v.Stderr = v.out, v.out
	v.SysProcAttr = &syscall.SysProcAttr{Credential: who.credential(), Pdeathsig: syscall.SIGKILL}
	v.Env = append(withEnv(os.Environ(), envSandbox, ""), mark, "TMPDIR="+v.Dir)
	v.WaitDelay = 10 * time.Second // should a process that nobody killed hold a stream
	t.Cleanup(func() {
		for _, p := range v.processes() {
			syscall.Kill(p.pid, syscall.SIGKILL)
		}
	})
	return v
}

func (v *victim) with(env ...string) *victim {
	v.Env = append(v.Env, env...)
	return v
}

// run returns the output and the end of the victim.
func (v *victim) run() (string, *os.ProcessState) {
	v.t.Helper()
	err := v.Run()
	require.NotNil(v.t, v.ProcessState, "%v", err)
	return v.out.String(), v.ProcessState
}

// startReady starts the victim and waits until it prints "ready".
func (v *victim) startReady() *bufio.Reader {
	v.t.Helper()
	v.Stdout = nil
	pipe, err := v.StdoutPipe()
	require.NoError(v.t, err)
	started := time.Now()
	require.NoError(v.t, v.Start())
	lines := bufio.NewReader(pipe)
	for {
		line, err := lines.ReadString('\n')
		require.NoError(v.t, err, "%s", v.out)
		if line == "ready\n" {
			// A second, where it takes some 20 ms to get here. A machine that is slow, or
			// busy with other tests, is slow to end things too.
			v.soon = max(v.soon, 20*time.Since(started))
			return lines
		}
	}
}

// need skips the test, or fails it if everything is required, when a program is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			if RequireAll() {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// needRoot does so when this process isn't root, with an ordinary user to become.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 || !knowsNobody() {
		if RequireAll() {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
}
