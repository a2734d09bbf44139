package github

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnnotation(t *testing.T) {
	assert.Equal(t, "::error file=a%2Cb/x%3A_test.go,line=7,title=Test/50%25::one: two, three%0A::error::no command%0D\n",
		Annotation("a,b/x:_test.go", 7, "Test/50%", "one: two, three\n::error::no command\r"))
	assert.Equal(t, "::error title=TestX::text\n", Annotation("", 7, "TestX", "text"))
}

// TestPath: from the root of the checkout, by way of symbolic links, and of a
// binary that does not know its sources.
func TestPath(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "checkout", "lan")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "router_test.go"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(root, "outside.go"), nil, 0o644))
	require.NoError(t, os.Symlink(filepath.Join(root, "checkout"), filepath.Join(root, "link")))
	t.Setenv("GITHUB_WORKSPACE", filepath.Join(root, "link"))
	for file, want := range map[string]string{
		filepath.Join(dir, "router_test.go"):                     "lan/router_test.go",
		filepath.Join(root, "link", "lan", "router_test.go"):     "lan/router_test.go",
		"example.com/lan/router_test.go":                         "lan/router_test.go",
		filepath.Join(root, "outside.go"):                        "",
		filepath.Join(root, "checkout", "missing", "nowhere.go"): "",
	} {
		assert.Equal(t, want, Path(file, dir), file)
	}
	t.Setenv("GITHUB_WORKSPACE", "")
	assert.Equal(t, "", Path(filepath.Join(dir, "router_test.go"), dir))
}

func summary(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "summary")
	require.NoError(t, os.WriteFile(name, []byte("before\n"), 0o644))
	t.Setenv("GITHUB_STEP_SUMMARY", name)
	return name
}

// TestSummaryOfMany: many write at once, and nothing is lost, torn or doubled.
func TestSummaryOfMany(t *testing.T) {
	name := summary(t)
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() { assert.NoError(t, Summarise("begin"+strings.Repeat(string(rune('a'+i%26)), 5000)+"end\n")) })
	}
	wait.Wait()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	require.Len(t, lines, 41)
	assert.Equal(t, "before", lines[0])
	for _, l := range lines[1:] {
		assert.Equal(t, "begin"+strings.Repeat(l[5:6], 5000)+"end", l)
	}
}

// TestSummaryIsBounded: GitHub would drop one of more than 1 MiB.
func TestSummaryIsBounded(t *testing.T) {
	name := summary(t)
	var wait sync.WaitGroup
	for range 60 { // at once, so that each would see that there is room
		wait.Go(func() { assert.NoError(t, Summarise(strings.Repeat("x", 100_000))) })
	}
	wait.Wait()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Greater(t, len(text), 800_000)
	assert.Less(t, len(text), 1<<20)
	assert.Equal(t, 1, strings.Count(string(text), "there is no room"))
	assert.True(t, strings.HasSuffix(string(text), end))
}

func TestSummaryCantBeWritten(t *testing.T) {
	t.Setenv("GITHUB_STEP_SUMMARY", "")
	assert.ErrorContains(t, Summarise("x"), "--preserve-env=GITHUB_ACTIONS,GITHUB_WORKSPACE,GITHUB_STEP_SUMMARY")
	t.Setenv("GITHUB_STEP_SUMMARY", filepath.Join(t.TempDir(), "missing"))
	assert.ErrorContains(t, Summarise("x"), "no such file")
}

// TestBlock: what is shown can't end its block, nor its span.
func TestBlock(t *testing.T) {
	assert.Equal(t, "```text\none\n```\n", Block("text", "one\n"))
	assert.Equal(t, "`````text\na\n````\nb\n`````\n", Block("text", "a\n````\nb"))
	assert.Equal(t, "` TestX `", Span("TestX"))
	assert.Equal(t, "``` a``b c ```", Span("a``b\nc"))
}
