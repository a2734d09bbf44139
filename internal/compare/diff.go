package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/journal"
)

// Difference is one thing that changed.
type Difference struct {
	Kind  Kind   `json:"kind"`
	Test  string `json:"test,omitempty"` // empty for what is not of a test: sysctls
	Lab   int    `json:"lab,omitempty"`  // of a test with several
	Step  string `json:"step,omitempty"`
	Node  string `json:"node,omitempty"`
	What  string `json:"what"`
	Field string `json:"field,omitempty"`
	// Before and After are empty for what is not there.
	Before string `json:"before"`
	After  string `json:"after"`
	Line   string `json:"line,omitempty"` // of the test's source
	// Verdict is whether it decides the exit status.
	Verdict Verdict `json:"verdict"`
}

// Verdict is what a difference means for the exit status.
type Verdict string

// Worse decides the exit status: what worked before no longer does, or behaves
// otherwise. Better and Note do not.
const (
	Worse  Verdict = "worse"
	Better Verdict = "better"
	Note   Verdict = "note"
)

// sides are the values of all runs of each side in one place.
type sides struct{ before, after []string }

// counts tells whether the two sides differ, every run of one from every run of
// the other. Where both sides are of several minds, the place tells nothing. Of
// an order fewer than three runs tell nothing either: nodes work side by side.
func (s sides) counts(kind Kind) bool {
	a, b := distinct(s.before), distinct(s.after)
	if kind == Order && (min(len(s.before), len(s.after)) < 3 || len(a) > 1 || len(b) > 1) {
		return false
	}
	if len(a) > 1 && len(b) > 1 {
		return false
	}
	return !slices.ContainsFunc(a, func(v string) bool { return slices.Contains(b, v) })
}

func distinct(values []string) []string {
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}

// behaviour compares the runs of one test that passed on both sides.
func behaviour(name string, before, after []*journal.Test) []Difference {
	a, b := factsOfAll(before), factsOfAll(after)
	relax(slices.Concat(before, after), slices.Concat(a, b))
	places := map[place]bool{}
	for _, f := range slices.Concat(a, b) {
		for p := range f {
			places[p] = true
		}
	}
	differ := map[place]bool{}
	for p := range places {
		s := sides{valuesAt(p, a), valuesAt(p, b)}
		absent := slices.Contains(s.before, "") || slices.Contains(s.after, "")
		differ[p] = s.counts(p.Kind) && !(absent && optional(p)) && !someWays(p, a, b)
	}
	packets := map[place]bool{} // where the packets differ, in a node
	for p, is := range differ {
		if is && p.Kind == Packets {
			packets[place{Lab: p.Lab, Step: p.Step}] = true
		}
	}
	var all []Difference
	for p, is := range differ {
		whole := p
		whole.Field = ""
		switch {
		case !is:
			continue
		case p.Field != "" && p.Kind != Order && differ[whole]: // the thing itself has come or gone
			continue
		case p.Kind == Order && packets[place{Lab: p.Lab, Step: p.Step}]: // other packets stand in another order
			continue
		}
		all = append(all, describe(name, p, representative(p, a), representative(p, b), len(before[0].Labs) > 1)...)
	}
	sortDifferences(all)
	return all
}

func factsOfAll(runs []*journal.Test) []facts {
	all := make([]facts, len(runs))
	for i, t := range runs {
		all[i] = factsOf(t)
	}
	return all
}

func valuesAt(p place, runs []facts) []string {
	values := make([]string, len(runs))
	for i, f := range runs {
		if values[i] = f[p].text(); f[p] == nil {
			values[i] = missing(p)
		}
	}
	return values
}

// shown is a fact, and the run that it is from.
type shown struct {
	fact *fact
	run  facts
}

// representative is the fact of a run that stands for its side: the one that
// most runs agree on.
func representative(p place, runs []facts) shown {
	count := map[string]int{}
	best := shown{}
	for _, f := range runs {
		text := f[p].text()
		if count[text]++; best.run == nil || count[text] > count[best.fact.text()] {
			best = shown{f[p], f}
		}
	}
	return best
}

