package harness_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/require"
)

// What a lab holds goes when its test ends, though package testing remembers the
// test until those beside it have ended too.
func TestLabIsLetGo(t *testing.T) {
	gone := make(chan string, 2)
	t.Run("beside others", func(t *testing.T) {
		t.Parallel()
		lab := harness.New(t)
		node := lab.Node("a")
		held := &[1 << 16]byte{}
		lab.Cleanup(func() { held[0] = 1 })
		runtime.AddCleanup(held, func(what string) { gone <- what }, "what the test registered")
		runtime.AddCleanup(node, func(what string) { gone <- what }, "the node")
	})
	t.Run("the last", func(t *testing.T) {
		t.Parallel()
		seen := map[string]bool{}
		require.NoError(t, deadline.Poll(10*time.Second, "something that the other test held is kept", func() (bool, error) {
			runtime.GC()
			select {
			case what := <-gone:
				seen[what] = true
			default:
			}
			return len(seen) == 2, nil
		}), "only these were let go of: %v", seen)
	})
}
