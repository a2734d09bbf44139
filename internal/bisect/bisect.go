// Package bisect finds, between two kernels, the first that behaves otherwise
// than the good one: by how the tests end, and by the journals of what they
// observed.
//
// A kernel between the two is bad when it differs from the good one in something
// in which the bad one does too. What else it does otherwise has come and gone in
// the meantime, and is not what is looked for.
package bisect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/netrig/netrig/internal/compare"
	"github.com/netrig/netrig/internal/journal"
)

// Kernel is one of those to be tried.
type Kernel struct {
	Name    string `json:"-"` // for whoever runs it
	Release string `json:"release"`
	Version string `json:"version,omitempty"` // of its package
	// Missing says, when it is not empty, why the kernel can't be had: it is not
	// tried, and named when it may be the first.
	Missing string `json:"missing,omitempty"`
}

func (k Kernel) String() string {
	if k.Version == "" {
		return k.Release
	}
	return k.Release + " (" + k.Version + ")"
}

// Run is what the tests did on a kernel.
type Run struct {
	// Ending says how they ended, in a word or two that are the same for the same
	// ending: "passed", "failed", "the kernel crashed".
	Ending string
	// Journals of the tests; nil when there are none.
	Journals *journal.Folder
}

// Untestable is the error of a Runner when a kernel can't be tried, and the
// others can: it does not boot, or can't be fetched any more.
type Untestable struct{ Err error }

func (u *Untestable) Error() string { return u.Err.Error() }
func (u *Untestable) Unwrap() error { return u.Err }

// Runner runs the tests on a kernel.
type Runner func(context.Context, Kernel) (*Run, error)

// Verdict of a kernel.
type Verdict string

// The verdicts.
const (
	Good   Verdict = "good"
	Bad    Verdict = "bad"
	Broken Verdict = "untestable"
)

// Step is one kernel that was tried.
type Step struct {
	Kernel
	Verdict Verdict `json:"verdict"`
	// Why it is bad, or untestable.
	Why     string  `json:"why,omitempty"`
	Seconds float64 `json:"seconds"`
	// Left is how many kernels are still in question after it.
	Left int `json:"left"`
}

// Change is where behaviour changed.
type Change struct {
	// First is the first kernel that behaves otherwise, and LastGood the newest
	// before it that does not.
	First    Kernel `json:"first"`
	LastGood Kernel `json:"last_good"`
	// Untestable are those between the two: any of them may be the first.
	Untestable []Kernel `json:"untestable,omitempty"`
	// Differences are those from the good kernel that came with it.
	Differences []compare.Difference `json:"differences"`
}

// Result of a search.
type Result struct {
	Good    Kernel   `json:"good"`
	Bad     Kernel   `json:"bad"`
	Steps   []Step   `json:"steps"`
	Changes []Change `json:"changes"` // oldest first
	// Later are differences of the bad kernel that came after the last of the
	// changes that were looked for.
	Later []compare.Difference `json:"later,omitempty"`
}

// Options of a search.
type Options struct {
	// Kinds of differences that count; none are all but sysctls, which are not the
	// tests' own, and times.
	Kinds []compare.Kind
	// All looks for the kernel of every difference, not only for the first.
	All bool
	// Say is called after each step, if it is not nil.
	Say func(Step)
}

// ErrSame is that nothing is to be found.
var ErrSame = errors.New("both ends behave alike")

// ErrSwapped is that the tests fail on the good kernel, and pass on the bad one.
var ErrSwapped = errors.New("the tests fail on the good kernel, and pass on the bad one")

// Search tries kernels, which are in order, the good one first and the bad one
// last. The result holds the steps also when there is an error.
func Search(ctx context.Context, kernels []Kernel, run Runner, o Options) (*Result, error) {
	if len(kernels) < 2 {
		return nil, fmt.Errorf("bisect %d kernels: it takes two at least", len(kernels))
	}
	s := &search{kernels: kernels, run: run, options: o, runs: make([]*Run, len(kernels)), broken: make([]bool, len(kernels)),
		result: &Result{Good: kernels[0], Bad: kernels[len(kernels)-1], Changes: []Change{}}}
	for i, k := range kernels {
		s.broken[i] = k.Missing != ""
	}
	return s.result, s.search(ctx)
}

type search struct {
	kernels []Kernel
	run     Runner
	options Options
	runs    []*Run // what is known
	broken  []bool // can't be tried
	result  *Result
}

func (s *search) search(ctx context.Context) error {
	last := len(s.kernels) - 1
	for _, end := range []int{0, last} {
		began := time.Now()
		run, err := s.run(ctx, s.kernels[end])
		if err != nil {
			return fmt.Errorf("the %s kernel, %s: %w", map[bool]string{true: "good", false: "bad"}[end == 0], s.kernels[end], err)
		}
		s.runs[end] = run
		step := Step{Kernel: s.kernels[end], Verdict: Good, Seconds: time.Since(began).Seconds(), Left: s.left(0, last)}
		if end == last {
			found, err := s.differences(last)
			if err != nil {
				return err
			}
			if len(found) == 0 {
				s.tell(step)
				return fmt.Errorf("%w: the tests %s on each, and what they observed is the same", ErrSame, run.Ending)
			}
			if failed(s.runs[0]) && !failed(s.runs[last]) {
				return ErrSwapped
			}
			step.Verdict, step.Why = Bad, Summary(found)
		}
		s.tell(step)
	}
	wanted, err := s.differences(last)
	if err != nil {
		return err
	}
	for low := 0; len(wanted) > 0 && (s.options.All || low == 0); {
		change, first, err := s.change(ctx, low, wanted)
		if err != nil {
			return err
		}
		s.result.Changes = append(s.result.Changes, *change)
		wanted = without(wanted, change.Differences)
		low = first
	}
	s.result.Later = wanted
	return nil
}

