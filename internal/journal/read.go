package journal

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Folder is what a folder of journals holds.
type Folder struct {
	Path      string
	Tests     []*Test // several runs of a test stand in the order of their files
	Processes []*Process
	Systems   []*System // one, if it is known what the kernel was
}

// Read reads every journal in a folder and in those inside it.
func Read(folder string) (*Folder, error) {
	f := &Folder{Path: folder}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() || strings.HasPrefix(entry.Name(), ".") || filepath.Ext(path) != extension:
			return nil
		}
		return f.add(path)
	})
	if err != nil {
		return nil, fmt.Errorf("read the journals of %s: %w", folder, err)
	}
	if len(f.Tests) == 0 {
		return nil, fmt.Errorf("%s holds no journal of a test: make some with `%s=%s go test ./...`", folder, Variable, absolute(folder))
	}
	return f, nil
}

// absolute is how the variable has to name the folder: go test runs every
// package in a folder of its own.
func absolute(folder string) string {
	if path, err := filepath.Abs(folder); err == nil {
		return path
	}
	return folder
}

func (f *Folder) add(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return f.Add(path, raw)
}

// Add takes the content of one file; path is for messages.
func (f *Folder) Add(path string, raw []byte) error {
	var is struct {
		Header
		Test          string             `json:"test"`
		Sysctls       *map[string]string `json:"sysctls"`
		Configuration *map[string]string `json:"configuration"`
	}
	if err := json.Unmarshal(raw, &is); err != nil {
		return fmt.Errorf("%s is damaged: %w; remove it, and run the tests again", path, err)
	}
	if is.Version != Version {
		return fmt.Errorf("%s is no journal of version %d, but of version %d: run the tests again with this netrig, or compare with the one that wrote it", path, Version, is.Version)
	}
	if is.Sysctls != nil {
		p := &Process{Header: is.Header, Sysctls: *is.Sysctls}
		f.Processes = append(f.Processes, p)
		return nil
	}
	if is.Configuration != nil {
		s := &System{}
		f.Systems = append(f.Systems, s)
		return json.Unmarshal(raw, s)
	}
	if is.Test == "" {
		return fmt.Errorf("%s names no test: it is no journal, or damaged; remove it", path)
	}
	t := &Test{}
	if err := json.Unmarshal(raw, t); err != nil {
		return fmt.Errorf("%s is damaged: %w; remove it, and run the tests again", path, err)
	}
	for _, l := range t.Labs {
		if l == nil || slices.Contains(l.Steps, nil) {
			return fmt.Errorf("%s is damaged: a lab or a step in it is null; remove it, and run the tests again", path)
		}
	}
	f.Tests = append(f.Tests, t)
	return nil
}
