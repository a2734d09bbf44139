package sandbox

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Little in use leaves room, much in use none beyond what Go takes by itself.
func TestPercentage(t *testing.T) {
	assert.Equal(t, 800, percentage(0))
	assert.Equal(t, 800, percentage(4<<20))
	assert.Equal(t, 400, percentage(8<<20))
	assert.Equal(t, 100, percentage(32<<20))
	assert.Equal(t, 100, percentage(1<<40))
}

// The percentage follows the heap, up and down.
func TestCollectSeldom(t *testing.T) {
	if os.Getenv("GOGC") != "" {
		t.Skip("GOGC is set, and is obeyed")
	}
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	p := &pace{}
	p.arm(nil)
	percent := func() int {
		now := debug.SetGCPercent(100)
		debug.SetGCPercent(now)
		return now
	}
	require.Greater(t, percent(), 100, "a test's heap is small")
	much := make([]byte, 2*room)
	await := func(what string, holds func(int) bool) {
		t.Helper()
		require.NoError(t, deadline.Poll(5*time.Second, what, func() (bool, error) {
			runtime.GC() // after which the finalizer runs
			return holds(percent()), nil
		}))
	}
	await("a large heap is still collected seldom", func(now int) bool { return now == 100 })
	runtime.KeepAlive(much)
	much = nil
	await("a small heap is still collected often", func(now int) bool { return now > 100 })
}
