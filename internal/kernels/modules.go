package kernels

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// modulesOf lays out the modules of a kernel: those in the tree from, which is
// as /lib/modules/RELEASE is, that a machine gets. Their files go to to.
func modulesOf(release, from, to string) (*Table, error) {
	m := &moduleTree{release: release, to: to, paths: map[string]string{}, info: map[string]modinfo{}, builtin: map[string]bool{}}
	if err := m.find(from); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(m.paths)) {
		below, err := filepath.Rel(filepath.Join(from, "kernel"), m.paths[name])
		if err != nil || !wanted(filepath.ToSlash(below)) {
			continue
		}
		if err := m.take(name); err != nil {
			return nil, err
		}
	}
	return m.table(), nil
}

type moduleTree struct {
	release string
	to      string
	paths   map[string]string  // of every module there is
	info    map[string]modinfo // of those that were taken
	builtin map[string]bool
}

func (m *moduleTree) find(from string) error {
	list, err := os.ReadFile(filepath.Join(from, "modules.builtin"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, file := range strings.Fields(string(list)) {
		m.builtin[moduleName(file)] = true
	}
	err = filepath.WalkDir(filepath.Join(from, "kernel"), func(file string, entry fs.DirEntry, err error) error {
		if err == nil && strings.Contains(entry.Name(), ".ko") && !entry.IsDir() {
			m.paths[moduleName(file)] = file
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("the modules of kernel %s: %w", m.release, err)
	}
	if len(m.paths) == 0 {
		return fmt.Errorf("the modules of kernel %s: there are none in %s", m.release, from)
	}
	return nil
}

// take copies a module, and those that it depends on.
func (m *moduleTree) take(name string) error {
	if _, done := m.info[name]; done || m.builtin[name] {
		return nil
	}
	file, ok := m.paths[name]
	if !ok {
		return fmt.Errorf("kernel %s: module %s is missing, and another depends on it", m.release, name)
	}
	info, err := m.copy(name, file)
	if err != nil {
		return fmt.Errorf("kernel %s: module %s: %w", m.release, name, err)
	}
	m.info[name] = info
	for _, d := range info.depends {
		if err := m.take(d); err != nil {
			return err
		}
	}
	for _, d := range info.softPre {
		if _, ok := m.paths[d]; ok { // else it is an alias, or may be missing
			if err := m.take(d); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *moduleTree) copy(name, file string) (modinfo, error) {
	f, err := os.Open(file)
	if err != nil {
		return modinfo{}, err
	}
	defer f.Close()
	plain, err := decompress(f)
	if err != nil {
		return modinfo{}, err
	}
	defer plain.Close()
	b, err := io.ReadAll(plain)
	if err != nil {
		return modinfo{}, err
	}
	info, err := readModinfo(b)
	if err != nil {
		return modinfo{}, err
	}
	if of, _, _ := strings.Cut(info.vermagic, " "); of != m.release {
		return modinfo{}, fmt.Errorf("it was built for kernel %q", of)
	}
	return info, os.WriteFile(filepath.Join(m.to, name+Suffix), pack(b), 0o644)
}

func (m *moduleTree) table() *Table {
	t := &Table{Files: map[string][]string{}, Builtin: m.builtin}
	for _, name := range slices.Sorted(maps.Keys(m.info)) {
		var files []string
		m.order(name, &files, map[string]bool{})
		t.Files[name] = files
		for _, a := range m.info[name].aliases {
			if !hardware(a) && !strings.ContainsAny(a, " \t") {
				t.Aliases = append(t.Aliases, Alias{a, name})
			}
		}
	}
	return t
}

// order appends the file of a module after those of what it depends on.
func (m *moduleTree) order(name string, files *[]string, seen map[string]bool) {
	if seen[name] {
		return
	}
	seen[name] = true
	info, ok := m.info[name]
	if !ok {
		return // built in
	}
	for _, d := range slices.Concat(info.softPre, info.depends) {
		m.order(d, files, seen)
	}
	*files = append(*files, name+Suffix)
}

// hardware reports whether an alias names a device that a machine has not got:
// most aliases do, and the table is read each time the kernel asks for a module.
func hardware(alias string) bool {
	bus, _, ok := strings.Cut(alias, ":")
	return ok && bus != "virtio" && bus != "cpu" && !(bus == "pci" && strings.HasPrefix(alias, "pci:v00001AF4"))
}