// describe puts a difference into words; one in packets may be several.
func describe(test string, p place, before, after shown, labs bool) []Difference {
	d := Difference{Kind: p.Kind, Test: test, Step: p.Step, Node: p.Node, What: p.What, Field: p.Field, Verdict: Worse}
	if labs {
		d.Lab = p.Lab
	}
	for _, s := range []shown{before, after} {
		if s.fact != nil && s.fact.at != "" {
			d.Line = s.fact.at
		}
	}
	if p.Kind == Packets {
		return describePackets(d, before.fact, after.fact)
	}
	d.Before, d.After = before.words(p), after.words(p)
	if p.Kind == Actions {
		// It is the test that does otherwise, by the kernel that it finds or by its own
		// text.
		d.Verdict = Note
		d.Before, d.After = apart(d.Before, d.After)
	}
	return []Difference{d}
}

// words are the value, or of a whole thing all its fields.
func (s shown) words(p place) string {
	if s.fact == nil {
		return missing(p)
	}
	text := s.fact.text()
	if text != present {
		return text
	}
	var fields []string
	for other, f := range s.run {
		field := other.Field
		if other.Field = ""; other == p && field != "" && f.text() != "no" {
			fields = append(fields, field+" "+f.text())
		}
	}
	slices.Sort(fields)
	if fields == nil {
		return text
	}
	return strings.Join(fields, ", ")
}

// apart leaves out what two sequences of actions begin and end with alike.
func apart(before, after string) (string, string) {
	a, b := strings.Split(before, then), strings.Split(after, then)
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return strings.Join(a, then), strings.Join(b, then)
}

// describePackets tells which packets came, went, or took another way.
func describePackets(d Difference, before, after *fact) []Difference {
	var gone, come []string
	if before != nil {
		gone = before.values
	}
	if after != nil {
		come = after.values
	}
	gone, come = without(gone, come), without(come, gone)
	var all []Difference
	for i := range max(len(gone), len(come)) {
		one := d
		if i < len(gone) {
			one.Before = before.told[gone[i]]
		}
		if i < len(come) {
			one.After = after.told[come[i]]
		}
		// The same packet more than once is one difference.
		if n := len(all); n > 0 && all[n-1].Before == one.Before && all[n-1].After == one.After {
			continue
		}
		all = append(all, one)
	}
	return all
}

// without is what is in a more often than in b.
func without(a, b []string) (rest []string) {
	have := map[string]int{}
	for _, v := range b {
		have[v]++
	}
	for _, v := range a {
		if have[v]--; have[v] < 0 {
			rest = append(rest, v)
		}
	}
	return rest
}

func sortDifferences(all []Difference) {
	slices.SortStableFunc(all, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(slices.Index(Kinds(), a.Kind), slices.Index(Kinds(), b.Kind)), cmp.Compare(a.Test, b.Test),
			cmp.Compare(a.Lab, b.Lab), cmp.Compare(a.Step, b.Step), cmp.Compare(a.Node, b.Node), cmp.Compare(a.What, b.What), cmp.Compare(a.Field, b.Field),
			cmp.Compare(a.Before, b.Before))
	})
}

// sysctls compares those of a fresh namespace. Each package has run in a process
// of its own, which may have loaded other modules; so the processes of a package
// are compared.
func sysctls(before, after []*journal.Process) []Difference {
	found := map[string]Difference{}
	for _, pkg := range packagesOf(before) {
		a, b := settingsOf(pkg, before), settingsOf(pkg, after)
		if len(b) == 0 {
			continue
		}
		names := map[string]bool{}
		for _, s := range slices.Concat(a, b) {
			for name := range s {
				names[name] = !ignoredSysctl(name)
			}
		}
		for _, f := range families {
			if has := [2]bool{hasFamily(f, a), hasFamily(f, b)}; has[0] != has[1] {
				found[f] = Difference{Kind: Sysctls, What: "sysctls " + f + "*", Field: "in a fresh namespace", Before: presence[has[0]], After: presence[has[1]], Verdict: Note}
				maps.DeleteFunc(names, func(name string, _ bool) bool { return familyOf(name) == f })
			}
		}
		for name, compared := range names {
			if s := (sides{settingAt(name, a), settingAt(name, b)}); compared && s.counts(Sysctls) {
				d := Difference{Kind: Sysctls, What: "sysctl " + name, Field: "in a fresh namespace", Before: s.before[0], After: s.after[0], Verdict: Worse}
				if d.Before == "" { // nobody has set it yet
					d.Verdict = Note
				}
				found[name] = d
			}
		}
	}
	all := slices.Collect(maps.Values(found))
	sortDifferences(all)
	return all
}

