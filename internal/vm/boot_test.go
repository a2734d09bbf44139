//go:build machine

package vm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netrig/netrig/internal/kernels"
)

// cachedKernel is the kernel that NETRIG_KERNEL names. These tests have a build
// tag of their own, for `make vm`: a machine takes seconds and a processor, and a
// kernel has to be fetched. Whatever is missing fails them.
func cachedKernel(t *testing.T) (*kernels.Kernel, *kernels.Cache) {
	t.Helper()
	name := os.Getenv("NETRIG_KERNEL")
	require.NotEmpty(t, name, "NETRIG_KERNEL names the kernel, such as debian/bookworm: make vm sets it")
	p, err := platformOf(runtime.GOARCH)
	if err == nil {
		_, err = p.findQemu()
	}
	require.NoError(t, err, "internal/tools/packages.sh vm installs it")
	cache, err := kernels.OpenCache(os.Getenv("NETRIG_CACHE"))
	require.NoError(t, err)
	k, err := cache.Find(context.Background(), name)
	require.NoError(t, err)
	return k, cache
}

// programDir is where program put it; removed at the end.
var programDir string

// program is netrig itself, for the first process of machines.
var program = sync.OnceValues(func() (file string, err error) {
	if programDir, err = os.MkdirTemp("", "netrig-program"); err != nil {
		return "", err
	}
	file = filepath.Join(programDir, "netrig")
	cmd := exec.Command("go", "build", "-o", file, "../../cmd/netrig")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build netrig: %w: %s", err, out)
	}
	return file, err
})

func TestMain(m *testing.M) {
	status := m.Run()
	if programDir != "" {
		os.RemoveAll(programDir)
	}
	os.Exit(status)
}

// box is a machine for a script, and what came out of it.
type box struct {
	Config
	stdout, stderr bytes.Buffer
}

// newBox makes a machine for a shell script. A machine takes some 4 seconds and
// a processor, so these tests run one after the other.
func newBox(t *testing.T, script string) *box {
	t.Helper()
	kernel, cache := cachedKernel(t)
	self, err := program()
	require.NoError(t, err)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	file := filepath.Join(dir, "script")
	require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	b := &box{Config: Config{Kernel: kernel, Self: self, Args: []string{file}, Dir: dir, CacheDir: cache.Dir(), Accel: TCG}}
	b.Stdout, b.Stderr = &b.stdout, &b.stderr
	return b
}

func (b *box) run(t *testing.T) *Result {
	t.Helper()
	r, err := Run(context.Background(), b.Config, nil)
	require.NoError(t, err, "%s%s", &b.stdout, &b.stderr)
	return r
}

// crash runs a machine that must not live to the end of the tests.
func (b *box) crash(t *testing.T) *Crash {
	t.Helper()
	_, err := Run(context.Background(), b.Config, nil)
	var crash *Crash
	require.ErrorAs(t, err, &crash, "%s%s", &b.stdout, &b.stderr)
	return crash
}

