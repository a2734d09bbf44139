package vm

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/netrig/netrig/internal/testflag"
	"github.com/netrig/netrig/internal/vm/wire"
)

const (
	insideHome = "/root"
	beatEvery  = 2 * time.Second
	// leastScale is the factor for the tests' deadlines under emulation: a
	// namespace takes some 20 times what it takes outside, a call of iptables 10
	// times, and the first rule of a kind loads modules for up to a second.
	leastScale = 10
)

// loadedFirst are modules that a machine has from the start, since no kernel
// asks for them: br_netfilter adds its sysctls to namespaces that are made
// later. Outside, a user would have to load it, and might change the bridges of
// that system.
var loadedFirst = []string{"br_netfilter"}

// initramfs writes the archive for a machine. Without arguments the machine only
// says hello.
func (c *Config) initramfs(accel Accel) (*os.File, error) {
	a, f, err := newArchive(c.Kernel.Arch)
	if err != nil {
		return nil, err
	}
	err = a.fill(c, accel)
	if err == nil {
		err = a.close()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (a *archive) fill(c *Config, accel Accel) error {
	r := wire.Run{Beat: int64(beatEvery), Seed: make([]byte, 64), Load: loadedFirst}
	_, _ = rand.Read(r.Seed) // never fails
	if accel == TCG {
		r.Scale, r.Emulated = leastScale, true
	}
	for _, step := range []func() error{
		func() error { return a.base(c) },
		func() error { return a.modules(c) },
		func() error { return a.tests(c, &r) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := a.host(c, &r); err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return a.bytes(wire.RunFile, text, 0o600)
}

// base is the first process, and the directories of a system.
func (a *archive) base(c *Config) error {
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run", "/etc", "/var/lib", "/var/log"} {
		if err := a.dir(dir); err != nil {
			return err
		}
	}
	if err := a.dirMode("/tmp", 0o1777); err != nil {
		return err
	}
	if err := a.dirMode(insideHome, 0o700); err != nil {
		return err
	}
	// Where /sbin is a link to /usr/sbin, as on most systems, it has to be one
	// before anything goes there.
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib64", "/usr/sbin"} {
		if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(dir)
			if err == nil {
				err = a.link(dir, target)
			}
			if err != nil {
				return err
			}
		}
	}
	if err := a.copy(c.Self, wire.Init); err != nil {
		return fmt.Errorf("the machine's first process: %w", err)
	}
	// None if it was built with CGO_ENABLED=0: its start is then shorter.
	libraries, err := librariesOf(c.Self, a.arch)
	var other *otherArch
	if errors.As(err, &other) {
		return fmt.Errorf("the machine's first process, netrig itself: %w, and name it (--init)", err)
	}
	if err != nil {
		return fmt.Errorf("the machine's first process: %w", err)
	}
	for _, l := range libraries {
		if err := a.carry(l); err != nil {
			return err
		}
	}
	// What this machine says of itself is not what that one should.
	for name, text := range map[string]string{
		"/etc/hosts":       "127.0.0.1 localhost\n::1 localhost\n",
		"/etc/hostname":    "netrig\n",
		"/etc/resolv.conf": "", // to mount a node's own over
	} {
		if err := a.bytes(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	at, err := a.resolve("/sbin")
	if err != nil {
		return err
	}
	return a.link(filepath.Join(at, "modprobe"), wire.Init)
}

// resolve is where a directory of this machine really is.
func (a *archive) resolve(dir string) (string, error) {
	real, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return dir, nil
	}
	return real, err
}

// modules are the kernel's, less those to be withheld.
func (a *archive) modules(c *Config) error {
	table, err := c.Kernel.Table()
	if err != nil {
		return err
	}
	for _, w := range c.Without {
		if err := table.Withhold(w); err != nil {
			return err
		}
	}
	lib, err := a.resolve("/lib")
	if err != nil {
		return err
	}
	dir := filepath.Join(lib, "modules", c.Kernel.Release)
	for _, files := range table.Files {
		file := files[len(files)-1] // the module's own
		if err := a.copy(filepath.Join(c.Kernel.ModulesDir(), file), filepath.Join(dir, file)); err != nil {
			return fmt.Errorf("kernel %s: %w", c.Kernel.ID, err)
		}
	}
	return a.bytes(filepath.Join(dir, wire.ModulesTable), table.Text(), 0o644)
}

// tests are the test binary, what it may read and call, and where it may write.
func (a *archive) tests(c *Config, r *wire.Run) error {
	if len(c.Args) == 0 {
		return nil
	}
	binary, err := filepath.Abs(c.Args[0])
	if err != nil {
		return err
	}
	if err := a.carryProgram(binary); err != nil {
		return fmt.Errorf("the test binary: %w", err)
	}
	r.Args = append([]string{binary}, testflag.WithoutLog(c.Args[1:])...)
	r.Dir = c.Dir
	r.Merged = c.Stdout == c.Stderr
	r.Leaks = c.Leaks
	r.Env = insideEnv(c.Env, c.Memory)
	r.Return = returns(c)

	if err := a.placeJournals(c.journals()); err != nil {
		return err
	}
	made := []string{c.Dir}
	for _, ret := range r.Return {
		made = append(made, ret.Dir)
	}
	for _, dir := range made {
		mode := 0o755
		if dir == os.TempDir() {
			mode = 0o1777
		}
		if err := a.place(dir, mode); err != nil {
			return err
		}
	}
	for _, dir := range testdata(c.Dir) {
		if err := a.carry(dir); err != nil {
			return fmt.Errorf("the tests' data: %w", err)
		}
	}
	for _, file := range c.Files {
		abs, err := filepath.Abs(file)
		if err == nil {
			err = a.carry(abs)
		}
		if err != nil {
			return fmt.Errorf("a file that was asked for: %w", err)
		}
	}
	return a.addPrograms(c.Programs)
}

// place makes a directory of this machine inside, empty.
func (a *archive) place(dir string, mode int) error {
	real, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: make it first", err)
	}
	if err != nil {
		return err
	}
	if real != dir {
		if err := a.dir(filepath.Dir(dir)); err != nil {
			return err
		}
		if err := a.link(dir, real); err != nil {
			return err
		}
	}
	return a.dirMode(real, cpioMode(mode))
}

// testdata are the directories of that name of a package, and of those above it
// up to the module's root: what tests read beside their own code.
func testdata(dir string) (found []string) {
	for {
		if info, err := os.Stat(filepath.Join(dir, "testdata")); err == nil && info.IsDir() {
			found = append(found, filepath.Join(dir, "testdata"))
		}
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if above := filepath.Dir(dir); err != nil && above != dir {
			dir = above
			continue
		}
		if err != nil {
			// Not in a module: only what is the package's own.
			return slices.DeleteFunc(found, func(d string) bool { return d != found[0] })
		}
		return found
	}
}

// host puts a system's configuration into the archive. What of it can't be
// applied anywhere is told at once.
func (a *archive) host(c *Config, r *wire.Run) error {
	if c.Host == nil || len(c.Args) == 0 {
		return nil
	}
	for _, text := range c.Host.Warnings {
		c.say("%s", text)
	}
	r.Host = &c.Host.Host
	text, err := json.Marshal(c.Host.Host.Modprobe)
	if err != nil {
		return err
	}
	if err := a.bytes(wire.HostFile, text, 0o644); err != nil {
		return err
	}
	for name, text := range c.Host.Files {
		if err := a.bytes(name, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
