package guest

import (
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/netrig/netrig/internal/vm/wire"
)

// state tells whether a file was changed.
type state struct {
	size int64
	time time.Time
}

// snapshot notes the files that are there before the tests.
func snapshot(from []wire.Return) map[string]state {
	files := map[string]state{}
	_ = each(from, func(name string, info fs.FileInfo) error {
		files[name] = state{info.Size(), info.ModTime()}
		return nil
	})
	return files
}

// sendFiles sends every file that is new or was changed.
func sendFiles(out *wire.Writer, from []wire.Return, before map[string]state) error {
	sent := map[string]bool{} // directories may lie in each other
	return each(from, func(name string, info fs.FileInfo) error {
		if old, ok := before[name]; sent[name] || ok && old.size == info.Size() && old.time.Equal(info.ModTime()) {
			return nil
		}
		sent[name] = true
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		head := wire.File{Path: name, Mode: uint32(info.Mode().Perm()), Size: info.Size()}
		if err := out.SendJSON(wire.KindFile, head); err != nil {
			return err
		}
		b := make([]byte, 1<<18)
		for left := info.Size(); left > 0; {
			n, err := f.Read(b[:min(left, int64(len(b)))])
			if n > 0 {
				if err := out.Send(wire.KindData, b[:n]); err != nil {
					return err
				}
				left -= int64(n)
			}
			if err == io.EOF && left > 0 {
				return io.ErrUnexpectedEOF
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// each calls f with every regular file of the directories.
func each(from []wire.Return, f func(name string, info fs.FileInfo) error) error {
	for _, r := range from {
		err := filepath.WalkDir(r.Dir, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return nil // it went while we looked
			}
			below, _ := filepath.Rel(r.Dir, name)
			if first, _, _ := strings.Cut(below, "/"); r.First != "" && below != "." {
				if ok, _ := path.Match(r.First, first); !ok {
					if entry.IsDir() {
						return fs.SkipDir
					}
					return nil
				}
			}
			if !entry.Type().IsRegular() {
				return nil
			}
			info, err := entry.Info()
			if err != nil {
				return nil
			}
			return f(name, info)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
