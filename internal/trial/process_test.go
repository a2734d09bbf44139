package trial

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var marks atomic.Int64

// victim is a process that builds labs, and all that it starts. Each of them
// has the mark in its environment.
type victim struct {
	*exec.Cmd
	t     testing.TB
	mark  string
	limit time.Duration
	out   *os.File // the victim's standard output and error, to be read
	seen  map[string]int

	mu    sync.Mutex
	lines []string
	ended chan struct{} // closed when nobody holds the output any more

	held []*os.File // its network namespaces
}

// victim is one that does what victimVariable says, in an empty folder.
func (who user) victim(t testing.TB, do string, args ...string) *victim {
	t.Helper()
	v := &victim{t: t, limit: limit, seen: map[string]int{}, ended: make(chan struct{})}
	v.mark = fmt.Sprintf("NETRIG_TRIAL_MARK=%d.%d", os.Getpid(), marks.Add(1))
	v.Cmd = exec.Command(binary, append([]string{"-test.run=^TestVictim$"}, args...)...)
	v.Dir = who.dir(t)
	// It fails on purpose: that is nothing to tell GitHub.
	v.Env = append(os.Environ(), "GITHUB_ACTIONS=", "NETRIG_HOLD=", "NETRIG_SANDBOX=", victimVariable+"="+do, v.mark, "TMPDIR="+v.Dir,
		fmt.Sprintf("%s=%d", seedVariable, moments.Uint64()))
	v.SysProcAttr = &syscall.SysProcAttr{Credential: who.credential(), Pdeathsig: syscall.SIGKILL}
	t.Cleanup(func() {
		for _, pid := range v.processes() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		v.letGo()
	})
	return v
}

func (v *victim) start() {
	v.t.Helper()
	r, w, err := os.Pipe()
	require.NoError(v.t, err)
	v.t.Cleanup(func() { r.Close() })
	v.out, v.Stdout, v.Stderr = r, w, w
	err = v.Start()
	w.Close()
	require.NoError(v.t, err)
}

// readUntil reads the output until a phase begins for the n-th time. The rest
// is read in the background.
func (v *victim) readUntil(phase string, n int) {
	v.t.Helper()
	require.NoError(v.t, v.out.SetReadDeadline(time.Now().Add(deadline.Of(30*time.Second))))
	lines := bufio.NewScanner(v.out)
	for v.seen[phase] < n {
		require.True(v.t, lines.Scan(), "the victim ended before phase %s came for the %d. time (%v)\n%s", phase, n, lines.Err(), v.log())
		v.add(lines.Text())
	}
	go v.drain(lines)
}

// readAll reads the output to its end, which comes when no process holds it any
// more.
func (v *victim) readAll() {
	v.t.Helper()
	require.NoError(v.t, v.out.SetReadDeadline(time.Now().Add(deadline.Of(30*time.Second))))
	lines := bufio.NewScanner(v.out)
	v.drain(lines)
	require.NoError(v.t, lines.Err(), "%s", v.log())
}

// readRest reads the output in the background, to its end.
func (v *victim) readRest() { v.drain(bufio.NewScanner(v.out)) }

func (v *victim) drain(lines *bufio.Scanner) {
	for lines.Scan() {
		v.add(lines.Text())
	}
	close(v.ended)
}

func (v *victim) add(line string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lines = append(v.lines, line)
	// A line of package testing may stand before it.
	if _, text, ok := strings.Cut(line, "phase "); ok {
		v.seen[strings.Fields(text)[0]]++
	}
}

// log is what the victim printed.
func (v *victim) log() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return strings.Join(v.lines, "\n")
}

// processes are those that have the mark, zombies apart.
func (v *victim) processes() (pids []int) {
	for _, name := range list("/proc") {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", name, "environ"))
		if err == nil && bytes.Contains(env, []byte(v.mark+"\x00")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stage is one of the victim's three own processes, by chance: outside, its
// child, and the tests, that one's child. Not the tests' children: a program
// that is about to be started looks like the tests until it is.
func (v *victim) stage() int {
	own := []int{v.Process.Pid}
	for range 2 {
		last := own[len(own)-1]
		for _, pid := range v.processes() {
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if err == nil && bytes.Contains(line, []byte("TestVictim")) && parent(pid) == last {
				own = append(own, pid)
				break
			}
		}
	}
	return own[moments.IntN(len(own))]
}

// parent is a process's parent, by /proc/PID/status (proc(5)); 0 when it has
// ended.
func parent(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "PPid:"); ok {
			ppid, _ := strconv.Atoi(strings.TrimSpace(text))
			return ppid
		}
	}
	return 0
}

// holdNamespaces opens the network namespaces of the victim's processes. While
// they are open here, no other namespace can get their inode numbers, which
// the kernel gives out again at once.
func (v *victim) holdNamespaces() {
	for _, pid := range v.processes() {
		dir := fmt.Sprintf("/proc/%d", pid)
		paths := []string{dir + "/ns/net"}
		for _, fd := range list(dir + "/fd") {
			if target, err := os.Readlink(dir + "/fd/" + fd); err == nil && strings.HasPrefix(target, "net:") {
				paths = append(paths, dir+"/fd/"+fd)
			}
		}
		for _, path := range paths {
			if f, err := os.Open(path); err == nil { // else it has ended, or was closed
				v.held = append(v.held, f)
			}
		}
	}
}

func (v *victim) letGo() {
	for _, f := range v.held {
		f.Close()
	}
	v.held = nil
}

// holders are the processes and mounts, of the machine, that one of the
// victim's namespaces is alive for.
func (v *victim) holders() (found []string) {
	var own unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &own); err != nil {
		return []string{err.Error()}
	}
	ours := map[string]bool{}
	for _, f := range v.held {
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Ino == own.Ino {
			continue // from the time before the sandbox
		}
		ours[fmt.Sprintf("net:[%d]", st.Ino)] = true
	}
	if len(ours) == 0 {
		return nil
	}
	for _, pid := range list("/proc") {
		if target, err := os.Readlink("/proc/" + pid + "/ns/net"); err == nil && ours[target] {
			found = append(found, fmt.Sprintf("process %s is in %s", pid, target))
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for target := range ours {
		if bytes.Contains(mounts, []byte(" "+target+" ")) {
			found = append(found, "a mount of "+target)
		}
	}
	return found
}

// list is the content of a directory; of one that is gone, nothing.
func list(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	return names
}
