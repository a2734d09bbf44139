package vm

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/vm/wire"
)

func announced(t *testing.T, file string, size int64) []byte {
	t.Helper()
	b, err := json.Marshal(wire.File{Path: file, Mode: 0o644, Size: size})
	require.NoError(t, err)
	return b
}

// A file that can't be written whole is told, and taken away.
func TestFullDisk(t *testing.T) {
	if dir := os.Getenv("TEST_FULL_DISK"); dir != "" {
		require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"))
		r, f := &receiver{returns: []wire.Return{{Dir: dir}}}, incoming{}
		require.NoError(t, r.open(&f, announced(t, filepath.Join(dir, "small"), 3)))
		require.NoError(t, f.data([]byte("abc")))
		require.NoError(t, r.open(&f, announced(t, filepath.Join(dir, "cover.out"), 1<<20)))
		require.ErrorContains(t, f.data(make([]byte, 1<<18)), "bring back a file of the tests: write "+dir+"/cover.out: no space left on device")
		require.NoError(t, f.data(make([]byte, 1<<18)), "what else comes of it is nothing")
		require.NoFileExists(t, filepath.Join(dir, "cover.out"))
		require.FileExists(t, filepath.Join(dir, "small"))
		require.Equal(t, []string{filepath.Join(dir, "small")}, r.files)
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

// A file whose rest never comes is taken away.
func TestHalfFile(t *testing.T) {
	dir := t.TempDir()
	r, f := &receiver{returns: []wire.Return{{Dir: dir}}}, incoming{}
	require.NoError(t, r.open(&f, announced(t, filepath.Join(dir, "half"), 10)))
	require.NoError(t, f.data([]byte("12345")))
	require.ErrorContains(t, f.drop(), "half: its last 5 bytes did not come")
	require.NoError(t, f.drop())
	assert.NoFileExists(t, filepath.Join(dir, "half"))
	assert.Empty(t, r.files)
}

// A console that can't be kept is read all the same.
func TestConsoleNotKept(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	c := &console{copy: full}
	c.read(strings.NewReader(strings.Repeat("[    1.0] line\n", 10000) + "[    2.0] Kernel panic - not syncing: x\n"))
	assert.ErrorIs(t, c.copyFailed, unix.ENOSPC)
	assert.True(t, c.says("Kernel panic"))
}
