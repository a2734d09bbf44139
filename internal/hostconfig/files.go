package hostconfig

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// places are the directories of a kind of files, the one that has precedence
// first (sysctl.d(5), modules-load.d(5), modprobe.d(5)).
var places = []string{"/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"}

// tree is a system's files, below a root.
type tree struct{ root string }

// read is the content of a file, by its path in the tree. Links lead to where
// they would lead if the root were the system's own.
func (t tree) read(name string) ([]byte, error) {
	real, err := t.resolve(name)
	if err != nil {
		return nil, err
	}
	if real == "/dev/null" {
		return nil, nil
	}
	return os.ReadFile(filepath.Join(t.root, real))
}

// resolve follows links, and gives a path in the tree.
func (t tree) resolve(name string) (string, error) {
	for range 40 { // path_resolution(7)
		if name == "/dev/null" { // is that of every system
			return name, nil
		}
		at, rest, found := "/", strings.Split(strings.Trim(path.Clean(name), "/"), "/"), false
		for i, part := range rest {
			at = path.Join(at, part)
			info, err := os.Lstat(filepath.Join(t.root, at))
			if err != nil {
				return "", err
			}
			if info.Mode()&fs.ModeSymlink == 0 {
				continue
			}
			to, err := os.Readlink(filepath.Join(t.root, at))
			if err != nil {
				return "", err
			}
			if !path.IsAbs(to) {
				to = path.Join(path.Dir(at), to)
			}
			name, found = path.Join(append([]string{to}, rest[i+1:]...)...), true
			break
		}
		if !found {
			return path.Clean(name), nil
		}
	}
	return "", fmt.Errorf("%s: too many symbolic links", name)
}

// file is one of the files of a kind that count.
type file struct {
	name string // path in the tree
	text []byte
}

// files are those of a kind ("sysctl.d"), in the order of their names, whatever
// directories they are in. Of two with one name that in the directory with
// precedence counts; a link to /dev/null, or an empty file, is how one is
// switched off.
func (t tree) files(kind string) ([]file, error) {
	found := map[string]string{}
	for _, place := range places {
		dir := path.Join(place, kind)
		entries, err := os.ReadDir(filepath.Join(t.root, dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if _, taken := found[e.Name()]; !taken && strings.HasSuffix(e.Name(), ".conf") {
				found[e.Name()] = path.Join(dir, e.Name())
			}
		}
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	var all []file
	for _, name := range names {
		text, err := t.read(found[name])
		if errors.Is(err, fs.ErrNotExist) {
			continue // a link to nowhere, such as Debian's modules.conf without /etc/modules
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", found[name], err)
		}
		all = append(all, file{found[name], text})
	}
	return all, nil
}

// lines calls f with each line that says something, and with where it is.
func (f file) lines(each func(line, from string)) {
	s := bufio.NewScanner(bytes.NewReader(f.text))
	for number, start, line := 1, 0, ""; s.Scan(); number++ {
		text := strings.TrimSpace(s.Text())
		if line == "" {
			start = number
			if text == "" || text[0] == '#' || text[0] == ';' {
				continue
			}
		}
		if more, ok := strings.CutSuffix(text, `\`); ok {
			line += more + " "
			continue
		}
		each(strings.TrimSpace(line+text), fmt.Sprintf("%s:%d", f.name, start))
		line = ""
	}
}
