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
		if f, err := strconv.ParseFloat(text, 64); err == nil && f > 0 {
			return min(f, maxSetScale)
		}
		fmt.Fprintf(os.Stderr, "netrig: %s=%q is not a positive number; measuring instead\n", Variable, text)
	}
	best := time.Hour
	for range samples {
		start := time.Now()
		n, err := ns.New()
		if err != nil {
			return 1 // whoever makes the first namespace reports the error
		}
		best = min(best, time.Since(start))
		n.Close()
	}
	return min(max(float64(best)/float64(usualNamespace), 1), maxScale)
}

// Of is d, scaled.
func Of(d time.Duration) time.Duration {
	return time.Duration(float64(d) * Scale())
}

// Context ends after d, scaled.
func Context(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), Of(d))
}

// Poll calls done until it says true or fails, or until d, scaled, is over;
// then it returns what is still missing. Between calls it pauses, from 20 µs
// growing to 2 ms, for states that the kernel has no event for.
func Poll(d time.Duration, missing string, done func() (bool, error)) error {
	ctx, cancel := Context(d)
	defer cancel()
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, 2*time.Millisecond) {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s after %s", missing, Of(d))
		case <-time.After(pause):
		}
	}
}
