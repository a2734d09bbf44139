package matrix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/kernels"
	"github.com/netrig/netrig/internal/vm"
)

// Column is one kernel, and what became of the tests on it.
type Column struct {
	Name    string // as it was asked for
	Release string
	Version string // of the package
	Outside bool   // the tests ran on the machine's own kernel

	Boot       time.Duration
	Took       time.Duration
	Complaints []string
	Crash      error // the kernel's, or why it could not be run: see Unable
	Unable     bool

	kernel *kernels.Kernel
	dir    string
	tests  map[string]*outcome // by package and name: "scenarios.TestX/IPv4"
	folder *journal.Folder
}

// Short names the column where room is scarce: "6.12.107", "6.1.176 full".
func (c *Column) Short() string {
	switch {
	case c.Name == Running:
		return Running
	case c.Version != "":
		version, _, _ := strings.Cut(c.Version, "-")
		if !strings.Contains(c.Release, "cloud") {
			version += " full"
		}
		return version
	case c.Release != "":
		return c.Release
	}
	return c.Name
}

// ID is the kernel's in the cache, for names of files.
func (c *Column) ID() string {
	if c.kernel != nil {
		return c.kernel.ID
	}
	if c.Release != "" {
		return c.Release
	}
	return unsafeInNames.ReplaceAllString(c.Name, "_")
}

var unsafeInNames = regexp.MustCompile(`[^A-Za-z0-9.+~_-]+`)

// columns finds the kernels. One that can't be had has its error, and is there
// all the same.
func columns(ctx context.Context, c *Config) ([]*Column, error) {
	var all []*Column
	had := map[string]string{}
	for _, name := range c.Kernels {
		column := &Column{Name: name}
		var err error
		if name == Running {
			column.findRunning(ctx, c)
		} else {
			column.kernel, err = c.Cache.Find(ctx, name)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			column.Crash, column.Unable = err, true
		}
		if k := column.kernel; k != nil {
			column.Release, column.Version = k.Release, k.Version
		}
		if other, is := had[column.ID()]; is && column.Crash == nil {
			c.Progress.Say("%s is the same kernel as %s (%s): it runs once", name, other, column.ID())
			continue
		}
		had[column.ID()] = name
		all = append(all, column)
	}
	return all, nil
}

// findRunning takes the running kernel to a machine where its image and modules
// can be read.
func (c *Column) findRunning(ctx context.Context, config *Config) {
	var u unix.Utsname
	_ = unix.Uname(&u) // fails for no valid address
	c.Release = unix.ByteSliceToString(u.Release[:])
	image := "/boot/vmlinuz-" + c.Release
	k, err := config.Cache.Find(ctx, image)
	if err == nil {
		c.kernel = k
		return
	}
	c.Outside = true
	config.Progress.Say("the running kernel %s can't be taken to a machine (%v): its tests run outside, as who you are", c.Release, firstLine(err))
}

func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// system is what its folder says of the kernel.
func (c *Column) system() (*journal.System, error) {
	s := &journal.System{
		Header:  journal.Header{Version: journal.Version, Kernel: c.Release},
		Name:    c.Name,
		Outside: c.Outside, PackageVersion: c.Version, Configuration: map[string]string{},
	}
	if c.kernel == nil || c.kernel.Config() == "" {
		return s, nil
	}
	s.ConfigHash = c.kernel.ConfigHash
	text, err := os.ReadFile(c.kernel.Config())
	if err != nil {
		return nil, fmt.Errorf("kernel %s: read its configuration: %w", c.kernel.ID, err)
	}
	s.Configuration = options(string(text))
	return s, nil
}

// options are those that a configuration sets. What is not set stands there as a
// comment.
func options(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if found && strings.HasPrefix(name, "CONFIG_") {
			all[name] = strings.Trim(value, `"`)
		}
	}
	return all
}

// prepare makes its folder.
func (c *Column) prepare(dir string) error {
	c.dir = filepath.Join(dir, c.ID())
	err := os.RemoveAll(c.dir)
	if err == nil {
		err = os.MkdirAll(c.dir, 0o777) //nolint:gosec // as the umask says
	}
	if err != nil {
		return fmt.Errorf("make a folder for the results of %s: %w", c.Name, err)
	}
	s, err := c.system()
	if err != nil {
		return err
	}
	return writeJSON(filepath.Join(c.dir, journal.SystemFile), s)
}

// crashed notes the end of a job that was none.
func (c *Column) crashed(err error) {
	if c.Crash != nil {
		return
	}
	var crash *vm.Crash
	c.Crash, c.Unable = err, !errors.As(err, &crash)
}