// All that goes in comes in, and all that comes out comes out.
func TestInAndOut(t *testing.T) {
	b := newBox(t, `
echo "arguments $# $1 $2 $3"
echo "variable $VARIABLE in $(pwd) as $(id -u) with TMPDIR=$TMPDIR"
echo "kernel $(uname -r)"
cat testdata/golden
echo complaint >&2
echo changed > testdata/golden
mkdir -p new $TMPDIR/netrig-TestX-1 $TMPDIR/other
echo new > new/file; echo kept > $TMPDIR/netrig-TestX-1/story.txt; echo lost > $TMPDIR/other/file
head -c 3000000 /dev/zero > new/large
ip link add v0 type veth peer name v1 && ip link set v0 up && ip -br link show v0
sysctl -n net.ipv4.ip_forward
exit 7`)
	t.Setenv("TMPDIR", t.TempDir()) // not below the package's directory, of which all comes back
	require.NoError(t, os.MkdirAll(filepath.Join(b.Dir, "testdata"), 0o755))
	golden := filepath.Join(b.Dir, "testdata/golden")
	require.NoError(t, os.WriteFile(golden, []byte("golden\n"), 0o644))
	b.Args = append(b.Args, "-test.v", "a b", "")
	b.Env = []string{"VARIABLE=x=y z"}
	r := b.run(t)
	assert.Equal(t, 7, r.Status)
	assert.Zero(t, r.Signal)
	assert.Empty(t, r.Complaints)
	assert.False(t, r.Serial)
	assert.Contains(t, r.Modules, "veth")
	assert.Equal(t, b.Kernel.Release, r.Release)
	out := b.stdout.String()
	for _, want := range []string{
		"arguments 3 -test.v a b", "variable x=y z in " + b.Dir + " as 0 with TMPDIR=" + os.TempDir(), "kernel " + b.Kernel.Release, "golden\n", "v0@v1",
	} {
		assert.Contains(t, out, want)
	}
	assert.Equal(t, "complaint\n", b.stderr.String())
	for file, want := range map[string]string{
		golden: "changed\n", filepath.Join(b.Dir, "new/file"): "new\n", filepath.Join(os.TempDir(), "netrig-TestX-1/story.txt"): "kept\n",
	} {
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
	large, err := os.Stat(filepath.Join(b.Dir, "new/large"))
	require.NoError(t, err)
	assert.EqualValues(t, 3000000, large.Size())
	assert.NoDirExists(t, filepath.Join(os.TempDir(), "other"))
}

// The machine's own processes are small: forty modprobes run while tests begin,
// several at once, and the memory is the tests'.
func TestSmallProcesses(t *testing.T) {
	b := newBox(t, `
grep RssAnon /proc/1/status
modprobe nf_tables & most=0
while kill -0 $! 2>/dev/null; do
	now=$(awk '/RssAnon/{print $2}' /proc/$!/status 2>/dev/null)
	[ "${now:-0}" -gt $most ] && most=$now
done
echo RssAnon: $most kB`)
	b.run(t)
	sizes := regexp.MustCompile(`RssAnon:\s+(\d+) kB`).FindAllStringSubmatch(b.stdout.String(), -1)
	require.Len(t, sizes, 2, "%s", &b.stdout)
	for i, process := range []string{"the first", "modprobe"} {
		kb, err := strconv.Atoi(sizes[i][1])
		require.NoError(t, err)
		assert.NotZero(t, kb, process)
		assert.Less(t, kb, 6000, "KB of %s: with gopacket's tables it has some 10000", process)
	}
}

// Without a driver for the virtio port the results go over the serial line, and
// a signal goes in by it.
func TestSerialLine(t *testing.T) {
	b := newBox(t, `trap 'echo caught; exit 3' USR1; echo ready; while :; do sleep 0.1; done`)
	b.Without = []string{"virtio_console"}
	signals := make(chan syscall.Signal, 1)
	b.Stdout = writer(func(text []byte) {
		if b.stdout.Write(text); strings.HasPrefix(b.stdout.String(), "ready\n") && b.stdout.Len() == 6 {
			signals <- syscall.SIGUSR1
		}
	})
	r, err := Run(context.Background(), b.Config, signals)
	if err != nil && strings.Contains(err.Error(), "can't be withheld") {
		t.Skip("this kernel has the driver built in")
	}
	require.NoError(t, err)
	assert.True(t, r.Serial)
	assert.Equal(t, 3, r.Status)
	assert.Equal(t, "ready\ncaught\n", b.stdout.String())
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

func TestKernelPanic(t *testing.T) {
	b := newBox(t, `echo before; sleep 0.5; echo c > /proc/sysrq-trigger; sleep 100`)
	crash := b.crash(t)
	assert.Equal(t, "before\n", b.stdout.String())
	assert.Equal(t, "kernel "+b.Kernel.Release+" crashed", crash.Why)
	assert.Contains(t, strings.Join(crash.Oops, "\n"), "sysrq")
}

// A kernel that complains is told, though the tests pass.
func TestKernelComplains(t *testing.T) {
	b := newBox(t, `echo '<4>WARNING: CPU: 0 PID: 1 at net/core/dev.c:1 f+0x1/0x2' > /dev/kmsg`)
	r := b.run(t)
	assert.Zero(t, r.Status)
	assert.Equal(t, []string{"WARNING: CPU: 0 PID: 1 at net/core/dev.c:1 f+0x1/0x2"}, r.Complaints)
}

func TestOutOfMemory(t *testing.T) {
	b := newBox(t, `exec tail /dev/zero`)
	crash := b.crash(t)
	assert.Contains(t, crash.Error(), "the machine ran out of memory (256 MB), and its kernel "+b.Kernel.Release+" killed the tests: give it more (--memory 512)")
}

func TestTooLarge(t *testing.T) {
	b := newBox(t, `true`)
	large := filepath.Join(b.Dir, "large")
	require.NoError(t, os.WriteFile(large, nil, 0o644))
	require.NoError(t, os.Truncate(large, 200<<20))
	b.Files = []string{large}
	b.limits = limits{boot: 30 * time.Second, silence: 30 * time.Second}
	crash := b.crash(t)
	assert.NotEmpty(t, crash.Why)
	t.Log(crash)
}

// A cancelled run ends at once, and qemu with it.
func TestCancelled(t *testing.T) {
	b := newBox(t, `echo ready; sleep 1000`)
	ctx, cancel := context.WithCancel(context.Background())
	b.Stdout = writer(func([]byte) { cancel() })
	_, err := Run(ctx, b.Config, nil)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, qemus(t))
}

// Output that can't be written ends the run.
func TestNobodyReads(t *testing.T) {
	b := newBox(t, `echo something; sleep 1000`)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	b.Stdout = full
	_, err = Run(context.Background(), b.Config, nil)
	assert.ErrorContains(t, err, "hand on what the tests print: write /dev/full: no space left on device")
	assert.Empty(t, qemus(t))
}

// qemus are the processes below this one that are a qemu.
func qemus(t *testing.T) (pids []int) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(b), ") ")
		fields := strings.Fields(after)
		if len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) && strings.Contains(string(b), "(qemu") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// Journals come back, and those that were there before are left alone.
