// Package deadline scales the time that netrig is ready to wait to the speed
// of the machine. Nothing here is ever waited out when all is well: a deadline
// only says when to give up.
package deadline

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/netrig/netrig/internal/ns"
)

// Variable overrides the measured scale: a number such as 1 or 30.
const Variable = "NETRIG_TIMEOUT_SCALE"

const (
	// usualNamespace is what making a namespace takes on an idle machine of
	// 2020 or later. Under emulation it takes 8 to 20 ms.
	usualNamespace = 500 * time.Microsecond
	samples        = 3
	maxScale       = 60
	// maxSetScale keeps deadlines within what a time.Duration can hold.
	maxSetScale = 10_000
)

// Scale is the factor by which this machine is slower than usual: 1 to 60. It
// is measured once a process, by making namespaces, which is what tests spend
// their time on.
var Scale = sync.OnceValue(measure)

func measure() float64 {
	if text := os.Getenv(Variable); text != "" {
		if f, ok := set(text); ok {
			return f
		}
		fmt.Fprintf(os.Stderr, "netrig: %s=%q is not a positive number; measuring instead\n", Variable, text)
	}
	best, _ := namespaces()
	return scaleOf(best)
}

// set is the scale that somebody has chosen.
func set(text string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	return min(f, maxSetScale), err == nil && f > 0
}

func scaleOf(took time.Duration) float64 {
	return min(max(float64(took)/float64(usualNamespace), 1), maxScale)
}

// namespaces makes a few, and tells how long the fastest and the slowest took.
// Where none can be made, whoever makes the first one reports the error.
func namespaces() (best, worst time.Duration) {
	best = time.Hour
	for range samples {
		start := time.Now()
		n, err := ns.New()
		if err != nil {
			return 0, 0
		}
		took := time.Since(start)
		best, worst = min(best, took), max(worst, took)
		n.Close()
	}
	return best, worst
}

// now is the scale of this moment, as seen by who is unlucky: another process
// may have made the machine slow after Scale was measured. Building needs one
// lock of the kernel, the same for all namespaces (RTNL), and a process that
// takes a thousand of them apart has it for seconds; what the kernel does in the
// background, such as making IPv6 addresses usable, waits its turn for it too.
// A scale that somebody has set holds.
var now = func() float64 {
	if _, chosen := set(os.Getenv(Variable)); chosen {
		return Scale()
	}
	_, worst := namespaces()
	return scaleOf(worst)
}

// Of is d, scaled.
func Of(d time.Duration) time.Duration {
	return time.Duration(float64(d) * Scale())
}

// Context ends after d, scaled.
func Context(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), Of(d))
}

// Limit is a time that is over when it has passed, and when the machine is not
// slower by then than it was: else it goes on for as much longer.
type Limit struct {
	d, scaled time.Duration
	start     time.Time
}

// Begin is a limit of d, scaled, from now on.
func Begin(d time.Duration) *Limit { return &Limit{d, Of(d), time.Now()} }

// Past tells whether a limit of d that began at start is over.
func Past(start time.Time, d time.Duration) bool {
	return (&Limit{d, Of(d), start}).Over()
}

// Over tells whether the limit is over.
func (l *Limit) Over() bool {
	for l.left() == 0 {
		longer := time.Duration(float64(l.d) * now())
		if longer <= l.scaled {
			return true
		}
		l.scaled = longer
	}
	return false
}

func (l *Limit) left() time.Duration { return max(l.scaled-time.Since(l.start), 0) }

// Poll calls done until it says true or fails, or until d, scaled, is over;
// then it returns what is still missing. Between calls it pauses, from 20 µs
// growing to 2 ms, for states that the kernel has no event for. Before it gives
// up it looks how slow the machine is now, and goes on if that is slower than
// it was.
func Poll(d time.Duration, missing string, done func() (bool, error)) error {
	limit := Begin(d)
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, 2*time.Millisecond) {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if limit.Over() {
			return fmt.Errorf("%s after %s", missing, limit.scaled)
		}
		time.Sleep(min(pause, limit.left()))
	}
}
