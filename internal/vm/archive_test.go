package vm

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// entries reads an archive back: content of files, targets of links, "/" for
// directories.
func entries(t *testing.T, fill func(*archive)) map[string]string {
	t.Helper()
	a, f, err := newArchive(runtime.GOARCH)
	require.NoError(t, err)
	defer f.Close()
	fill(a)
	require.NoError(t, a.close())
	_, err = f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	found := map[string]string{}
	for r := cpio.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return found
		}
		require.NoError(t, err)
		assert.NotContains(t, found, h.Name, "twice")
		var b bytes.Buffer
		switch h.Mode &^ 0o7777 {
		case cpio.TypeDir:
			found[h.Name] = "/"
			continue
		case cpio.TypeSymlink:
			found[h.Name] = "-> " + h.Linkname
			continue
		}
		_, err = io.Copy(&b, r)
		require.NoError(t, err)
		found[h.Name] = b.String()
	}
}

// A file is carried with every link on the way to it.
func TestCarry(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "usr/sbin"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "etc"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "usr/sbin/nft-multi"), []byte("program"), 0o755))
	require.NoError(t, os.Symlink("usr/sbin", filepath.Join(dir, "sbin")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "sbin/nft-multi"), filepath.Join(dir, "etc/iptables")))
	require.NoError(t, os.Symlink("../../etc/iptables", filepath.Join(dir, "usr/sbin/iptables")))
	require.NoError(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	got := entries(t, func(a *archive) {
		require.NoError(t, a.carry(filepath.Join(dir, "sbin/iptables")))
		require.NoError(t, a.carry(filepath.Join(dir, "sbin/iptables")), "again")
		require.NoError(t, a.carry(filepath.Join(dir, "usr")), "a directory that is partly there")
		assert.ErrorContains(t, a.carry(filepath.Join(dir, "loop")), "too many symbolic links")
		assert.ErrorIs(t, a.carry(filepath.Join(dir, "none")), os.ErrNotExist)
	})
	below := dir[1:]
	assert.Equal(t, "program", got[below+"/usr/sbin/nft-multi"])
	assert.Equal(t, "-> usr/sbin", got[below+"/sbin"])
	assert.Equal(t, "-> ../../etc/iptables", got[below+"/usr/sbin/iptables"])
	assert.Equal(t, "-> "+dir+"/sbin/nft-multi", got[below+"/etc/iptables"])
	assert.Equal(t, "/", got[below+"/usr/sbin"])
}

func TestPrograms(t *testing.T) {
	got := entries(t, func(a *archive) {
		require.NoError(t, a.addProgram("sh"))
		err := a.addProgram("no-such-program")
		assert.True(t, errors.Is(err, exec.ErrNotFound), "%v", err)
	})
	self, err := os.Executable() // by its name: the loader would take /proc/self/exe for itself
	require.NoError(t, err)
	loader, err := loaderOf(self, runtime.GOARCH)
	require.NoError(t, err)
	sh, err := findProgram("sh")
	require.NoError(t, err)
	real, err := filepath.EvalSymlinks(sh)
	require.NoError(t, err)
	assert.Contains(t, got, real[1:])
	if loader != "" {
		libraries, err := librariesOf(self, runtime.GOARCH)
		require.NoError(t, err)
		assert.Contains(t, libraries, loader)
		assert.Greater(t, len(libraries), 1)
	}
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("not a program\n"), 0o755))
	_, err = loaderOf(text, runtime.GOARCH)
	assert.ErrorContains(t, err, "is no program: neither ELF nor a script")
}
