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

	"github.com/netrig/netrig/internal/vm/wire"
)

// receiver takes the records of a machine.
type receiver struct {
	config  *Config
	returns []wire.Return
	heard   chan struct{} // capacity 1: something came
	hello   chan wire.Hello
	end     chan wire.End
	broken  chan error // capacity 2: what the tests print can't be handed on

	file  *os.File // being brought back
	left  int64
	files []string // brought back
	errs  []error
	told  []string
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
				r.hello <- h
			}
		case wire.KindOut:
			_, err = r.config.Stdout.Write(content)
		case wire.KindErr:
			_, err = r.config.Stderr.Write(content)
		case wire.KindNote:
			r.errs = append(r.errs, errors.New(string(content)))
		case wire.KindTold:
			r.told = append(r.told, string(content))
			r.config.say("%s", content)
		case wire.KindFile:
			r.errs = append(r.errs, r.open(content))
		case wire.KindData:
			r.errs = append(r.errs, r.data(content))
		case wire.KindEnd:
			var e wire.End
			if err := json.Unmarshal(content, &e); err != nil {
				r.errs = append(r.errs, fmt.Errorf("the end record is damaged: %w", err))
				return
			}
			r.end <- e
			return
		}
		if err != nil {
			r.broken <- fmt.Errorf("hand on what the tests print: %w", err)
			return
		}
	}
}

// open begins a file. It can only lie in a directory from which files were asked
// for, whatever a kernel gone wild says, and not behind a link in there.
func (r *receiver) open(content []byte) error {
	var head wire.File
	if err := json.Unmarshal(content, &head); err != nil {
		return fmt.Errorf("a file of the tests: %w", err)
	}
	r.file, r.left = nil, head.Size
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
		r.file, err = root.OpenFile(below, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, os.FileMode(head.Mode).Perm())
		if err != nil {
			return fmt.Errorf("bring back a file of the tests: %w", err)
		}
		r.files = append(r.files, head.Path)
		return r.closeIfWhole()
	}
	return fmt.Errorf("the machine sent %s, which nobody asked for", head.Path)
}

func (r *receiver) data(content []byte) error {
	if r.file == nil {
		return nil
	}
	r.left -= int64(len(content))
	if _, err := io.Copy(r.file, bytes.NewReader(content)); err != nil {
		r.drop()
		return fmt.Errorf("bring back a file of the tests: %w", err)
	}
	return r.closeIfWhole()
}

// drop takes away a file that is not whole: a half profile, or golden file, must
// not be taken for one.
func (r *receiver) drop() {
	if r.file == nil {
		return
	}
	r.file.Close()
	os.Remove(r.file.Name())
	r.files = r.files[:len(r.files)-1]
	r.file = nil
}

func (r *receiver) closeIfWhole() error {
	if r.left > 0 {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}
