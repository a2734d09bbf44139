package harness

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/netrig/netrig/internal/explain"
	"github.com/netrig/netrig/internal/limit"
)

// explanation is a failure explained, and the facts that it rests on.
type explanation struct {
	text  string
	facts *explain.Facts
}

// Explained keeps an explanation for the files of the failed test.
func (l *Lab) Explained(text string, facts *explain.Facts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.explained = append(l.explained, explanation{text, facts})
}

// Repeating puts a heading into the story, below which stands what is sent for
// an explanation's sake.
func (l *Lab) Repeating() { l.heading("netrig: the same once more, to explain the failure") }

// save keeps what a failed test leaves behind: the story of its packets, the
// packets themselves for tshark or Wireshark, the explanation, and what the
// kernel says of each node.
func (l *Lab) save() {
	l.TB.Helper()
	if standsIn(l.TB) {
		return
	}
	folder, err := l.artifacts()
	if err == nil {
		err = l.saveTo(folder)
	}
	if err != nil {
		_ = os.Remove(folder) // if there is nothing in it
		l.TB.Logf("netrig: what the test left behind could not be saved, or not all: %v%s", err, limit.Disk(err, "TMPDIR, or go test -artifacts -outputdir"))
		return
	}
	l.TB.Logf("netrig: saved %s in %s", l.saved(), folder)
}

// standsIn tells whether a testing.TB is that of a run of Try: it fails inside a
// test that goes on, and what it saved would have to be deleted at once.
func standsIn(t testing.TB) bool {
	if l, ok := t.(*Lab); ok {
		return standsIn(l.TB)
	}
	_, ok := t.(interface{ StandIn() })
	return ok
}

// artifacts is the test's folder of `go test -artifacts`, and without that flag
// (it would be deleted at the end) one that stays.
func (l *Lab) artifacts() (string, error) {
	if f := flag.Lookup("test.artifacts"); f != nil && f.Value.String() == "true" {
		return l.TB.ArtifactDir(), nil
	}
	safe := regexp.MustCompile(`[^A-Za-z0-9_.-]+`).ReplaceAllString(l.TB.Name(), "_")
	safe = strings.Trim(safe, "._")
	return os.MkdirTemp("", "netrig-"+safe[:min(len(safe), 100)]+"-") // NAME_MAX is 255
}

// saved names the files.
func (l *Lab) saved() string {
	if len(l.explained) > 0 {
		return "story.txt, lab.pcapng, state.json and explain.txt"
	}
	return "story.txt, lab.pcapng and state.json"
}

func (l *Lab) saveTo(folder string) error {
	if err := l.saveExplanations(folder); err != nil {
		return err
	}
	if err := write(folder, "story", ".txt", []byte(l.Story())); err != nil {
		return err
	}
	return put(folder, "lab", ".pcapng", func(w io.Writer) error { return l.recording.WritePcapng(w) })
}

// saveExplanations writes what was said of the failures, and the facts of the
// last one; of a failure without an explanation those of now.
func (l *Lab) saveExplanations(folder string) error {
	var facts *explain.Facts
	var texts []string
	for _, e := range l.explained {
		facts, texts = e.facts, append(texts, e.text)
	}
	if facts == nil {
		facts, _ = l.Facts()
	}
	if texts != nil {
		text := l.TB.Name() + "\n" + strings.Join(texts, "\n\n") + "\n"
		if err := write(folder, "explain", ".txt", []byte(text)); err != nil {
			return err
		}
	}
	state, err := json.MarshalIndent(struct {
		Test string
		*explain.Facts
	}{l.TB.Name(), facts}, "", " ")
	if err != nil {
		return fmt.Errorf("write the state of the nodes: %w", err)
	}
	return write(folder, "state", ".json", append(state, '\n'))
}

func write(folder, name, extension string, text []byte) error {
	return put(folder, name, extension, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// put makes a file, which is whole or not there: half a recording would tell
// another story.
func put(folder, name, extension string, content func(io.Writer) error) error {
	file, err := create(folder, name, extension)
	if err != nil {
		return err
	}
	if err := errors.Join(content(file), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// create makes a file that is not there yet: a test may have several labs.
func create(folder, name, extension string) (*os.File, error) {
	for number := 1; ; number++ {
		path := filepath.Join(folder, name+extension)
		if number > 1 {
			path = filepath.Join(folder, fmt.Sprintf("%s-%d%s", name, number, extension))
		}
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if !os.IsExist(err) {
			return file, err
		}
	}
}

// Story is every packet of the lab in order, one a line, under the headings of
// Step.
func (l *Lab) Story() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", l.TB.Name())
	all := l.recording.All()
	steps := l.Steps()
	if len(steps) == 0 {
		b.WriteString(all.String())
		return b.String()
	}
	end := l.recording.Mark()
	b.WriteString(l.recording.Window(l.start, steps[0].At).String())
	for i, s := range steps {
		next := end
		if i+1 < len(steps) {
			next = steps[i+1].At
		}
		fmt.Fprintf(&b, "\n%s\n%s", s.Name, l.recording.Window(s.At, next))
	}
	return b.String()
}
