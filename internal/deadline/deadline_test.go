package deadline

import (
	"errors"
	"testing"
	"time"

	"github.com/netrig/netrig/internal/sandbox"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

func TestScaleIsWithinItsBounds(t *testing.T) {
	assert.GreaterOrEqual(t, Scale(), 1.0)
	assert.LessOrEqual(t, Scale(), float64(maxScale))
	assert.GreaterOrEqual(t, Of(time.Second), time.Second)
}

func TestScaleCanBeSet(t *testing.T) {
	for text, want := range map[string]float64{"7": 7, "0.5": 0.5} {
		t.Setenv(Variable, text)
		assert.Equal(t, want, measure())
	}
	for _, text := range []string{"fast", "0", "-3", "NaN"} {
		t.Setenv(Variable, text)
		assert.GreaterOrEqual(t, measure(), 1.0, "%q is not taken", text)
	}
}

func TestPoll(t *testing.T) {
	calls := 0
	require.NoError(t, Poll(time.Minute, "never", func() (bool, error) { calls++; return calls == 3, nil }))
	assert.Equal(t, 3, calls)

	reason := errors.New("reason")
	require.ErrorIs(t, Poll(time.Minute, "never", func() (bool, error) { return false, reason }), reason)

	err := Poll(time.Millisecond, "it stays away", func() (bool, error) { return false, nil })
	require.ErrorContains(t, err, "it stays away after ")
}
