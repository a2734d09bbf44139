package harness

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/netrig/netrig/internal/github"
	"github.com/netrig/netrig/internal/journal"
)

// place is a line of a test's source.
type place struct {
	file string
	line int
}

// github tells GitHub Actions of the failed test, if it is run there: each
// failure at its line, and in the summary of the job the explanation, the network
// and the story. flowchart and sequence are those as Mermaid.
func (l *Lab) github(flowchart, sequence string) {
	if !github.Runs() || !l.TB.Failed() || standsIn(l.TB) {
		return
	}
	l.mu.Lock()
	failures, places := l.failures, l.failedAt
	l.mu.Unlock()
	texts := make([]string, len(failures))
	for i, f := range failures {
		texts[i] = withoutStory(f.Text)
	}
	if len(texts) == 0 {
		// What a test says by itself is in the log; where the lab was made has to do.
		texts, places = []string{"failed; the log says why"}, []place{l.made}
	}
	dir, _ := os.Getwd()
	var heading string
	for i, at := range places {
		file := github.Path(at.file, dir)
		if i == 0 && file != "" {
			heading = fmt.Sprintf("%s:%d", file, at.line)
		}
		if line := github.Annotation(file, at.line, l.TB.Name(), texts[i]); told.first(line) {
			fmt.Fprint(os.Stdout, line) // in one piece: other tests print too
		}
	}
	if err := github.Summarise(l.summary(heading, texts, flowchart, sequence)); err != nil && told.first("summary") {
		fmt.Fprintf(os.Stderr, "netrig: %v\n", err)
	}
}

// told keeps what was told already: a failure is of all labs of its test.
var told = &tellings{said: map[string]bool{}}

type tellings struct {
	sync.Mutex
	said map[string]bool
}

func (t *tellings) first(text string) bool {
	t.Lock()
	defer t.Unlock()
	was := t.said[text]
	t.said[text] = true
	return !was
}

// storyLine is one of a story, as Window.String writes it.
var storyLine = regexp.MustCompile(`^ *\d+\.\d{3} ms  `)

// withoutStory is what a failure says before its packets.
func withoutStory(text string) string {
	const most = 40
	var kept []string
	for _, line := range strings.Split(text, "\n") {
		if storyLine.MatchString(line) || len(kept) == most {
			break
		}
		kept = append(kept, strings.TrimPrefix(line, "    "))
	}
	return strings.Join(kept, "\n")
}

// Bounds of what GitHub draws of a diagram of Mermaid: characters (its
// maxTextSize) and arrows (its maxEdges is 500).
const (
	mostMermaid = 45_000
	mostArrows  = 400
)

// summary is the failure in Markdown.
func (l *Lab) summary(heading string, texts []string, flowchart, sequence string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### ❌ %s\n\n%s", github.Span(l.TB.Name()), github.Span(journal.Here().Package))
	if heading != "" {
		b.WriteString(" " + github.Span(heading))
	}
	b.WriteString("\n\n")
	for i, text := range texts {
		if i == 5 {
			fmt.Fprintf(&b, "and %d failures more, in the log\n\n", len(texts)-i)
			break
		}
		b.WriteString(github.Block("text", strings.ToValidUTF8(text[:min(len(text), 16<<10)], "")) + "\n")
	}
	drawn := func(title, diagram string) {
		if len(diagram) > mostMermaid || strings.Count(diagram, "\n") > mostArrows {
			diagram = "too large to be drawn here: the files of the failed test have it\n"
		} else {
			diagram = github.Block("mermaid", diagram)
		}
		fmt.Fprintf(&b, "<details><summary>%s</summary>\n\n%s\n</details>\n\n", title, diagram)
	}
	drawn("The network", flowchart)
	drawn("The packets", sequence)
	return b.String()
}
