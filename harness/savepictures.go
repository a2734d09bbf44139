package harness

import (
	"fmt"

	"github.com/netrig/netrig/internal/explain"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/ladder"
	"github.com/netrig/netrig/internal/result"
	"github.com/netrig/netrig/internal/topology"
)

// died is a failed exchange, and what the explanation says of it.
type died struct {
	exchange explain.Case
	verdict  explain.Verdict
}

// Died keeps what an explanation is about, for the pictures of the failed test.
// The last one is drawn.
func (l *Lab) Died(c explain.Case, v explain.Verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.died = &died{c, v}
}

// title names the package and the test, as every file does.
func (l *Lab) title() string { return journal.Here().Package + " " + l.TB.Name() }

// topology is the lab as the facts have it, with the way of the packet that the
// last explanation is about.
func (l *Lab) topology(facts *explain.Facts) *topology.Graph {
	g := topology.New(l.title(), facts)
	if l.died != nil {
		g.Trace(l.died.exchange, l.died.verdict)
	}
	return g
}

// ladder is the story of the lab, under the headings of its steps.
func (l *Lab) ladder(facts *explain.Facts) ladder.Story {
	s := ladder.Story{Title: l.title(), Facts: facts}
	if l.died != nil {
		s.Case, s.Verdict = &l.died.exchange, &l.died.verdict
	}
	from, heading, end := l.start, "", l.recording.Mark()
	for _, step := range append(l.Steps(), Step{At: end}) {
		c := ladder.Chapter{Heading: heading, Packets: l.recording.Window(from, step.At).Packets()}
		if c.Heading != "" || len(c.Packets) > 0 {
			s.Chapters = append(s.Chapters, c)
		}
		from, heading = step.At, step.Name
	}
	return s
}

// savePictures writes the pictures of a failed test: its network and its story.
func (l *Lab) savePictures(facts *explain.Facts, write func(name string, content []byte)) (err error) {
	defer func() {
		// A picture that can't be drawn costs nobody the other files.
		if p := recover(); p != nil {
			err = fmt.Errorf("draw the pictures: %v", p)
		}
	}()
	network, story := l.topology(facts), l.ladder(facts)
	flowchart, sequence := network.Mermaid(), story.Mermaid()
	write(result.TopologyFile, []byte(network.SVG()))
	write("topology.mmd", []byte(flowchart))
	write("topology.dot", []byte(network.DOT()))
	write(result.LadderFile, []byte(story.SVG()))
	write("ladder.mmd", []byte(sequence))
	l.github(flowchart, sequence)
	return nil
}
