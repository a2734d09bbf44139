package kernels

import (
	"bufio"
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Table tells which files a module needs, and which module an alias means. Its
// text form is what the machine's modprobe reads:
//
//	module NAME FILE,FILE,...    the files in the order in which to load them
//	alias PATTERN NAME
//	builtin NAME
type Table struct {
	// Files of each module: what it depends on first, itself last. Names are
	// relative to the directory of the modules.
	Files map[string][]string
	// Aliases in order; the patterns are those of path.Match.
	Aliases []Alias
	// Builtin modules need not be loaded.
	Builtin map[string]bool
}

// Alias is a pattern of names that stand for a module.
type Alias struct{ Pattern, Module string }

// Lookup finds the modules that a name, or an alias that the kernel asks for,
// stands for: by their own name, or by all aliases that match. Known is true
// also for what is built in, and then there may be nothing to load.
func (t *Table) Lookup(asked string) (modules []string, known bool) {
	asked = underscores(asked)
	if _, ok := t.Files[asked]; ok {
		return []string{asked}, true
	}
	for _, a := range t.Aliases {
		if a.Pattern == asked {
			known = true
		} else if ok, err := path.Match(a.Pattern, asked); err != nil || !ok {
			continue
		}
		known = true
		if !t.Builtin[a.Module] && !slices.Contains(modules, a.Module) {
			modules = append(modules, a.Module)
		}
	}
	return modules, known || t.Builtin[asked]
}

// Text is the table in its text form, sorted.
func (t *Table) Text() []byte {
	var b bytes.Buffer
	names := make([]string, 0, len(t.Files))
	for n := range t.Files {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(&b, "module %s %s\n", n, strings.Join(t.Files[n], ","))
	}
	for _, a := range t.Aliases {
		fmt.Fprintf(&b, "alias %s %s\n", a.Pattern, a.Module)
	}
	names = names[:0]
	for n := range t.Builtin {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(&b, "builtin %s\n", n)
	}
	return b.Bytes()
}

// ParseTable reads the text form.
func ParseTable(text []byte) (*Table, error) {
	t := &Table{Files: map[string][]string{}, Builtin: map[string]bool{}}
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Buffer(nil, 1<<20)
	for line := 1; s.Scan(); line++ {
		f := strings.Fields(s.Text())
		switch {
		case len(f) == 3 && f[0] == "module":
			t.Files[f[1]] = strings.Split(f[2], ",")
		case len(f) == 3 && f[0] == "alias":
			t.Aliases = append(t.Aliases, Alias{f[1], f[2]})
		case len(f) == 2 && f[0] == "builtin":
			t.Builtin[f[1]] = true
		case len(f) > 0:
			return nil, fmt.Errorf("line %d of the table of modules is damaged: %q", line, s.Text())
		}
	}
	return t, s.Err()
}

// Withhold takes a module out of the table, and those that depend on it.
func (t *Table) Withhold(module string) error {
	module = underscores(module)
	if _, ok := t.Files[module]; !ok {
		return fmt.Errorf("module %s can't be withheld: the machine would not get it anyway (or it is built in)", module)
	}
	for name, files := range t.Files {
		if slices.Contains(files, module+Suffix) {
			delete(t.Files, name)
			t.Aliases = slices.DeleteFunc(t.Aliases, func(a Alias) bool { return a.Module == name })
		}
	}
	return nil
}
