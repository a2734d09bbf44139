package harness

import (
	"errors"
	"fmt"
	"testing"

	"github.com/netrig/netrig/internal/try"
)

// ErrSkipped is in the error of Try when f skipped.
var ErrSkipped = errors.New("skipped")

// Try runs f with a testing.TB of its own and returns what became of it: nil
// when f passed, else an error that holds everything that was logged. It is for
// examples, which have no *testing.T, and for tests that a verb or a whole
// scenario fails when it should:
//
//	err := harness.Try("sabotaged", func(t testing.TB) {
//		lab := harness.New(t)
//		...
//	})
//	require.ErrorContains(t, err, "cannot reach")
//
// A panic in f is returned as an error too. The packets of a lab that fails in f
// are not saved. Like everything here it needs Main.
func Try(name string, f func(t testing.TB)) error {
	r := try.Run(name, f)
	switch {
	case r.Panic != nil:
		return fmt.Errorf("%s panicked: %v\n%s%s", name, r.Panic, r.Log(), r.Stack)
	case r.Failed:
		return fmt.Errorf("%s failed:\n%s", name, r.Log())
	case r.Skipped:
		return fmt.Errorf("%s: %w:\n%s", name, ErrSkipped, r.Log())
	}
	return nil
}
