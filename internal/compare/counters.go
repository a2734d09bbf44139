package compare

import (
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/journal"
)

// everywhere is how many tests have to count something that the other side never
// does, for it to be told once: that kernel does not know it, most likely. (What
// is zero is not in a journal.)
const everywhere = 3

// onlyOnOneSide tells once of a counter that one side never has in all its tests,
// and the other in many. One that is known to be new is no change for the worse.
func onlyOnOneSide(all []Difference, before, after map[string][]*journal.Test) []Difference {
	a, b := countersOf(before), countersOf(after)
	if len(a) == 0 || len(b) == 0 {
		return all
	}
	told := map[string]bool{}
	var kept []Difference
	for _, d := range all {
		name, isCounter := strings.CutPrefix(d.What, journal.Counter+" ")
		switch {
		case d.Kind != Counters || !isCounter || min(a[name], b[name]) > 0 || max(a[name], b[name]) < everywhere:
			kept = append(kept, d)
		case !told[name]:
			told[name] = true
			whole := Difference{Kind: Counters, What: d.What, Field: "in all tests", Before: "never counted", After: "counted", Verdict: Worse}
			if a[name] > 0 {
				whole.Before, whole.After = whole.After, whole.Before
			} else if matchesAny(name, newCounters...) {
				whole.Verdict = Note
			}
			kept = append(kept, whole)
		}
	}
	return slices.Clip(kept)
}

// countersOf tells in how many tests a side has each counter.
func countersOf(tests map[string][]*journal.Test) map[string]int {
	count := map[string]int{}
	for _, runs := range tests {
		names := map[string]bool{}
		for _, t := range runs {
			for _, lab := range t.Labs {
				for _, n := range lab.Nodes {
					for _, o := range n.Objects {
						if o.Kind == journal.Counter {
							names[o.Name] = true
						}
					}
				}
			}
		}
		for name := range names {
			count[name]++
		}
	}
	return count
}
