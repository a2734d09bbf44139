package hostconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/vm/wire"
)

// Config is the configuration of a system.
type Config struct {
	Host wire.Host
	// Files are what nft reads, by their paths.
	Files map[string][]byte
	// Warnings say what is not applied, and why.
	Warnings []string
}

func (c *Config) warn(format string, args ...any) {
	c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...))
}

// Read reads the configuration of the system whose root directory is given: "/"
// for this one.
func Read(root string) (*Config, error) {
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("the root of a system: %s is no directory (%w)", root, errors.Join(err, fs.ErrInvalid))
	}
	c, t := &Config{Files: map[string][]byte{}}, tree{root}
	for _, step := range []func(tree) error{c.modprobe, c.modules, c.sysctls, c.nftables} {
		if err := step(t); err != nil {
			return nil, fmt.Errorf("read the system's configuration below %s: %w", root, err)
		}
	}
	return c, nil
}

func underscores(module string) string { return strings.ReplaceAll(module, "-", "_") }

// modprobe reads what modprobe.d(5) says of modules.
func (c *Config) modprobe(t tree) error {
	files, err := t.files("modprobe.d")
	if err != nil {
		return err
	}
	m := &c.Host.Modprobe
	m.Options, m.Disabled = map[string][]string{}, map[string]bool{}
	for _, f := range files {
		f.lines(func(line, from string) {
			words := strings.Fields(line)
			switch {
			case words[0] == "options" && len(words) > 2:
				name := underscores(words[1])
				m.Options[name] = append(m.Options[name], words[2:]...)
			case words[0] == "blacklist" && len(words) == 2:
				m.Blacklist = append(m.Blacklist, underscores(words[1]))
			case words[0] == "alias" && len(words) == 3:
				m.Aliases = append(m.Aliases, [2]string{underscores(words[1]), underscores(words[2])})
			case words[0] == "install" && len(words) == 3 && slices.Contains([]string{"true", "false"}, path.Base(words[2])):
				m.Disabled[underscores(words[1])] = path.Base(words[2]) == "true"
			case words[0] == "install" || words[0] == "remove":
				c.warn("%s: commands are not run in a machine: %s", from, line)
			case words[0] == "softdep" || words[0] == "weakdep":
				c.warn("%s: is not applied: %s", from, line)
			default:
				c.warn("%s: is not understood: %s", from, line)
			}
		})
	}
	return nil
}

// modules reads what modules-load.d(5) wants loaded. Debian's /etc/modules is a
// file there, by a link.
func (c *Config) modules(t tree) error {
	files, err := t.files("modules-load.d")
	if err != nil {
		return err
	}
	for _, f := range files {
		f.lines(func(line, from string) {
			name := underscores(strings.Fields(line)[0])
			if !slices.ContainsFunc(c.Host.Modules, func(e wire.Entry) bool { return e.Name == name }) {
				c.Host.Modules = append(c.Host.Modules, wire.Entry{Name: name, From: from})
			}
		})
	}
	return nil
}

const sysctlConf = "/etc/sysctl.conf"

// sysctls reads what sysctl.d(5) wants set.
func (c *Config) sysctls(t tree) error {
	files, err := t.files("sysctl.d")
	if err != nil {
		return err
	}
	if text, err := t.read(sysctlConf); err == nil {
		linked := slices.ContainsFunc(files, func(f file) bool {
			real, err := t.resolve(f.name)
			return err == nil && real == sysctlConf
		})
		if !linked {
			files = append(files, file{sysctlConf, text})
			if len((&Config{}).settings(file{sysctlConf, text})) > 0 {
				c.warn("%s: is applied last, as by `sysctl --system`; systemd does not read it, since no link in sysctl.d leads there", sysctlConf)
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var others []string
	for _, f := range files {
		for _, s := range c.settings(f) {
			if !strings.HasPrefix(s.Path, "net/") {
				if name := strings.ReplaceAll(s.Path, "/", "."); !slices.Contains(others, name) {
					others = append(others, name)
				}
				continue
			}
			// The last one counts, and at its own place.
			c.Host.Sysctls = slices.DeleteFunc(c.Host.Sysctls, func(o wire.Setting) bool { return o.Path == s.Path })
			c.Host.Sysctls = append(c.Host.Sysctls, s)
		}
	}
	if len(others) > 0 {
		c.warn("sysctls that are not of networks are left as the machine needs them: %s", strings.Join(others, ", "))
	}
	return nil
}

// settings are those of one file.
func (c *Config) settings(f file) (all []wire.Setting) {
	f.lines(func(line, from string) {
		key, value, given := strings.Cut(line, "=")
		key, quiet := strings.CutPrefix(strings.TrimSpace(key), "-")
		s := wire.Setting{Path: sysctlPath(key), Value: strings.TrimSpace(value), From: from, Quiet: quiet}
		switch {
		case given && key != "":
		case quiet && key != "":
			s.Except = true
		default:
			c.warn("%s: is not understood: %s", from, line)
			return
		}
		all = append(all, s)
	})
	return all
}

// sysctlPath is a sysctl's path below /proc/sys: the first separator of its name
// tells whether dots or slashes separate, and the other stands for itself.
func sysctlPath(name string) string {
	if i := strings.IndexAny(name, "./"); i < 0 || name[i] == '/' {
		return strings.TrimPrefix(name, "/")
	}
	return strings.NewReplacer(".", "/", "/", ".").Replace(name)
}

const nftablesConf = "/etc/nftables.conf"

var include = regexp.MustCompile(`(?m)^\s*include\s+["']([^"']+)["']`)

// nftables reads the packet filter's rules, with the files that they include.
func (c *Config) nftables(t tree) error {
	text, err := t.read(nftablesConf)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c.Host.Nftables = nftablesConf
	return c.nftFile(t, nftablesConf, text)
}

func (c *Config) nftFile(t tree, name string, text []byte) error {
	if _, done := c.Files[name]; done {
		return nil
	}
	c.Files[name] = text
	for _, m := range include.FindAllSubmatch(text, -1) {
		pattern := string(m[1])
		if !path.IsAbs(pattern) {
			pattern = path.Join("/etc", pattern) // nft(8): the default directory of includes
		}
		found, err := filepath.Glob(filepath.Join(t.root, pattern))
		if err != nil {
			return fmt.Errorf("%s: include %q: %w", name, pattern, err)
		}
		for _, file := range found {
			below, err := filepath.Rel(t.root, file)
			if err != nil {
				return err
			}
			inside := "/" + below
			text, err := t.read(inside)
			if err != nil {
				return fmt.Errorf("%s includes %s: %w", name, inside, err)
			}
			if err := c.nftFile(t, inside, text); err != nil {
				return err
			}
		}
	}
	return nil
}
