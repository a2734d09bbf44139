package guest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/kernels"
	"github.com/netrig/netrig/internal/vm/wire"
)

// modprobe understands what the kernel and the usual programs call it with:
// `modprobe -q -- ALIAS`, `modprobe NAME OPTION=VALUE...`, `modprobe -a NAME...`
// and `modprobe -r NAME...` (modprobe(8)).
func modprobe(args []string) error {
	var names []string
	var quiet, all, remove, dry bool
	for i, a := range args {
		if a == "--" {
			names = append(names, args[i+1:]...)
			break
		}
		switch {
		case !strings.HasPrefix(a, "-"):
			names = append(names, a)
		case strings.HasPrefix(a, "--"):
			quiet = quiet || a == "--quiet"
			all = all || a == "--all"
			remove = remove || a == "--remove"
			dry = dry || a == "--dry-run" || a == "--show"
		default:
			quiet = quiet || strings.Contains(a, "q")
			all = all || strings.Contains(a, "a")
			remove = remove || strings.Contains(a, "r")
			dry = dry || strings.Contains(a, "n")
		}
	}
	if len(names) == 0 {
		return errors.New("modprobe: no module is named")
	}
	options := ""
	if !all && !remove {
		options = strings.Join(names[1:], " ")
		names = names[:1]
	}
	m, err := readModules()
	if err != nil {
		return err
	}
	for _, name := range names {
		switch {
		case remove:
			err = unix.DeleteModule(strings.ReplaceAll(name, "-", "_"), unix.O_NONBLOCK)
		case dry:
			if _, known := m.table.Lookup(name); !known {
				err = unix.ENOENT
			}
		default:
			err = m.load(name, options)
		}
		if err != nil {
			if quiet {
				os.Exit(1)
			}
			return fmt.Errorf("modprobe: %s: %w", name, err)
		}
	}
	return nil
}

// modules are those of the running kernel.
type modules struct {
	dir   string
	table *kernels.Table
	host  wire.Modprobe
}

func readModules() (*modules, error) {
	m := &modules{dir: filepath.Join("/lib/modules", release())}
	text, err := os.ReadFile(filepath.Join(m.dir, wire.ModulesTable))
	if err != nil {
		return nil, fmt.Errorf("modprobe: %w", err)
	}
	if m.table, err = kernels.ParseTable(text); err != nil {
		return nil, err
	}
	m.host, err = readModprobe()
	return m, err
}

// lookup is what a name or alias stands for. What modprobe.d calls by a name of
// its own comes first; a module on the blacklist goes by no alias, and by its own
// name only.
func (m *modules) lookup(name string) (found []string, known bool) {
	name = strings.ReplaceAll(name, "-", "_")
	for _, a := range m.host.Aliases {
		if ok, err := path.Match(a[0], name); err == nil && ok {
			found = append(found, a[1])
		}
	}
	if found != nil {
		return found, true
	}
	found, known = m.table.Lookup(name)
	if len(found) == 0 {
		return found, known
	}
	found = slices.DeleteFunc(slices.Clone(found), func(module string) bool {
		return module != name && slices.Contains(m.host.Blacklist, module)
	})
	return found, known
}

// disabled tells whether `install MODULE /bin/true`, or /bin/false, keeps a module
// from being loaded.
func (m *modules) disabled(module string) (is bool, err error) {
	succeeds, is := m.host.Disabled[module]
	if is && !succeeds {
		err = fmt.Errorf("module %s is switched off by the system's modprobe.d", module)
	}
	return is, err
}

// load loads what a name or alias stands for, with what that needs first. The
// options are for the module itself.
func (m *modules) load(name, options string) error {
	found, known := m.lookup(name)
	if !known {
		return fmt.Errorf("not among the modules of kernel %s in this machine", release())
	}
	for _, module := range found {
		files, ok := m.table.Files[module]
		if !ok && !m.table.Builtin[module] {
			return fmt.Errorf("module %s, for which %s stands, is not in this machine", module, name)
		}
		for i, file := range files {
			own := strings.TrimSuffix(file, kernels.Suffix)
			with := strings.Join(m.host.Options[own], " ")
			if i == len(files)-1 {
				with = strings.TrimSpace(with + " " + options)
			}
			if live("/sys/module", own) {
				continue
			}
			if is, err := m.disabled(own); err != nil {
				return err
			} else if is {
				break // what needs it can't be loaded either
			}
			if err := insert(filepath.Join(m.dir, file), with); err != nil {
				return fmt.Errorf("load %s: %w", file, err)
			}
		}
	}
	return nil
}

// live reports whether a module is loaded and ready. One that another process
// is loading at this moment is not: the kernel waits for it when it is asked to
// load it once more, and whoever wanted it must not go on before.
func live(sys, module string) bool {
	state, _ := os.ReadFile(filepath.Join(sys, module, "initstate"))
	return strings.TrimSpace(string(state)) == "live"
}

func insert(file, options string) error {
	packed, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	b, err := kernels.Unpack(packed)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err = unix.InitModule(b, options)
		switch {
		case errors.Is(err, unix.EEXIST):
			return nil
		case errors.Is(err, unix.EBUSY) && try < 3: // another process tried, and failed (since 6.5)
		default:
			return err
		}
	}
}

func release() string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	r, _, _ := bytes.Cut(u.Release[:], []byte{0})
	return string(r)
}
