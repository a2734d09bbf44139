package compare

import (
	"maps"

	"github.com/netrig/netrig/internal/journal"
)

// Alike tells whether two runs of a test have shown the same, as far as it is
// compared.
func Alike(a, b *journal.Test) bool {
	if a.Outcome != b.Outcome || a.Reason != b.Reason || len(a.Labs) != len(b.Labs) || asked(a) != asked(b) {
		return false
	}
	return maps.EqualFunc(factsOf(a), factsOf(b), func(x, y *fact) bool { return x.text() == y.text() })
}
