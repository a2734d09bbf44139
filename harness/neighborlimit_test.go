package harness_test

import (
	"testing"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/link"
	"github.com/netrig/netrig/internal/ns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a full table of neighbours has swallowed is told: silence then proves
// nothing.
func TestRefusedNeighborsAreTold(t *testing.T) {
	lab := harness.New(t)
	require.NoError(t, lab.NeighborsRefused())
	lab.Node("a")
	lab.PretendRefused()
	err := lab.NeighborsRefused()
	// More than one where another process fills the tables at this moment.
	require.Error(t, err)
	require.Regexp(t, `arp_cache refused [1-9]\d* entries`, err.Error())
	require.Regexp(t, `ndisc_cache refused [1-9]\d* entries`, err.Error())
	require.ErrorContains(t, err, "Lab.PermanentNeighbors")
}

// The tables can be read in any namespace.
func TestNeighborTables(t *testing.T) {
	space, err := ns.New()
	require.NoError(t, err)
	defer space.Close()
	socket, err := link.Open(space)
	require.NoError(t, err)
	defer socket.Close()
	tables, err := socket.NeighborTables()
	require.NoError(t, err)
	found := map[string]int{}
	for _, table := range tables {
		found[table.Name] = table.Limit
		assert.GreaterOrEqual(t, table.Entries, 0)
	}
	assert.Positive(t, found["arp_cache"])
	assert.Positive(t, found["ndisc_cache"])
}