// modules compares those that the processes of a package have had loaded, where both
// kernels have modules at all. They are to know: what a module does shows elsewhere,
// and one that is built in is none.
func modules(before, after []*journal.Process) []Difference {
	found := map[string]Difference{}
	for _, pkg := range packagesOf(before) {
		a, b := processesOfPackage(pkg, before), processesOfPackage(pkg, after)
		names := map[string]bool{}
		for _, p := range slices.Concat(a, b) {
			if p.Modules == nil {
				names = nil
				break
			}
			for _, name := range p.Loaded {
				names[name] = true
			}
		}
		for name := range names {
			if s := (sides{moduleAt(name, a), moduleAt(name, b)}); len(b) > 0 && s.counts(Modules) {
				found[name] = Difference{Kind: Modules, What: "module " + name, Before: s.before[0], After: s.after[0], Verdict: Note}
			}
		}
	}
	all := slices.Collect(maps.Values(found))
	sortDifferences(all)
	return all
}

func processesOfPackage(pkg string, all []*journal.Process) (some []*journal.Process) {
	for _, p := range all {
		if p.Package == pkg {
			some = append(some, p)
		}
	}
	return some
}

// moduleAt tells of each process whether the module was there at its end. Who had it
// loaded depends on what ran before.
func moduleAt(name string, processes []*journal.Process) []string {
	values := make([]string, len(processes))
	for i, p := range processes {
		if slices.Contains(p.Modules, name) {
			values[i] = "loaded"
		}
	}
	return values
}

func packagesOf(all []*journal.Process) (names []string) {
	for _, p := range all {
		if !slices.Contains(names, p.Package) {
			names = append(names, p.Package)
		}
	}
	return names
}

func settingsOf(pkg string, all []*journal.Process) (settings []map[string]string) {
	for _, p := range all {
		if p.Package == pkg {
			settings = append(settings, p.Sysctls)
		}
	}
	return settings
}

// presence is what a difference says of a whole family.
var presence = map[bool]string{true: present}

func hasFamily(family string, all []map[string]string) bool {
	for _, settings := range all {
		for name := range settings {
			if familyOf(name) == family {
				return true
			}
		}
	}
	return false
}

func settingAt(name string, runs []map[string]string) []string {
	values := make([]string, len(runs))
	for i, s := range runs {
		value, is := s[name]
		switch {
		case is && value == "":
			values[i] = "empty"
		case is:
			values[i] = quietSetting(name, value)
		}
	}
	return values
}

// times are tests and verbs that took more than factor times as long; of several
// runs the fastest counts. They never decide anything.
func times(name string, before, after []*journal.Test, factor float64) []Difference {
	const least = 20 // ms: below it a factor is chance
	a, b := fastest(before), fastest(after)
	var all []Difference
	for what, took := range b {
		if was, known := a[what]; known && took > least && took > factor*max(was, 1) {
			all = append(all, Difference{Kind: Times, Test: name, What: what, Field: "time",
				Before: fmt.Sprintf("%.0f ms", was), After: fmt.Sprintf("%.0f ms, %.0f times as long", took, took/max(was, 1)), Verdict: Note})
		}
	}
	sortDifferences(all)
	return all
}

func fastest(runs []*journal.Test) map[string]float64 {
	best := map[string]float64{}
	for _, t := range runs {
		sum := map[string]float64{}
		for _, s := range t.Times {
			sum[s.What] += s.Took
		}
		for what, took := range sum {
			if old, known := best[what]; !known || took < old {
				best[what] = took
			}
		}
	}
	return best
}
