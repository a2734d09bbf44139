//go:build machine

package planted

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/netrig/netrig/internal/compare"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/kernels"
	"github.com/netrig/netrig/internal/vm"
)

// built are the programs that every machine gets.
type built struct{ netrig, scenarios string }

// dir holds the programs; removed at the end.
var dir string

func TestMain(m *testing.M) {
	plantInside()
	status := m.Run()
	if dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(status)
}

var programs = sync.OnceValues(func() (*built, error) {
	var err error
	if dir, err = os.MkdirTemp("", "netrig-planted-"); err != nil {
		return nil, err
	}
	b := &built{netrig: filepath.Join(dir, "netrig"), scenarios: filepath.Join(dir, "scenarios.test")}
	for _, args := range [][]string{{"build", "-o", b.netrig, "../../cmd/netrig"}, {"test", "-c", "-o", b.scenarios, "../../scenarios"}} {
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go %s: %w: %s", args[0], err, out)
		}
	}
	return b, nil
})

func cachedKernel(t *testing.T) (*kernels.Kernel, *kernels.Cache) {
	t.Helper()
	name := os.Getenv("NETRIG_KERNEL")
	require.NotEmpty(t, name, "NETRIG_KERNEL names the kernel, such as debian/bookworm: make regressions sets it")
	cache, err := kernels.OpenCache(os.Getenv("NETRIG_CACHE"))
	require.NoError(t, err)
	k, err := cache.Find(context.Background(), name)
	require.NoError(t, err)
	return k, cache
}

// boot runs scenarios in a machine, and returns their journals. The change may
// be nil. That tests fail is what some changes are for.
func boot(t *testing.T, run string, alter change) *journal.Folder {
	t.Helper()
	kernel, cache := cachedKernel(t)
	b, err := programs()
	require.NoError(t, err)
	journals := t.TempDir()
	scenarios, err := filepath.Abs("../../scenarios")
	require.NoError(t, err)
	var out bytes.Buffer
	c := vm.Config{
		Kernel: kernel, Self: b.netrig, Dir: scenarios, CacheDir: cache.Dir(), Accel: vm.TCG, Stdout: &out, Stderr: &out,
		Args: []string{b.scenarios, "-test.run=" + run}, Env: []string{journal.Variable + "=" + journals},
	}
	if alter != nil {
		require.NoError(t, alter(t, &c))
	}
	r, err := vm.Run(context.Background(), c, nil)
	var crash *vm.Crash
	if errors.As(err, &crash) {
		t.Fatalf("the altered kernel has to live: %v\n%s", crash, &out)
	}
	require.NoError(t, err, "%s", &out)
	require.Empty(t, r.Complaints)
	if alter == nil {
		require.Zero(t, r.Status, "the kernel as it is has to pass: %s", &out)
	}
	require.Contains(t, []int{0, 1}, r.Status, "%s", &out)
	f, err := journal.Read(journals)
	require.NoError(t, err, "%s", &out)
	return f
}

// differences are those of two sets of journals.
func differences(t *testing.T, before, after []*journal.Folder) []compare.Difference {
	t.Helper()
	r, err := compare.Compare(before, after, compare.Options{})
	require.NoError(t, err)
	return r.Differences
}

// change is how a kernel is altered.
type change func(t *testing.T, c *vm.Config) error

// code changes the code of the kernel itself.
func code(alter func(*image) error) change {
	return func(t *testing.T, c *vm.Config) error {
		unpack(t)
		if errUnpacked != nil {
			return errUnpacked
		}
		i := unpackedBase.clone()
		if err := alter(i); err != nil {
			return err
		}
		return another(t, c, filepath.Base(c.Kernel.Image()), i.bytes)
	}
}

// inModule changes the code of a module.
func inModule(name string, alter func(*module) error) change {
	return func(t *testing.T, c *vm.Config) error {
		file := filepath.Join(c.Kernel.ModulesDir(), name+kernels.Suffix)
		packed, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		m := &module{}
		if m.bytes, err = kernels.Unpack(packed); err != nil {
			return err
		}
		if err := m.unsign(); err != nil {
			return err
		}
		if err := alter(m); err != nil {
			return err
		}
		w, err := zstd.NewWriter(nil)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(c.Kernel.Dir, file)
		if err != nil {
			return err
		}
		return another(t, c, below, w.EncodeAll(m.bytes, nil))
	}
}

// another replaces the kernel by one in which one file is another.
func another(t *testing.T, c *vm.Config, file string, content []byte) error {
	k := *c.Kernel
	k.Dir = t.TempDir()
	err := filepath.WalkDir(c.Kernel.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(c.Kernel.Dir, path)
		switch to := filepath.Join(k.Dir, below); {
		case err != nil:
			return err
		case entry.IsDir():
			return os.MkdirAll(to, 0o755)
		case below == file:
			return os.WriteFile(to, content, 0o644)
		default:
			return os.Symlink(path, to)
		}
	})
	c.Kernel = &k
	return err
}

// parameter gives the kernel a parameter.
func parameter(text string) change {
	return func(_ *testing.T, c *vm.Config) error {
		c.Append = append(c.Append, text)
		return nil
	}
}

// withoutModule withholds a module.
func withoutModule(name string) change {
	return func(_ *testing.T, c *vm.Config) error {
		c.Without = append(c.Without, name)
		return nil
	}
}

// inside runs something in the machine before the tests: this test binary takes
// their place, and starts them (inside_test.go).
func inside(what string) change {
	return func(_ *testing.T, c *vm.Config) error {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		c.Files = append(c.Files, c.Args[0])
		c.Args = append([]string{self}, c.Args...)
		c.Env = append(c.Env, plantVariable+"="+what)
		return nil
	}
}

var (
	unpackedOnce sync.Once
	unpackedBase *image
	errUnpacked  error
)

// unpack unpacks the image once, for all that change it.
func unpack(t *testing.T) {
	unpackedOnce.Do(func() {
		kernel, _ := cachedKernel(t)
		if unpackedBase, errUnpacked = unpackImage(kernel.Image()); errUnpacked == nil {
			errUnpacked = unpackedBase.readSymbols(symbols(t))
		}
	})
}
