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

// homeward sends files: those of streamed directories while the tests run, the
// others when they have ended.
type homeward struct {
	out    *wire.Writer
	from   []wire.Return
	before map[string]state
	sent   map[string]bool
	stop   chan struct{}
	over   chan error
}

// streamEvery is how often streamed directories are looked at.
const streamEvery = time.Second

func newHomeward(out *wire.Writer, from []wire.Return) *homeward {
	h := &homeward{out: out, from: from, before: snapshot(from), sent: map[string]bool{}, stop: make(chan struct{}), over: make(chan error, 1)}
	go h.stream()
	return h
}

// stream goes on until the tests have ended.
func (h *homeward) stream() {
	var streamed []wire.Return
	for _, r := range h.from {
		if r.Stream {
			streamed = append(streamed, r)
		}
	}
	if len(streamed) == 0 {
		h.over <- nil
		return
	}
	for tick := time.NewTicker(streamEvery); ; {
		select {
		case <-h.stop:
			tick.Stop()
			h.over <- nil
			return
		case <-tick.C:
		}
		err := each(streamed, func(name string, info fs.FileInfo) error {
			if strings.HasPrefix(filepath.Base(name), ".") {
				return nil
			}
			sent, err := h.send(name, info)
			if sent && err == nil {
				// The name stays: the next run of a test must not take it again.
				err = os.Truncate(name, 0)
			}
			return err
		})
		if err != nil {
			h.over <- err
			return
		}
	}
}

// rest sends every file that is new or was changed, and has not been sent yet.
func (h *homeward) rest() error {
	close(h.stop)
	if err := <-h.over; err != nil {
		return err
	}
	return each(h.from, func(name string, info fs.FileInfo) error {
		_, err := h.send(name, info)
		return err
	})
}

// send sends a file, unless it is as it was or has been sent: directories may lie
// in each other.
func (h *homeward) send(name string, info fs.FileInfo) (bool, error) {
	if old, ok := h.before[name]; h.sent[name] || ok && old.size == info.Size() && old.time.Equal(info.ModTime()) {
		return false, nil
	}
	h.sent[name] = true
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := wire.File{Path: name, Mode: uint32(info.Mode().Perm()), Size: info.Size()}
	if err := h.out.SendJSON(wire.KindFile, head); err != nil {
		return false, err
	}
	b := make([]byte, min(info.Size(), 1<<18))
	for left := info.Size(); left > 0; {
		n, err := f.Read(b[:min(left, int64(len(b)))])
		if n > 0 {
			if err := h.out.Send(wire.KindData, b[:n]); err != nil {
				return false, err
			}
			left -= int64(n)
		}
		if err == io.EOF && left > 0 {
			return false, io.ErrUnexpectedEOF
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
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
