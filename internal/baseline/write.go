package baseline

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/netrig/netrig/internal/journal"
)

// Write writes what the folder holds into one file, whole or not at all. Times
// are left out, and of runs that are alike one is kept, with their number.
func Write(file string, f *journal.Folder, alike func(a, b *journal.Test) bool) error {
	text, err := lines(f, alike)
	if err != nil {
		return fmt.Errorf("write the journals of %s: %w", f.Path, err)
	}
	var packed bytes.Buffer
	w, err := zstd.NewWriter(&packed, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8<<20))
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("write the journals of %s: %w", f.Path, err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("make a place for journals: %w", err)
	}
	return replace(file, packed.Bytes())
}

// replace gives a file its content at once.
func replace(file string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), ".writing-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	defer os.Remove(temporary.Name()) // of no effect after the rename
	_, err = temporary.Write(content)
	if err == nil {
		err = temporary.Chmod(0o644)
	}
	if e := temporary.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

func lines(f *journal.Folder, alike func(a, b *journal.Test) bool) ([]byte, error) {
	var text bytes.Buffer
	add := func(what any, runs int) error {
		raw, err := json.Marshal(what)
		if err != nil {
			return err
		}
		raw, err = json.Marshal(line{runs, raw})
		text.Write(append(raw, '\n'))
		return err
	}
	for _, s := range f.Systems {
		if err := add(s, 1); err != nil {
			return nil, err
		}
	}
	for _, p := range f.Processes {
		if err := add(p, 1); err != nil {
			return nil, err
		}
	}
	for _, t := range distinct(f.Tests, alike) {
		bare := *t.test
		bare.Times = nil
		if err := add(bare, t.runs); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

type counted struct {
	test *journal.Test
	runs int
}

// distinct are the tests by package and name, each kind of its runs once.
func distinct(tests []*journal.Test, alike func(a, b *journal.Test) bool) (all []counted) {
	tests = slices.Clone(tests)
	slices.SortStableFunc(tests, func(a, b *journal.Test) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Name, b.Name))
	})
	first := 0 // of this test
	for _, t := range tests {
		if len(all) > first && (all[first].test.Name != t.Name || all[first].test.Package != t.Package) {
			first = len(all)
		}
		at := slices.IndexFunc(all[first:], func(c counted) bool { return alike(c.test, t) })
		if at < 0 {
			all = append(all, counted{t, 1})
			continue
		}
		all[first+at].runs++
	}
	return all
}
