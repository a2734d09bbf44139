package capture

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The markers go to every CPU, and leave the thread as it was.
func TestFlush(t *testing.T) {
	b, err := theBarrier()
	require.NoError(t, err)
	before := b.last
	require.NoError(t, b.flush(context.Background()))
	assert.GreaterOrEqual(t, int(b.last-before), 2*runtime.NumCPU(), "two for each CPU")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 50 {
		// A marker that comes through at once is no matter of waiting.
		if err := b.flush(ctx); err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
	}
	require.NoError(t, b.flush(context.Background()), "one that was given up does not confuse the next")
}

// A marker that is lost is sent again.
func TestMarkerLost(t *testing.T) {
	b, err := newBarrier()
	require.NoError(t, err)
	require.NoError(t, b.send(99), "an old one")
	b.last = 100
	require.NoError(t, b.pass(context.Background()))
	assert.EqualValues(t, 101, b.last)
}

func TestStamping(t *testing.T) {
	require.NoError(t, stampingWorks())
	b, err := newBarrier()
	require.NoError(t, err)
	err = b.awaitStamping(0)
	require.ErrorContains(t, err, "does not stamp packets")
	stamps := []int64{}
	for range 10 {
		require.NoError(t, b.send(1))
		after := time.Now().UnixNano()
		_, stamp, err := b.receive()
		require.NoError(t, err)
		assert.LessOrEqual(t, stamp, after)
		stamps = append(stamps, stamp)
	}
	assert.True(t, slices.IsSorted(stamps))
}
