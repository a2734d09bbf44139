package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/journal"
)

// Side is one of the two that are compared, as it is told.
type Side struct {
	Names   []string `json:"names"`
	Kernels []string `json:"kernels"`
	Tests   int      `json:"tests"`
	Runs    int      `json:"runs"` // of the test that ran least often
}

// Result is what changed.
type Result struct {
	Before      Side         `json:"before"`
	After       Side         `json:"after"`
	Status      int          `json:"status"`
	Differences []Difference `json:"differences"`
	Notes       []string     `json:"notes,omitempty"`

	names map[string]bool // of nodes and interfaces, by which groups are made
}

// The exit statuses.
const (
	StatusSame   = 0 // as before
	StatusWorse  = 1 // something changed for the worse
	StatusCannot = 2 // could not compare
)

// Options change what Compare looks at.
type Options struct {
	Allow  []Kind  // told, but not for the worse
	Factor float64 // tests and verbs that took so many times as long are told; 0 for none
}

// Compare compares what two sets of folders hold.
func Compare(before, after []*journal.Folder, o Options) (*Result, error) {
	short := shortNames(slices.Concat(before, after))
	a, b := testsOf(before, short), testsOf(after, short)
	r := &Result{Before: sideOf(before, a), After: sideOf(after, b), Differences: []Difference{}, names: map[string]bool{}}
	for _, s := range []Side{r.Before, r.After} {
		if len(s.Kernels) > 1 {
			return nil, fmt.Errorf("%s holds journals of several kernels (%s): one side is one kernel; write each into a folder of its own", strings.Join(s.Names, ", "), strings.Join(s.Kernels, ", "))
		}
	}
	common := 0
	for _, name := range both(a, b) {
		if a[name] != nil && b[name] != nil {
			common++
		}
		r.learnNames(a[name])
		r.learnNames(b[name])
		r.test(name, a[name], b[name], o)
	}
	if common == 0 {
		return nil, fmt.Errorf("%s and %s have no test in common: they are of different packages, or of different -run patterns", strings.Join(r.Before.Names, ", "), strings.Join(r.After.Names, ", "))
	}
	r.Differences = append(r.Differences, sysctls(processesOf(before), processesOf(after))...)
	r.Differences = append(r.Differences, modules(processesOf(before), processesOf(after))...)
	r.Differences = onlyOnOneSide(r.Differences, a, b)
	r.Differences = append(r.Differences, configuration(before, after)...)
	r.note(before, after)
	for i := range r.Differences {
		if d := &r.Differences[i]; slices.Contains(o.Allow, d.Kind) && d.Verdict == Worse {
			d.Verdict = Note
		}
		if r.Differences[i].Verdict == Worse {
			r.Status = StatusWorse
		}
	}
	sortDifferences(r.Differences)
	return r, nil
}

// test compares the runs of one test.
func (r *Result) test(name string, a, b []*journal.Test, o Options) {
	s := sides{outcomes(a), outcomes(b)}
	// A test that passes now and then has changed for the worse.
	if before, after := worst(s.before), worst(s.after); before != after {
		d := Difference{Kind: Outcomes, Test: name, What: "the test", Before: before, After: after, Verdict: Worse}
		if rank(after) < rank(before) || a == nil {
			d.Verdict = Better
		}
		if len(distinct(s.after)) > 1 {
			d.After = fmt.Sprintf("%s in %d of %d runs", after, count(s.after, after), len(s.after))
		}
		if why := reasonOf(b); why != "" && after == journal.Skipped {
			d.After += ": " + why
		}
		r.Differences = append(r.Differences, d)
	}
	if a = ran(a); a == nil {
		return
	}
	if b = ran(b); b == nil {
		return
	}
	found := behaviour(name, a, b)
	if worst(outcomes(a)) == journal.Failed || worst(outcomes(b)) == journal.Failed {
		found = explaining(found)
	}
	r.Differences = append(r.Differences, found...)
	if o.Factor > 0 {
		r.Differences = append(r.Differences, times(name, a, b, o.Factor)...)
	}
}

// explaining are the differences of a test that failed on one side. It is said
// already that it failed; and it ended early, so that what is missing since says
// nothing.
func explaining(found []Difference) (kept []Difference) {
	for _, d := range found {
		if d.Before != "" && d.After != "" {
			d.Verdict = Note
			kept = append(kept, d)
		}
	}
	return kept
}

