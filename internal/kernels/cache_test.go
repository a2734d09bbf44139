package kernels

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Several that want the same kernel at once unpack it once.
func TestShared(t *testing.T) {
	deb := fakeDeb(t, "a.deb", ".xz", control("linux-image-x", "1"), fakeFiles(fakeRelease, "", plain))
	dir := t.TempDir()
	var unpacked atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c, err := OpenCache(dir)
			if !assert.NoError(t, err) {
				return
			}
			c.Say = func(format string, args ...any) {
				if strings.HasPrefix(format, "unpacking") {
					unpacked.Add(1)
				}
			}
			k, err := c.Find(context.Background(), deb)
			if assert.NoError(t, err) {
				assert.FileExists(t, k.Image())
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, 1, unpacked.Load())
}

// A kernel of the cache is known by its release and its directory's name.
func TestCachedBy(t *testing.T) {
	c := openTestCache(t)
	deb := fakeDeb(t, "a.deb", ".xz", control("linux-image-x", "1"), fakeFiles(fakeRelease, "", plain))
	k, err := c.Find(context.Background(), deb)
	require.NoError(t, err)
	for _, name := range []string{k.Release, k.ID} {
		again, err := c.Find(context.Background(), name)
		require.NoError(t, err)
		assert.Equal(t, k, again)
	}
	_, err = c.Find(context.Background(), "6.1.0-8-cloud-amd64")
	assert.ErrorContains(t, err, "kernel 6.1.0-8-cloud-amd64 is not in the cache")
	all, err := c.List()
	require.NoError(t, err)
	assert.Equal(t, []*Kernel{k}, all)
}

// A file that was replaced is another kernel.
func TestReplacedDeb(t *testing.T) {
	c := openTestCache(t)
	one := fakeDeb(t, "a.deb", ".xz", control("linux-image-x", "1"), fakeFiles(fakeRelease, "", plain))
	k1, err := c.Find(context.Background(), one)
	require.NoError(t, err)
	b, err := os.ReadFile(fakeDeb(t, "b.deb", ".xz", control("linux-image-x", "2"), fakeFiles(fakeRelease, "", plain)))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(one, b, 0o644))
	k2, err := c.Find(context.Background(), one)
	require.NoError(t, err)
	assert.Equal(t, []string{"1", "2"}, []string{k1.Version, k2.Version})
}

// What a killed process left goes with the next one that opens the cache; what
// is being made does not.
func TestSweep(t *testing.T) {
	c := openTestCache(t)
	left := filepath.Join(c.kernelsDir(), unfinished+"left")
	held := filepath.Join(c.kernelsDir(), unfinished+"held")
	require.NoError(t, os.MkdirAll(filepath.Join(left, "raw"), 0o755))
	require.NoError(t, os.Mkdir(held, 0o755))
	f, err := os.Open(held)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	_, err = OpenCache(c.Dir())
	require.NoError(t, err)
	assert.NoDirExists(t, left)
	assert.DirExists(t, held)
	all, err := c.List()
	require.NoError(t, err)
	assert.Empty(t, all)
}

// A full disk is told with what to do, and nothing is left.
func TestFullDisk(t *testing.T) {
	deb := fakeDeb(t, "a.deb", ".xz", control("linux-image-x", "1"), fakeFiles(fakeRelease, "", plain))
	if dir := os.Getenv("TEST_FULL_DISK"); dir != "" {
		require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=24k"))
		c, err := OpenCache(dir)
		require.NoError(t, err)
		_, err = c.Find(context.Background(), deb)
		require.ErrorContains(t, err, "no space left on device: a kernel takes up to 500 MB while it is unpacked")
		all, err := os.ReadDir(c.kernelsDir())
		require.NoError(t, err)
		require.Empty(t, all)
		fmt.Println("full disk was told")
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestFullDisk$")
	cmd.Env = append(os.Environ(), "TEST_FULL_DISK="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}}
	out, err := cmd.CombinedOutput()
	if len(out) == 0 && err != nil {
		t.Skipf("a small disk needs a mount namespace, and there is none: %v", err)
	}
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "full disk was told")
}
