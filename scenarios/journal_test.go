package scenarios

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/netrig/netrig/internal/compare"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestJournalsSayNothing: the first six scenarios, twice and once more, have
// nothing to say about this kernel compared with itself.
func TestJournalsSayNothing(t *testing.T) {
	t.Parallel()
	six := []string{"VethPair", "Bridge", "Router", "HostGateway", "Masquerade", "PortForward"}
	some := slices.DeleteFunc(slices.Clone(networks), func(n network) bool { return !slices.Contains(six, n.name) })
	record := func(runs int) *journal.Folder {
		folder := t.TempDir()
		w, err := journal.NewWriter(folder)
		require.NoError(t, err)
		for range runs {
			var all sync.WaitGroup
			for _, s := range scenariosOf(some) {
				all.Go(func() {
					r := try.Run(s.name, func(tb testing.TB) { s.body(journal.TB{TB: tb, Writer: w}) })
					assert.False(t, r.Failed, "%s\n%s%s", s.name, r.Log(), r.Stack)
				})
			}
			all.Wait()
		}
		read, err := journal.Read(folder)
		require.NoError(t, err)
		return read
	}
	before, after := record(2), record(1)
	require.Len(t, before.Tests, 2*2*len(six))
	r, err := compare.Compare([]*journal.Folder{before}, []*journal.Folder{after}, compare.Options{})
	require.NoError(t, err)
	var text strings.Builder
	require.NoError(t, r.Text(&text))
	require.Empty(t, r.Differences, text.String())
	require.Equal(t, compare.StatusSame, r.Status)
}