// ran are the runs in which the test has built a lab and was not skipped.
func ran(runs []*journal.Test) (all []*journal.Test) {
	for _, t := range runs {
		if t.Outcome != journal.Skipped && len(t.Labs) > 0 {
			all = append(all, t)
		}
	}
	return all
}

// gone is the outcome of a test that there is nothing of.
const gone = "not run"

func rank(outcome string) int {
	return slices.Index([]string{journal.Passed, journal.Skipped, gone, journal.Failed}, outcome)
}

func outcomes(runs []*journal.Test) []string {
	if runs == nil {
		return []string{gone}
	}
	all := make([]string, len(runs))
	for i, t := range runs {
		all[i] = t.Outcome
	}
	return all
}

func worst(outcomes []string) string {
	return slices.MaxFunc(outcomes, func(a, b string) int { return rank(a) - rank(b) })
}

func count(values []string, value string) (n int) {
	for _, v := range values {
		if v == value {
			n++
		}
	}
	return n
}

func reasonOf(runs []*journal.Test) string {
	for _, t := range runs {
		if t.Reason != "" {
			return t.Reason
		}
	}
	return ""
}

// testsOf are the runs of each test, by its package and name.
func testsOf(folders []*journal.Folder, short map[string]string) map[string][]*journal.Test {
	all := map[string][]*journal.Test{}
	for _, f := range folders {
		for _, t := range f.Tests {
			name := short[t.Package] + "." + t.Name
			all[name] = append(all[name], t)
		}
	}
	return all
}

// shortNames are the packages' names: the last part of the path where that says
// enough.
func shortNames(folders []*journal.Folder) map[string]string {
	short, sharing := map[string]string{}, map[string]int{}
	for _, f := range folders {
		for _, t := range f.Tests {
			if short[t.Package] == "" {
				short[t.Package] = t.Package[strings.LastIndexByte(t.Package, '/')+1:]
				sharing[short[t.Package]]++
			}
		}
	}
	for path, name := range short {
		if sharing[name] > 1 {
			short[path] = path
		}
	}
	return short
}

func processesOf(folders []*journal.Folder) (all []*journal.Process) {
	for _, f := range folders {
		all = append(all, f.Processes...)
	}
	return all
}

func sideOf(folders []*journal.Folder, tests map[string][]*journal.Test) Side {
	s := Side{Tests: len(tests)}
	for _, f := range folders {
		s.Names = append(s.Names, f.Path)
		for _, t := range f.Tests {
			if kernel := t.Kernel + " " + t.Machine; !slices.Contains(s.Kernels, kernel) {
				s.Kernels = append(s.Kernels, kernel)
			}
		}
	}
	for _, runs := range tests {
		if s.Runs == 0 || len(runs) < s.Runs {
			s.Runs = len(runs)
		}
	}
	return s
}

// note tells what makes the comparison worth less than it looks.
func (r *Result) note(before, after []*journal.Folder) {
	add := func(format string, args ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, args...)) }
	if a, b := users(before), users(after); a != b {
		add("the one side ran as %s, the other as %s: some sysctls and packet filters are root's only", a, b)
	}
	if len(processesOf(before)) == 0 || len(processesOf(after)) == 0 {
		add("one side has no sysctls: its process did not come to its end")
	}
	if r.Before.Runs == 1 || r.After.Runs == 1 {
		add("a side with one run can't tell what it shows only now and then: run the tests with -count=3")
	}
	for _, f := range slices.Concat(before, after) {
		for _, t := range f.Tests {
			for _, lab := range t.Labs {
				for _, gap := range lab.Gaps {
					add("%s: %s", t.Name, gap)
				}
			}
		}
	}
}

func users(folders []*journal.Folder) string {
	all := map[string]bool{}
	for _, f := range folders {
		for _, t := range f.Tests {
			all[t.User] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(all)), " and ")
}

// learnNames collects what nodes and interfaces are called.
func (r *Result) learnNames(runs []*journal.Test) {
	for _, t := range runs {
		for _, lab := range t.Labs {
			for _, n := range lab.Nodes {
				r.names[n.Name] = true
				for _, o := range n.Objects {
					if o.Kind == journal.Interface && o.Name != "lo" {
						r.names[o.Name] = true
						r.names[n.Name+":"+o.Name] = true
					}
				}
			}
		}
	}
}

// both are the keys of either map, in order.
func both[V any](a, b map[string]V) []string {
	keys := slices.Collect(maps.Keys(a))
	keys = slices.AppendSeq(keys, maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}
