package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/internal/explain"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/result"
)

// set is the files of one lab, read as far as they could be.
type set struct {
	result.Place
	folder string // as the page tells it
	test   *result.Test

	story, explanation string
	topology, ladder   string // SVG
	packets            capture.Window
	facts              *explain.Facts // nil for none
	before             []result.At

	// problems say which files could not be read, and why.
	problems []string
}

// unknown is the outcome of a test without a test.json.
const unknown = "unknown"

// files are what a set may have, and how each is read.
var files = map[string]func(s *set, raw []byte) error{
	result.TestFile:  (*set).readTest,
	result.StateFile: (*set).readState,
	result.StepsFile: (*set).readSteps,
	result.PacketsFile: func(s *set, raw []byte) (err error) {
		s.packets, _, err = capture.ReadPcapng(bytes.NewReader(raw))
		return err
	},
	result.StoryFile:       func(s *set, raw []byte) error { s.story = string(raw); return nil },
	result.ExplanationFile: func(s *set, raw []byte) error { s.explanation = string(raw); return nil },
	result.TopologyFile:    func(s *set, raw []byte) error { return picture(raw, &s.topology) },
	result.LadderFile:      func(s *set, raw []byte) error { return picture(raw, &s.ladder) },
}

// always are the files that every set has, besides its test.json, and what the
// report lacks without them.
var always = []struct{ name, lacks string }{
	{result.StoryFile, "the story as the test told it is not shown"},
	{result.PacketsFile, "no packet can be shown"},
	{result.StateFile, "what the kernel said of the nodes can't be shown"},
}

func picture(raw []byte, into *string) error {
	if !bytes.HasSuffix(bytes.TrimSpace(raw), []byte("</svg>")) {
		return errors.New("it is no SVG picture, or only half of one")
	}
	*into = string(raw)
	return nil
}

// read reads every set of files in a folder and in those inside it, and tells
// which of those could not be looked into.
func read(folder string) (all []*set, denied []string, err error) {
	found := map[result.Place][]string{}
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && path != folder:
			denied = append(denied, err.Error()) // such as a folder of somebody else's
			return nil
		case err != nil:
			return err
		case !entry.Type().IsRegular():
			return nil
		}
		if place, name := result.PlaceOf(path); files[name] != nil {
			found[place] = append(found[place], name)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for place, names := range found {
		s := &set{Place: place, folder: place.Folder}
		if inside, err := filepath.Rel(folder, place.Folder); err == nil {
			s.folder = inside
		}
		s.readAll(names)
		all = append(all, s)
	}
	if len(all) == 0 {
		text := ""
		if denied != nil {
			text = " (" + strings.Join(denied, "; ") + ")"
		}
		return nil, nil, fmt.Errorf("%s holds nothing that a test has left behind%s: tests leave it there when they fail, and with %s=1 always, by `go test -artifacts -outputdir=%s ./...`",
			folder, text, result.KeepVariable, absolute(folder))
	}
	slices.SortFunc(all, inOrder)
	return all, denied, nil
}

// absolute is how go test has to be told the folder: it runs each package in a
// folder of its own.
func absolute(folder string) string {
	if path, err := filepath.Abs(folder); err == nil {
		return path
	}
	return folder
}

// inOrder puts failures first, then what has no result, passes, and skips.
func inOrder(a, b *set) int {
	order := []string{journal.Failed, unknown, journal.Passed, journal.Skipped}
	rank := func(s *set) int { return slices.Index(order, s.test.Outcome) }
	if d := rank(a) - rank(b); d != 0 {
		return d
	}
	if d := strings.Compare(a.test.Package+" "+a.test.Name, b.test.Package+" "+b.test.Name); d != 0 {
		return d
	}
	if d := strings.Compare(a.folder, b.folder); d != 0 {
		return d
	}
	return a.Number - b.Number
}

// readAll reads files, and notes what could not be read.
func (s *set) readAll(names []string) {
	for _, name := range names {
		raw, err := os.ReadFile(s.Path(name))
		if err == nil && len(raw) == 0 {
			err = errors.New("it is empty")
		}
		if err == nil {
			err = files[name](s, raw)
		}
		if err != nil {
			var path *fs.PathError
			if errors.As(err, &path) {
				err = path.Err
			}
			s.problems = append(s.problems, fmt.Sprintf("%s: %v", s.Name(name), err))
		}
	}
	for _, file := range always {
		if !slices.Contains(names, file.name) {
			s.problems = append(s.problems, fmt.Sprintf("%s is missing, though every test leaves one behind: %s", s.Name(file.name), file.lacks))
		}
	}
	slices.Sort(s.problems)
	if s.test == nil {
		s.guess(slices.Contains(names, result.TestFile))
	}
	if !slices.Contains([]string{journal.Failed, unknown, journal.Passed, journal.Skipped}, s.test.Outcome) {
		s.problems = append(s.problems, fmt.Sprintf("%s: the outcome %q is not known to this netrig", s.Name(result.TestFile), s.test.Outcome))
		s.test.Outcome = unknown
	}
}

// guess makes do without a test.json: the other files name the test too.
func (s *set) guess(damaged bool) {
	if !damaged {
		s.problems = append(s.problems, fmt.Sprintf("%s is missing: the test was ended while it saved its files, or an older netrig wrote them", s.Name(result.TestFile)))
	}
	s.test = &result.Test{Name: filepath.Base(s.folder), Outcome: unknown}
	for _, text := range []string{s.story, s.explanation} {
		if first, _, _ := strings.Cut(text, "\n"); first != "" {
			s.test.Package, s.test.Name, _ = strings.Cut(first, " ")
			if s.test.Name == "" { // of the form before packages were named
				s.test.Package, s.test.Name = "", first
			}
			break
		}
	}
}

func (s *set) readTest(raw []byte) error {
	var head struct {
		Version int    `json:"version"`
		Test    string `json:"test"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return fmt.Errorf("it is damaged, or was written only half: %w", err)
	}
	test := &result.Test{}
	err := json.Unmarshal(raw, test)
	switch {
	case head.Test == "":
		return errors.New("it names no test")
	case head.Version != result.Version:
		s.test = test
		return otherVersion(head.Version)
	case err != nil:
		return fmt.Errorf("it is damaged: %w", err)
	}
	s.test = test
	return nil
}

func otherVersion(version int) error {
	what := "an older"
	if version > result.Version {
		what = "a newer"
	}
	return fmt.Errorf("it is of version %d, %s one than the %d that this netrig reads: shown is what has the same form", version, what, result.Version)
}

func (s *set) readState(raw []byte) error {
	state := result.State{Facts: &explain.Facts{}}
	if err := json.Unmarshal(raw, &state); err != nil {
		return fmt.Errorf("it is damaged, or was written only half: %w", err)
	}
	s.facts = state.Facts
	if state.Version > result.Version {
		return otherVersion(state.Version)
	}
	return nil
}

func (s *set) readSteps(raw []byte) error {
	states := result.States{}
	if err := json.Unmarshal(raw, &states); err != nil {
		return fmt.Errorf("it is damaged, or was written only half: %w", err)
	}
	for _, at := range states.States {
		if at.Facts != nil {
			s.before = append(s.before, at)
		}
	}
	if states.Version != result.Version {
		return otherVersion(states.Version)
	}
	return nil
}