func TestJournalsComeBack(t *testing.T) {
	b := newBox(t, `ls $NETRIG_JOURNAL; echo new > $NETRIG_JOURNAL/lan.TestX.2.json`)
	dir := filepath.Join(t.TempDir(), "new", "journals")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lan.TestX.1.json"), []byte("old\n"), 0o644))
	b.Env = []string{"NETRIG_JOURNAL=" + dir}
	b.run(t)
	assert.Equal(t, "lan.TestX.1.json\n", b.stdout.String())
	for name, want := range map[string]string{"lan.TestX.1.json": "old\n", "lan.TestX.2.json": "new\n"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
}

// A machine that stands still is a hang, and qemu is gone after it; so is one
// whose qemu was killed.
func TestStopped(t *testing.T) {
	for signal, want := range map[syscall.Signal]string{
		syscall.SIGSTOP: " hangs: nothing was heard from the machine for ",
		syscall.SIGKILL: "the machine ended before the tests did (qemu: signal: killed)",
	} {
		b := newBox(t, `echo ready; sleep 1000`)
		b.limits = limits{boot: 2 * time.Minute, silence: 5 * time.Second}
		b.Stdout = writer(func([]byte) {
			for _, pid := range qemus(t) {
				_ = syscall.Kill(pid, signal)
			}
		})
		crash := b.crash(t)
		assert.Contains(t, crash.Why, want)
		assert.True(t, crash.Started)
		assert.Empty(t, qemus(t))
	}
}

// A module that tests need and that the machine has not got is named by them.
func TestModuleMissing(t *testing.T) {
	b := newBox(t, `ip link add d0 type dummy || echo failed`)
	b.Without = []string{"dummy"}
	b.run(t)
	assert.Equal(t, "failed\n", b.stdout.String())
	assert.Contains(t, b.stderr.String(), "Unknown device type")
}

// What a second run of the tests leaves in the kernel is a complaint; tests that
// take all away with them have none.
func TestLeaks(t *testing.T) {
	b := newBox(t, `echo run; unshare -n sh -c 'ip link add v0 type veth peer name v1; ip link set v0 up'`)
	b.Leaks = true
	r := b.run(t)
	assert.Empty(t, r.Complaints)
	assert.Equal(t, "run\n", b.stdout.String(), "the second run is silent")

	b = newBox(t, `f=$(mktemp /run/left.XXXXXX); unshare -n mount --bind /proc/self/ns/net $f
ip link add left$$ type bridge; modprobe -q nf_conntrack`)
	b.Leaks = true
	r = b.run(t)
	assert.NotEmpty(t, r.Leaks)
	assert.Equal(t, r.Leaks, r.Complaints)
	assert.Regexp(t, "(?m)^left behind: 1 network namespaces ", strings.Join(r.Leaks, "\n"))
}