// change finds the first kernel after low that has one of the differences, none
// of which low has.
func (s *search) change(ctx context.Context, low int, wanted []compare.Difference) (*Change, int, error) {
	high := len(s.kernels) - 1
	for {
		middle := s.middle(low, high)
		if middle < 0 {
			break
		}
		bad, err := s.try(ctx, middle, low, high, wanted)
		switch {
		case err != nil:
			return nil, 0, err
		case s.broken[middle]:
		case bad:
			high = middle
		default:
			low = middle
		}
	}
	found, err := s.differences(high)
	if err != nil {
		return nil, 0, err
	}
	return &Change{First: s.kernels[high], LastGood: s.kernels[low], Untestable: s.kernels[low+1 : high], Differences: among(found, wanted)}, high, nil
}

// middle is the kernel between two that is nearest to the middle and can be
// tried; -1 when there is none.
func (s *search) middle(low, high int) int {
	best := -1
	for i := low + 1; i < high; i++ {
		far := func(i int) int { return max(2*i-low-high, low+high-2*i) }
		if !s.broken[i] && (best < 0 || far(i) < far(best)) {
			best = i
		}
	}
	return best
}

// try tells whether a kernel has one of the differences.
func (s *search) try(ctx context.Context, i, low, high int, wanted []compare.Difference) (bad bool, err error) {
	known := s.runs[i] != nil
	began := time.Now()
	if !known {
		run, err := s.run(ctx, s.kernels[i])
		var untestable *Untestable
		if errors.As(err, &untestable) && ctx.Err() == nil {
			s.broken[i] = true
			s.tell(Step{Kernel: s.kernels[i], Verdict: Broken, Why: untestable.Error(), Seconds: time.Since(began).Seconds(), Left: s.left(low, high)})
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("kernel %s: %w", s.kernels[i], err)
		}
		s.runs[i] = run
	}
	found, err := s.differences(i)
	if err != nil {
		return false, err
	}
	found = among(found, wanted)
	if known {
		return len(found) > 0, nil
	}
	step := Step{Kernel: s.kernels[i], Verdict: Good, Seconds: time.Since(began).Seconds(), Left: s.left(i, high)}
	if len(found) > 0 {
		step.Verdict, step.Why, step.Left = Bad, Summary(found), s.left(low, i)
	}
	s.tell(step)
	return len(found) > 0, nil
}

// left is how many of those that can be tried may be the first bad one.
func (s *search) left(low, high int) (n int) {
	for i := low + 1; i <= high; i++ {
		if !s.broken[i] {
			n++
		}
	}
	return n
}

func (s *search) tell(step Step) {
	s.result.Steps = append(s.result.Steps, step)
	if s.options.Say != nil {
		s.options.Say(step)
	}
}

// differences are those of a kernel from the good one that count.
func (s *search) differences(i int) ([]compare.Difference, error) {
	good, other := s.runs[0], s.runs[i]
	var found []compare.Difference
	if good.Journals != nil && other.Journals != nil {
		r, err := compare.Compare([]*journal.Folder{good.Journals}, []*journal.Folder{other.Journals}, compare.Options{})
		if err != nil {
			return nil, err
		}
		for _, d := range r.Differences {
			if d.Verdict != compare.Note && s.counts(d.Kind) {
				found = append(found, d)
			}
		}
	}
	// When journals tell of a test that ends otherwise, the whole run's ending is
	// no news.
	told := slices.ContainsFunc(found, func(d compare.Difference) bool { return d.Kind == compare.Outcomes })
	if good.Ending != other.Ending && !told && s.counts(compare.Outcomes) {
		d := compare.Difference{Kind: compare.Outcomes, What: "the run", Before: good.Ending, After: other.Ending, Verdict: compare.Worse}
		found = append([]compare.Difference{d}, found...)
	}
	return found, nil
}

func (s *search) counts(k compare.Kind) bool {
	if len(s.options.Kinds) > 0 {
		return slices.Contains(s.options.Kinds, k)
	}
	return k != compare.Sysctls && k != compare.Times
}

// Endings of a Run that a Runner uses for those.
const (
	EndPassed = "passed"
	EndFailed = "failed"
)

func failed(r *Run) bool { return r.Ending == EndFailed }

// place is what a difference is about, whatever the values: on the way from the
// one kernel to the other they can change more than once.
func place(d compare.Difference) compare.Difference {
	d.Before, d.After, d.Verdict, d.Line = "", "", "", ""
	return d
}

// among are the differences that are about something that one of wanted is
// about.
func among(found, wanted []compare.Difference) (both []compare.Difference) {
	for _, d := range found {
		if slices.ContainsFunc(wanted, func(w compare.Difference) bool { return place(w) == place(d) }) {
			both = append(both, d)
		}
	}
	return both
}

// without are those of all that are about none of the things of some.
func without(all, some []compare.Difference) []compare.Difference {
	return slices.DeleteFunc(slices.Clone(all), func(d compare.Difference) bool { return len(among([]compare.Difference{d}, some)) > 0 })
}

// Summary is the first difference in a line, and how many more there are.
func Summary(found []compare.Difference) string {
	d := found[0]
	text := d.Thing()
	if d.Test != "" {
		text = d.Test + ": " + text
	}
	text += fmt.Sprintf(": %s before, %s now", value(d.Before), value(d.After))
	if len(found) > 1 {
		text += fmt.Sprintf("; and %d more", len(found)-1)
	}
	return text
}

func value(v string) string {
	const most = 80
	switch {
	case v == "":
		return "nothing"
	case len(v) > most:
		return v[:most] + "..."
	}
	return v
}
