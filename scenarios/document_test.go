package scenarios

import (
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/netrig/netrig/internal/document"
	"github.com/netrig/netrig/internal/explain"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// updateVariable has TestDocument write the files anew (make docs).
const updateVariable = "NETRIG_UPDATE_DOCS"

// documents are the files, one for each family.
var documents = map[string]string{"IPv4": "../docs/scenarios.md", "IPv6": "../docs/scenarios-ipv6.md"}

const documentHead = `# The scenarios, %s

What each scenario of netrig demands, for readers without Go. This file is written by ` + "`make docs`" + ` from a run on the real kernel, and
` + "`make test`" + ` demands that a run says the same: it is what the tests see, not what somebody believes. The same for the other family is in
[%s](%s); the tests are in [scenarios](../scenarios).

Each begins with what the test is about and the network as the kernel has it at the end: nodes (network namespaces), interfaces with
addresses, cables. Then, step by step: what was asked and what came of it, and each packet with the interfaces that it was seen at. Branches of a
flood are separated by semicolons. A port that the kernel chose is called ephemeral; a TTL stands where it changes, and addresses where they are
translated. Not told is what depends on time: the kernel's own multicast reports and second looks at neighbours that it knows, how often something
was sent again, what follows a TCP handshake.
`

// TestDocument compares docs/scenarios.md with what the scenarios do, section by
// section.
func TestDocument(t *testing.T) {
	t.Parallel()
	comments := scenarioComments(t)
	for _, f := range families {
		sections := readSections(t, documents[f.name])
		update := os.Getenv(updateVariable) == "1"
		var names []string
		var mu sync.Mutex // guards sections
		t.Run(f.name, func(t *testing.T) {
			for _, n := range networks {
				if n.only != nil && n.only.name != f.name {
					continue
				}
				names = append(names, n.name)
				t.Run(n.name, func(t *testing.T) {
					t.Parallel()
					written := section(t, n, f, comments[n.name])
					mu.Lock()
					known := sections[n.name]
					mu.Unlock()
					// A node's multicast reports, at times of the kernel's own, decide
					// whether a bridge still floods what the scenario lets it learn.
					for again := 0; !update && written != known && again < 2; again++ {
						written = section(t, n, f, comments[n.name])
					}
					mu.Lock()
					defer mu.Unlock()
					if update {
						sections[n.name] = written
						return
					}
					assert.Equal(t, sections[n.name], written, "%s is not what the scenario does: run `make docs`, and look at what changed", documents[f.name])
				})
			}
		})
		if update {
			writeSections(t, f, names, sections)
			continue
		}
		for name := range sections {
			assert.Contains(t, names, name, "%s has a section about no scenario: run `make docs`", documents[f.name])
		}
	}
}

// section is what is written about a scenario.
func section(t *testing.T, n network, f family, about about) string {
	t.Helper()
	require.NotEmpty(t, about.text, "Test%s has no doc comment", n.name)
	folder := t.TempDir()
	w, err := journal.NewWriter(folder)
	require.NoError(t, err)
	var facts *explain.Facts
	r := try.Run("Test"+n.name, func(tb testing.TB) {
		facts, _ = n.body(journal.TB{TB: tb, Writer: w}, f, "nftables").Facts()
	})
	if r.Skipped {
		t.Skip(r.Log())
	}
	require.False(t, r.Failed, "%s%s", r.Log(), r.Stack)
	read, err := journal.Read(folder)
	require.NoError(t, err)
	require.Len(t, read.Tests, 1)
	require.Len(t, read.Tests[0].Labs, 1)
	return fmt.Sprintf("\n## %s\n\n[Test%s](../scenarios/%s): %s\n\n%s%s", n.name, n.name, about.file, about.text,
		document.Network(n.name, facts), document.Steps(read.Tests[0].Labs[0], facts))
}

var sectionHead = regexp.MustCompile(`(?m)^## (\w+)$`)

// readSections takes a file apart, by the names of its scenarios.
func readSections(t *testing.T, path string) map[string]string {
	raw, err := os.ReadFile(path)
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	sections := map[string]string{}
	heads := sectionHead.FindAllStringSubmatchIndex(string(raw), -1)
	for i, head := range heads {
		end := len(raw)
		if i+1 < len(heads) {
			end = heads[i+1][0] - 1
		}
		sections[string(raw[head[2]:head[3]])] = string(raw[head[0]-1 : end])
	}
	return sections
}

// writeSections writes a file. A scenario that was skipped keeps its section.
func writeSections(t *testing.T, f family, names []string, sections map[string]string) {
	other := documents[f.other().name]
	var b strings.Builder
	fmt.Fprintf(&b, documentHead, f.name, filepath.Base(other), filepath.Base(other))
	for _, name := range names {
		if sections[name] == "" {
			t.Errorf("%s was skipped, and %s has no section about it yet", name, documents[f.name])
		}
		b.WriteString(sections[name])
	}
	require.NoError(t, os.WriteFile(documents[f.name], []byte(b.String()), 0o644))
}

// about is what the sources say of a scenario.
type about struct{ file, text string }

// scenarioComments are the doc comments of the tests as Markdown, by the names of
// the scenarios.
func scenarioComments(t *testing.T) map[string]about {
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	all := map[string]about{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Doc != nil && strings.HasPrefix(f.Name.Name, "Test") {
				text := strings.TrimPrefix(f.Doc.Text(), f.Name.Name+": ")
				markdown := (&comment.Printer{HeadingLevel: 4}).Markdown((&comment.Parser{}).Parse(text))
				all[strings.TrimPrefix(f.Name.Name, "Test")] = about{name, strings.TrimSpace(string(markdown))}
			}
		}
	}
	return all
}
