package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Place is where the files of one lab are: a folder, and the number of the lab
// among those of the test.
type Place struct {
	Folder string
	Number int // from 1
}

// NewPlace takes the first number that is free in a folder: a test may have
// several labs, and run several times.
func NewPlace(folder string) (Place, error) {
	for p := (Place{folder, 1}); ; p.Number++ {
		file, err := os.OpenFile(p.Path(StoryFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		switch {
		case err == nil:
			return p, file.Close()
		case !errors.Is(err, fs.ErrExist):
			return p, err
		}
	}
}

// Path is that of a file of the lab: of "story.txt", the folder's story.txt, or
// story-2.txt.
func (p Place) Path(name string) string { return filepath.Join(p.Folder, p.Name(name)) }

// Name is the name of a file of the lab.
func (p Place) Name(name string) string {
	if p.Number <= 1 {
		return name
	}
	extension := filepath.Ext(name)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, extension), p.Number, extension)
}

// PlaceOf is the place that a file is in, and what the file is called at the
// first number: story.txt of story-2.txt.
func PlaceOf(path string) (p Place, name string) {
	folder, file := filepath.Split(path)
	extension := filepath.Ext(file)
	base := strings.TrimSuffix(file, extension)
	p = Place{filepath.Clean(folder), 1}
	if i := strings.LastIndexByte(base, '-'); i > 0 {
		if number, err := strconv.Atoi(base[i+1:]); err == nil && number > 1 {
			return Place{p.Folder, number}, base[:i] + extension
		}
	}
	return p, file
}

// Write writes a file of the lab, which is whole or not there: half a recording
// would tell another story.
func (p Place) Write(name string, text []byte) error {
	// The folder may be open to the programs of the test: no link of theirs is followed.
	file, err := os.OpenFile(p.Path(name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(p.Path(name))
	}
	return err
}

// WriteJSON writes a value as a file of the lab.
func (p Place) WriteJSON(name string, what any) error {
	raw, err := json.MarshalIndent(what, "", " ")
	if err != nil {
		return fmt.Errorf("write %s: %w", p.Name(name), err)
	}
	return p.Write(name, append(raw, '\n'))
}

// Finish writes test.json, which says that the set is complete. It appears whole
// or not at all.
func (p Place) Finish(t *Test) error {
	const beginning = ".writing-" // the dot keeps readers from it
	if err := p.WriteJSON(beginning+TestFile, t); err != nil {
		return err
	}
	return os.Rename(p.Path(beginning+TestFile), p.Path(TestFile))
}
