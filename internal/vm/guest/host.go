package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/vm/wire"
)

// applyHost applies the configuration of a system in the order in which a system
// does, and tells what could not be.
func applyHost(h *wire.Host, m *modules, tell func(format string, args ...any)) {
	for _, e := range h.Modules {
		// As systemd-modules-load: a module that is on the blacklist is not loaded.
		if slices.Contains(h.Modprobe.Blacklist, e.Name) {
			tell("%s: module %s is not loaded: it is on the blacklist", e.From, e.Name)
		} else if err := m.load(e.Name, ""); err != nil {
			tell("%s: module %s is not loaded: %v", e.From, e.Name, err)
		}
	}
	setSysctls("/proc/sys", h.Sysctls, tell)
	if h.Nftables != "" {
		out, err := exec.Command("nft", "-f", h.Nftables).CombinedOutput()
		switch {
		case errors.Is(err, exec.ErrNotFound):
			tell("%s is not applied: the program nft is not in the machine: install nftables here", h.Nftables)
		case err != nil:
			tell("%s is not applied: %v: %s", h.Nftables, err, strings.TrimSpace(string(out)))
		}
	}
}

// setSysctls sets sysctls below a directory. What a pattern matches is left alone
// if it is named in full, or excepted.
func setSysctls(proc string, all []wire.Setting, tell func(format string, args ...any)) {
	isPattern := func(path string) bool { return strings.ContainsAny(path, "*?[") }
	for _, s := range all {
		if s.Except {
			continue
		}
		paths := []string{s.Path}
		if isPattern(s.Path) {
			found, _ := filepath.Glob(filepath.Join(proc, s.Path))
			paths = paths[:0]
			for _, file := range found {
				path, err := filepath.Rel(proc, file)
				if err == nil && !slices.ContainsFunc(all, func(o wire.Setting) bool { return named(o, path) }) {
					paths = append(paths, path)
				}
			}
		}
		for _, path := range paths {
			err := setSysctl(filepath.Join(proc, path), s.Value)
			if err == nil || s.Quiet {
				continue
			}
			name := strings.ReplaceAll(path, "/", ".")
			if errors.Is(err, fs.ErrNotExist) {
				tell("%s: sysctl %s is not set: this kernel has none of that name, or not before a module is loaded", s.From, name)
			} else {
				tell("%s: sysctl %s is not set to %q: %v", s.From, name, s.Value, reason(err))
			}
		}
	}
}

// named tells whether a setting that is no pattern is about a path, or one that
// excepts it is.
func named(s wire.Setting, path string) bool {
	if s.Except {
		ok, err := filepath.Match(s.Path, path)
		return err == nil && ok
	}
	return s.Path == path
}

func setSysctl(file, value string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0) // nothing is made
	if err != nil {
		return err
	}
	_, err = f.WriteString(value + "\n")
	return errors.Join(err, f.Close())
}

// reason is the kernel's part of an error about a file.
func reason(err error) error {
	var number unix.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

// readModprobe is what modprobe.d says; nothing when there is no such file.
func readModprobe() (c wire.Modprobe, err error) {
	text, err := os.ReadFile(wire.HostFile)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		err = fmt.Errorf("modprobe: %w", err)
	}
	return c, err
}
