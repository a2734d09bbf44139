package baseline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/netrig/netrig/internal/journal"
)

// Extension is that of a file with a kernel's journals.
const Extension = ".journals.zst"

// line is one line of such a file: a journal, and in how many runs it was so.
type line struct {
	Runs    int             `json:"runs"`
	Journal json.RawMessage `json:"journal"`
}

// Read reads a folder of journals, or a file that Write has written.
func Read(path string) (*journal.Folder, error) {
	if info, err := os.Stat(path); err != nil || info.IsDir() || !strings.HasSuffix(path, Extension) {
		return journal.Read(path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &journal.Folder{Path: path}
	if err := unpack(f, raw); err != nil {
		return nil, fmt.Errorf("read the journals of %s: %w", path, err)
	}
	if len(f.Tests) == 0 {
		return nil, fmt.Errorf("%s holds no journal of a test", path)
	}
	return f, nil
}

func unpack(f *journal.Folder, raw []byte) error {
	r, err := zstd.NewReader(bytes.NewReader(raw), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer r.Close()
	for d := json.NewDecoder(r); ; {
		var l line
		err := d.Decode(&l)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is damaged: %w: restore it, or record it again", err)
		}
		had := len(f.Tests)
		if err := f.Add(f.Path, l.Journal); err != nil {
			return err
		}
		if len(f.Tests) > had {
			t := f.Tests[had]
			f.Tests = append(f.Tests, slices.Repeat([]*journal.Test{t}, max(l.Runs, 1)-1)...)
		}
	}
}

// Files are the files with journals in a directory, by name; none if there is no
// such directory.
func Files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), Extension) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}
