package vm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/netrig/netrig/internal/vm/wire"
)

// receiver takes the records of a machine, from both of its streams. What runs
// in there may say anything, in any order: only the first hello and the first
// end count.
type receiver struct {
	config  *Config
	returns []wire.Return
	heard   chan struct{} // capacity 1: something came
	hello   chan wire.Hello
	end     chan wire.End
	broken  chan error // capacity 2: what the tests print can't be handed on

	mu    sync.Mutex
	files []string // brought back
	errs  []error
	told  []string
}

// incoming is a file that a stream is bringing.
type incoming struct {
	path  string
	file  *os.File
	left  int64
	whole func() // called when it is
}

func newReceiver(c *Config) *receiver {
	r := &receiver{config: c, heard: make(chan struct{}, 1), hello: make(chan wire.Hello, 1), end: make(chan wire.End, 1), broken: make(chan error, 2)}
	if len(c.Args) > 0 {
		r.returns = returns(c)
	}
	return r
}

// read goes on until the end record, or until nothing more can come.
func (r *receiver) read(from io.Reader) {
	var f incoming
	defer func() { r.note(f.drop()) }()
	for {
		kind, content, err := wire.Read(from)
		if err != nil {
			return
		}
		select {
		case r.heard <- struct{}{}:
		default:
		}
		switch kind {
		case wire.KindHello:
			var h wire.Hello
			if json.Unmarshal(content, &h) == nil {
				offer(r.hello, h)
			}
		case wire.KindOut:
			_, err = r.config.Stdout.Write(content)
		case wire.KindErr:
			_, err = r.config.Stderr.Write(content)
		case wire.KindNote:
			r.note(errors.New(string(content)))
		case wire.KindTold:
			r.mu.Lock()
			r.told = append(r.told, string(content))
			r.mu.Unlock()
			r.config.say("%s", content)
		case wire.KindFile:
			r.note(f.drop())
			r.note(r.open(&f, content))
		case wire.KindData:
			r.note(f.data(content))
		case wire.KindEnd:
			var e wire.End
			if err := json.Unmarshal(content, &e); err != nil {
				r.note(fmt.Errorf("the end record is damaged: %w", err))
				return
			}
			offer(r.end, e)
			return
		}
		if err != nil {
			r.broken <- fmt.Errorf("hand on what the tests print: %w", err)
			return
		}
	}
}

// offer sends what nobody may wait for.
func offer[T any](to chan<- T, value T) {
	select {
	case to <- value:
	default:
	}
}

// mostErrs is how many errors of a machine are kept: one that has gone wild
// makes any number.
const mostErrs = 50

func (r *receiver) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && len(r.errs) < mostErrs {
		r.errs = append(r.errs, err)
	}
}

// open begins a file. It can only lie in a directory from which files were asked
// for, whatever a kernel gone wild says, and not behind a link in there.
func (r *receiver) open(f *incoming, content []byte) error {
	var head wire.File
	if err := json.Unmarshal(content, &head); err != nil {
		return fmt.Errorf("a file of the tests: %w", err)
	}
	for _, ret := range r.returns {
		below, err := filepath.Rel(ret.Dir, head.Path)
		if err != nil || !filepath.IsLocal(below) {
			continue
		}
		if first, _, _ := strings.Cut(below, "/"); ret.First != "" {
			if ok, _ := filepath.Match(ret.First, first); !ok {
				continue
			}
		}
		root, err := os.OpenRoot(ret.Dir)
		if err != nil {
			return fmt.Errorf("bring back a file of the tests: %w", err)
		}
		defer root.Close()
		if err := root.MkdirAll(filepath.Dir(below), 0o755); err != nil {
			return fmt.Errorf("bring back a file of the tests: %w", err)
		}
		file, err := root.OpenFile(below, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, os.FileMode(head.Mode).Perm())
		if err != nil {
			return fmt.Errorf("bring back a file of the tests: %w", err)
		}
		*f = incoming{head.Path, file, head.Size, func() { r.brought(head.Path) }}
		return f.closeIfWhole()
	}
	return fmt.Errorf("the machine sent %s, which nobody asked for", head.Path)
}

// brought notes a file that is whole.
func (r *receiver) brought(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files = append(r.files, path)
}

func (f *incoming) data(content []byte) error {
	if f.file == nil {
		return nil
	}
	f.left -= int64(len(content))
	if _, err := io.Copy(f.file, bytes.NewReader(content)); err != nil {
		f.remove()
		return fmt.Errorf("bring back a file of the tests: %w", err)
	}
	return f.closeIfWhole()
}

func (f *incoming) closeIfWhole() error {
	if f.left > 0 {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	if err == nil {
		f.whole()
	}
	return err
}

// drop gives up a file of which not all has come.
func (f *incoming) drop() error {
	if f.file == nil {
		return nil
	}
	f.remove()
	return fmt.Errorf("bring back %s: its last %d bytes did not come", f.path, f.left)
}

// remove takes away a file that is not whole: a half profile, or golden file, must
// not be taken for one.
func (f *incoming) remove() {
	f.file.Close()
	os.Remove(f.file.Name())
	f.file = nil
}
