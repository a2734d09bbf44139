package matrix

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A binary is asked for its tests by a pattern that is never empty, which would
// run them.
func TestList(t *testing.T) {
	dir := t.TempDir()
	b := binary{path: filepath.Join(dir, "lan.test"), dir: dir, pkg: "example.org/m/lan"}
	require.NoError(t, os.WriteFile(b.path, []byte("#!/bin/sh\necho $* >>asked\nprintf '%s\\n' TestA TestB BenchmarkA ExampleA\n"), 0o755))
	names, err := b.list(context.Background(), "", "")
	require.NoError(t, err)
	assert.Equal(t, []string{"TestA", "TestB"}, names)
	names, err = b.list(context.Background(), "TestA|Test[/]/IPv4", "B$")
	require.NoError(t, err)
	assert.Equal(t, []string{"TestA"}, names)
	asked, err := os.ReadFile(filepath.Join(dir, "asked"))
	require.NoError(t, err)
	assert.Equal(t, "-test.list=.\n-test.list=TestA|Test[/]\n", string(asked))

	_, err = b.list(context.Background(), "", "(")
	assert.ErrorContains(t, err, `-skip "("`)
	require.NoError(t, os.WriteFile(b.path, []byte("#!/bin/sh\necho cannot make a sandbox >&2\nexit 1\n"), 0o755))
	_, err = b.list(context.Background(), "", "")
	assert.ErrorContains(t, err, "list the tests of example.org/m/lan: exit status 1: cannot make a sandbox")
}
