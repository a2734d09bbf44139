package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cavaliergopher/cpio"

	"github.com/netrig/netrig/internal/vm/wire"
)

func cpioMode(mode int) cpio.FileMode { return cpio.FileMode(mode) }

// testFlag is the value of a flag of a test binary, "-test.NAME=VALUE"; the
// last one counts.
func testFlag(args []string, name string) (value string) {
	for _, a := range args {
		if a == "--" {
			break
		}
		if v, ok := strings.CutPrefix(strings.TrimPrefix(a, "-"), "-test."+name+"="); ok {
			value = v
		} else if v, ok := strings.CutPrefix(a, "-test."+name+"="); ok {
			value = v
		}
	}
	return value
}

// returns are the directories from which files come back: the package's own
// (golden files), those that the flags name, and of the temporary one what a
// failed test keeps.
func returns(c *Config) []wire.Return {
	list := []wire.Return{{Dir: c.Dir}, {Dir: os.TempDir(), First: "netrig-*"}}
	add := func(dir string) {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(c.Dir, dir)
		}
		dir = filepath.Clean(dir)
		if !slices.ContainsFunc(list, func(r wire.Return) bool { return r.Dir == dir && r.First == "" }) {
			list = append(list, wire.Return{Dir: dir})
		}
	}
	args := c.Args[1:]
	out := testFlag(args, "outputdir")
	if out != "" {
		add(out)
	}
	for _, name := range []string{"coverprofile", "cpuprofile", "memprofile", "blockprofile", "mutexprofile", "trace"} {
		if file := testFlag(args, name); file != "" {
			if !filepath.IsAbs(file) {
				file = filepath.Join(out, file)
			}
			add(filepath.Dir(file))
		}
	}
	for _, dir := range []string{testFlag(args, "gocoverdir"), variable(c.Env, "GOCOVERDIR")} {
		if dir != "" {
			add(dir)
		}
	}
	if dir := c.journals(); dir != "" {
		list = append(list, wire.Return{Dir: dir, Stream: true})
	}
	return list
}

// journals is the folder that the tests write journals to; empty when they write
// none.
func (c *Config) journals() string {
	dir := variable(c.Env, "NETRIG_JOURNAL")
	switch {
	case dir == "":
		return ""
	case filepath.IsAbs(dir):
		return filepath.Clean(dir)
	}
	return filepath.Join(c.Dir, dir)
}

// placeJournals makes the folder of the journals, as the tests themselves would.
// What it holds has its name taken inside, too: each journal gets a name of its
// own, and one that comes back must replace none.
func (a *archive) placeJournals(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil { //nolint:gosec // as the umask says
		return fmt.Errorf("NETRIG_JOURNAL: %w", err)
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("NETRIG_JOURNAL: %w", err)
	}
	if err := a.place(dir, 0o755); err != nil {
		return err
	}
	for _, f := range there {
		if f.Type().IsRegular() {
			if err := a.bytes(filepath.Join(dir, f.Name()), nil, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// insideEnv is the environment of the tests in a machine of so many MB: that of
// the caller, less what only holds on this machine.
func insideEnv(env []string, memory int) []string {
	inside := []string{wire.Path, "HOME=" + insideHome, "TMPDIR=" + os.TempDir()}
	if variable(env, "GOMEMLIMIT") == "" {
		// A test binary that doubles its heap before it collects, as usual, is the
		// largest thing in there, and the archive takes what is left.
		inside = append(inside, fmt.Sprintf("GOMEMLIMIT=%dMiB", memory/6))
	}
	if variable(env, "NETRIG_REQUIRE") == "" {
		// What is missing in a machine was left out of it: that must not look like a
		// test that passed.
		inside = append(inside, "NETRIG_REQUIRE=1")
	}
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		switch {
		case slices.Contains([]string{"PATH", "HOME", "TMPDIR", "NETRIG_SANDBOX", "MAIL", "SHELL", "SSH_AUTH_SOCK", "DISPLAY"}, name):
		case strings.HasPrefix(name, "LD_"), strings.HasPrefix(name, "XDG_"), strings.HasPrefix(name, "DBUS_"):
		default:
			inside = append(inside, e)
		}
	}
	return inside
}

func variable(env []string, name string) (value string) {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}
