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

// A machine that has become slow since the scale was measured gets more time,
// also when it becomes slower still, and none without end.
func TestPollOnAMachineThatBecomesSlow(t *testing.T) {
	const d = 5 * time.Millisecond
	before := now
	defer func() { now = before }()
	looks := 0
	now = func() float64 { looks++; return Scale() * float64(min(4*looks, 8)) }
	start := time.Now()
	err := Poll(d, "it stays away", func() (bool, error) { return false, nil })
	require.ErrorContains(t, err, "it stays away after "+(8*Of(d)).String())
	assert.GreaterOrEqual(t, time.Since(start), 8*Of(d))
	assert.Equal(t, 3, looks, "slower, slower still, and as it was by then")

	assert.True(t, Past(time.Now().Add(-9*Of(d)), d))
	assert.False(t, Past(time.Now().Add(-7*Of(d)), d))

	looks = 0
	calls := 0
	require.NoError(t, Poll(time.Minute, "never", func() (bool, error) { calls++; return calls == 3, nil }))
	assert.Zero(t, looks, "nothing is measured on the way to a pass")
}

func TestNow(t *testing.T) {
	assert.GreaterOrEqual(t, now(), 1.0)
	assert.LessOrEqual(t, now(), float64(maxScale))
	t.Setenv(Variable, "7")
	assert.Equal(t, Scale(), now(), "what somebody has set holds")
}
