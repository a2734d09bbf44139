package harness

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// save keeps what a failed test leaves behind: the story of its packets, and
// the packets themselves for tshark or Wireshark.
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
		l.TB.Logf("netrig: what the test left behind could not be saved: %v", err)
		return
	}
	l.TB.Logf("netrig: saved story.txt and lab.pcapng in %s", folder)
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

func (l *Lab) saveTo(folder string) error {
	story, err := create(folder, "story", ".txt")
	if err != nil {
		return err
	}
	defer story.Close()
	if _, err := story.WriteString(l.Story()); err != nil {
		return err
	}
	file, err := create(folder, "lab", ".pcapng")
	if err != nil {
		return err
	}
	defer file.Close()
	return l.recording.WritePcapng(file)
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
