package harness

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/internal/explain"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/limit"
	"github.com/netrig/netrig/internal/result"
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

// save keeps what the test leaves behind: the story of its packets, the packets
// themselves for tshark or Wireshark, the explanation of a failure, what the
// kernel says of each node, and how the test went.
func (l *Lab) save() {
	l.TB.Helper()
	if standsIn(l.TB) {
		return
	}
	var names []string
	folder, err := artifacts(l.TB)
	if err == nil {
		names, err = l.saveTo(folder)
	}
	if err != nil {
		_ = os.Remove(folder) // if there is nothing in it
		l.TB.Logf("netrig: what the test left behind could not be saved, or not all: %v%s", err, limit.Disk(err, "TMPDIR, or go test -artifacts -outputdir"))
		return
	}
	names = brief(names)
	last := len(names) - 1
	l.TB.Logf("netrig: saved %s and %s in %s", strings.Join(names[:last], ", "), names[last], folder)
}

// brief puts names together that differ in their extension only, as a shell
// would expand them: "ladder.{svg,mmd}".
func brief(names []string) []string {
	var all []string
	for i := 0; i < len(names); {
		base, extension, _ := strings.Cut(names[i], ".")
		extensions := []string{extension}
		for i++; i < len(names) && strings.HasPrefix(names[i], base+"."); i++ {
			extensions = append(extensions, names[i][len(base)+1:])
		}
		if text := strings.Join(extensions, ","); len(extensions) > 1 {
			all = append(all, base+".{"+text+"}")
		} else {
			all = append(all, base+"."+text)
		}
	}
	return all
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
func artifacts(t testing.TB) (string, error) {
	if f := flag.Lookup("test.artifacts"); f != nil && f.Value.String() == "true" {
		return t.ArtifactDir(), nil
	}
	safe := regexp.MustCompile(`[^A-Za-z0-9_.-]+`).ReplaceAllString(t.Name(), "_")
	safe = strings.Trim(safe, "._")
	return os.MkdirTemp("", "netrig-"+safe[:min(len(safe), 100)]+"-") // NAME_MAX is 255
}

// saveTo writes the files of the lab into a folder, and returns their names.
func (l *Lab) saveTo(folder string) ([]string, error) {
	place, err := result.NewPlace(folder)
	if err != nil {
		return nil, err
	}
	test := l.result()
	facts := l.lastFacts()
	test.Interfaces = interfacesOf(facts)
	header := journal.Here()
	title := header.Package + " " + test.Name

	var names []string
	write := func(name string, content []byte) {
		if err == nil {
			err = place.Write(name, content)
			names = append(names, place.Name(name))
		}
	}
	write(result.StoryFile, []byte(l.Story()))
	var packets bytes.Buffer
	if e := l.recording.WritePcapng(&packets, capture.Comment(title)); err == nil {
		err = e
	}
	write(result.PacketsFile, packets.Bytes())
	marshal := func(name string, what any) {
		raw, e := json.MarshalIndent(what, "", " ")
		if err == nil && e != nil {
			err = fmt.Errorf("write %s: %w", name, e)
		}
		write(name, append(raw, '\n'))
	}
	marshal(result.StateFile, result.State{Version: result.Version, Package: header.Package, Test: test.Name, Facts: facts})
	if len(l.before) > 0 {
		marshal(result.StepsFile, result.States{Version: result.Version, Package: header.Package, Test: test.Name, States: l.before})
	}
	if len(l.explained) > 0 {
		texts := []string{title}
		for _, e := range l.explained {
			texts = append(texts, e.text)
		}
		write(result.ExplanationFile, []byte(texts[0]+"\n"+strings.Join(texts[1:], "\n\n")+"\n"))
	}
	if e := l.savePictures(facts, write); e != nil {
		l.TB.Logf("netrig: %v", e)
	}
	if err == nil {
		err = place.Finish(test)
		names = append(names, place.Name(result.TestFile))
	}
	return names, err
}

// lastFacts are the facts of the last explanation; without one those of now.
func (l *Lab) lastFacts() *explain.Facts {
	for i := len(l.explained) - 1; i >= 0; i-- {
		if f := l.explained[i].facts; f != nil {
			return f
		}
	}
	facts, _ := l.Facts()
	return facts
}

// result is how the test went so far.
func (l *Lab) result() *result.Test {
	test := &result.Test{
		Header: journal.Here(), Name: l.TB.Name(), Outcome: journal.Passed, Began: l.began, Took: milliseconds(time.Since(l.began)),
		Timers: string(l.timers), Backend: l.backend, Failures: l.failures,
	}
	test.Version = result.Version
	switch {
	case l.TB.Failed():
		test.Outcome = journal.Failed
	case l.TB.Skipped():
		test.Outcome, test.Reason = journal.Skipped, cmp.Or(l.reason, "the test skipped itself: go test's output says why")
	}
	for _, s := range append([]Step{{Began: l.began}}, l.Steps()...) {
		test.Steps = append(test.Steps, result.Step{Name: s.Name, Began: s.Began})
	}
	for _, a := range l.allAsked() {
		s := &test.Steps[a.step]
		s.Asked = append(s.Asked, result.Asked{Verb: a.in(plainly{}), Began: a.at, Took: milliseconds(a.took)})
	}
	for _, d := range l.recording.Dropped() {
		test.Drops = append(test.Drops, d.String())
	}
	return test
}

func interfacesOf(facts *explain.Facts) []result.Interface {
	var all []result.Interface
	for _, n := range facts.Nodes {
		for _, link := range n.Links {
			i := result.Interface{Name: n.Name + ":" + link.Name, Node: n.Name, Interface: link.Name, Kind: link.Kind, MAC: link.MAC}
			for _, a := range link.Addresses {
				i.Addresses = append(i.Addresses, a.Prefix.String())
			}
			all = append(all, i)
		}
	}
	return all
}

// Story is every packet of the lab in order, one a line, under the headings of
// Step, with the names of the nodes that have the addresses now.
func (l *Lab) Story() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", journal.Here().Package, l.TB.Name())
	names := l.Names()
	steps := l.Steps()
	if len(steps) == 0 {
		b.WriteString(l.recording.All().Story(names))
		return b.String()
	}
	end := l.recording.Mark()
	b.WriteString(l.recording.Window(l.start, steps[0].At).Story(names))
	for i, s := range steps {
		next := end
		if i+1 < len(steps) {
			next = steps[i+1].At
		}
		fmt.Fprintf(&b, "\n%s\n%s", s.Name, l.recording.Window(s.At, next).Story(names))
	}
	return b.String()
}
