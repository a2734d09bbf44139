package compare

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/netrig/netrig/internal/baseline"
	"github.com/netrig/netrig/internal/journal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/kernels.md instead of comparing it")

const (
	baselines   = "../../testdata/baseline"
	kernelsPage = "../../docs/kernels.md"
)

// recordedKernels are the baselines of the repository.
func recordedKernels(t *testing.T) []*journal.Folder {
	t.Helper()
	files, err := baseline.Files(baselines)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 7, "baselines of seven kernels: make baseline")
	var all []*journal.Folder
	for _, file := range files {
		f, err := baseline.Read(file)
		require.NoError(t, err)
		all = append(all, f)
	}
	return all
}

// The page says what the baselines say.
func TestKernelsPage(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	require.NoError(t, Page(&page, recordedKernels(t)))
	if *update {
		require.NoError(t, os.WriteFile(kernelsPage, []byte(page.String()), 0o644))
		return
	}
	written, err := os.ReadFile(kernelsPage)
	require.NoError(t, err)
	require.Equal(t, page.String(), string(written), "docs/kernels.md is not what testdata/baseline says: make kernels-page")
}

// Every baseline says how its kernel was configured, and is of a whole run.
func TestBaselinesAreWhole(t *testing.T) {
	t.Parallel()
	names, tests := map[string]bool{}, map[int]int{}
	for _, f := range recordedKernels(t) {
		require.Len(t, f.Systems, 1, f.Path)
		s := f.Systems[0]
		assert.Len(t, s.ConfigHash, 64, f.Path)
		assert.NotEmpty(t, s.PackageVersion, f.Path)
		assert.Greater(t, len(s.Configuration), 1000, f.Path)
		assert.NotEmpty(t, f.Processes, f.Path)
		names[s.Name] = true
		for _, j := range f.Tests {
			assert.Equal(t, journal.Passed, j.Outcome, "%s: %s", f.Path, j.Name)
		}
		tests[len(testsOf([]*journal.Folder{f}, shortNames([]*journal.Folder{f})))]++
	}
	assert.Len(t, tests, 1, "all of the same tests: %v", tests)
	for _, name := range []string{"debian/bullseye", "debian/bookworm", "debian/bookworm:full", "debian/trixie", "debian/trixie-backports=6.18", "debian/sid", "debian/trixie-backports"} {
		assert.True(t, names[name], name)
	}
	var size int64
	files, err := baseline.Files(baselines)
	require.NoError(t, err)
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		size += info.Size()
	}
	assert.Less(t, size, int64(3<<20), "bytes that the repository takes")
}

// A kernel compared with itself has nothing to say.
func TestBaselineComparedWithItself(t *testing.T) {
	t.Parallel()
	for _, f := range recordedKernels(t) {
		r, err := Compare([]*journal.Folder{f}, []*journal.Folder{f}, Options{})
		require.NoError(t, err)
		assert.Empty(t, r.Differences, f.Path)
	}
}
