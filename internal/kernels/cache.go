package kernels

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Cache is a directory with kernels, which several processes may use at once.
// What is in it is complete: a kernel is made in a directory of its own, and
// gets its name when it is whole and on the disk.
type Cache struct {
	dir string
	// Say tells the user about what takes time; nil for nothing.
	Say func(format string, args ...any)
}

// OpenCache opens the cache in dir; "" is the one under the user's cache
// directory ($XDG_CACHE_HOME, os.UserCacheDir).
func OpenCache(dir string) (*Cache, error) {
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("find a place for kernels: %w: set HOME or XDG_CACHE_HOME, or name a directory (--cache)", err)
		}
		dir = filepath.Join(user, "netrig")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	c := &Cache{dir: dir}
	for _, d := range []string{c.kernelsDir(), c.namesDir(), c.locksDir()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("make the cache for kernels: %w", err)
		}
	}
	c.sweep()
	return c, nil
}

// Dir is the directory of the cache.
func (c *Cache) Dir() string { return c.dir }

func (c *Cache) kernelsDir() string { return filepath.Join(c.dir, "kernels-"+layout) }
func (c *Cache) namesDir() string   { return filepath.Join(c.dir, "names-"+layout) }
func (c *Cache) locksDir() string   { return filepath.Join(c.dir, "locks") }

func (c *Cache) say(format string, args ...any) {
	if c.Say != nil {
		c.Say(format, args...)
	}
}

// unfinished starts the name of a directory in which a kernel is being made.
// Its maker has it locked.
const unfinished = "unfinished-"

// place makes a directory in which a kernel is made, with its lock.
func (c *Cache) place() (dir string, locked *os.File, err error) {
	// Between the making and the locking it looks like one that was left.
	noSweep, err := c.sweeping(unix.LOCK_SH)
	if err != nil {
		return "", nil, err
	}
	defer noSweep.Close()
	if dir, err = os.MkdirTemp(c.kernelsDir(), unfinished); err != nil {
		return "", nil, fmt.Errorf("make a place in the cache: %w", err)
	}
	if locked, err = os.Open(dir); err == nil {
		err = unix.Flock(int(locked.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return dir, locked, nil
}

// sweeping locks what sweeps exclude each other and new places by.
func (c *Cache) sweeping(how int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(c.locksDir(), "sweep"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	for {
		if err = unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	return f, nil
}

// sweep removes what killed processes left. Where others are at work it is left to
// the next one.
func (c *Cache) sweep() {
	alone, err := c.sweeping(unix.LOCK_EX | unix.LOCK_NB)
	if err != nil {
		return
	}
	defer alone.Close()
	left, _ := filepath.Glob(filepath.Join(c.kernelsDir(), unfinished+"*"))
	for _, dir := range left {
		d, err := os.Open(dir)
		if err != nil {
			continue
		}
		if unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.RemoveAll(dir)
		}
		d.Close()
	}
}

// lock keeps other processes from doing the same at the same time. The lock
// goes with the process.
func (c *Cache) lock(what string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(c.locksDir(), fileName(what)), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		c.say("waiting for another process that fetches %s", what)
		for {
			if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); err != unix.EINTR {
				break
			}
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock the cache: %w", err)
		}
	}
	return func() { f.Close() }, nil
}

// fileName is a name of a kernel as that of a file.
func fileName(name string) string { return strings.NewReplacer("/", "_", ":", "_").Replace(name) }

// add makes a kernel by fill, and gives it its name when it is whole.
func (c *Cache) add(id func(*Kernel) string, fill func(*parts) error) (*Kernel, error) {
	dir, d, err := c.place()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	defer os.RemoveAll(dir) // after the rename there is nothing to remove
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	p := &parts{dir: dir}
	if err = fill(p); err == nil {
		err = p.finish()
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return nil, fmt.Errorf("%w: a kernel takes up to 500 MB while it is unpacked, and some 30 MB after: make room, or name another place (--cache)", err)
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return nil, fmt.Errorf("write %s to the disk: %w", dir, err)
	}
	to := filepath.Join(c.kernelsDir(), id(&p.kernel))
	// Another process may have been faster, by another name of the same kernel.
	if err := os.Rename(dir, to); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, unix.ENOTEMPTY) {
		return nil, err
	}
	return load(to)
}

// List is the kernels in the cache, by release.
func (c *Cache) List() ([]*Kernel, error) {
	entries, err := os.ReadDir(c.kernelsDir())
	if err != nil {
		return nil, err
	}
	var all []*Kernel
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinished) {
			continue
		}
		k, err := load(filepath.Join(c.kernelsDir(), e.Name()))
		if err != nil {
			return nil, fmt.Errorf("the cache is damaged: %w: remove %s", err, filepath.Join(c.kernelsDir(), e.Name()))
		}
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b *Kernel) int { return compareVersions(a.Release, b.Release) })
	return all, nil
}

// named is the kernel that a name stood for when it was last fetched; nil when
// it never was.
func (c *Cache) named(text string) *Kernel {
	b, err := os.ReadFile(filepath.Join(c.namesDir(), fileName(text)))
	if err != nil {
		return nil
	}
	id, _, _ := strings.Cut(string(b), "\n")
	k, err := load(filepath.Join(c.kernelsDir(), filepath.Base(id)))
	if err != nil {
		return nil
	}
	return k
}

// Names tells by which names each kernel, by its ID, was fetched.
func (c *Cache) Names() map[string][]string {
	names := map[string][]string{}
	entries, _ := os.ReadDir(c.namesDir())
	for _, e := range entries {
		if b, err := os.ReadFile(filepath.Join(c.namesDir(), e.Name())); err == nil && !strings.HasPrefix(e.Name(), ".") {
			id, text, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
			names[id] = append(names[id], text)
		}
	}
	return names
}

// remember notes what a name stands for.
func (c *Cache) remember(text string, k *Kernel) error {
	f, err := os.CreateTemp(c.namesDir(), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.WriteString(k.ID + "\n" + text + "\n"); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(c.namesDir(), fileName(text)))
}
