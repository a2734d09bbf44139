package matrix

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/baseline"
	"github.com/netrig/netrig/internal/compare"
	"github.com/netrig/netrig/internal/journal"
)

// Result is what became of the tests on every kernel.
type Result struct {
	Columns []*Column
	// Changes are what changed in each column but those that others are compared
	// with.
	Changes []*Change

	config   *Config
	binaries []binary
}

// Change is what changed from one side to a column.
type Change struct {
	Column *Column
	Before string // what it is compared with
	// Compared is what compare says; nil where nothing can be compared.
	Compared *compare.Result
	// Missing says why nothing can be compared.
	Missing string

	reference *Column // nil: a file
	folder    *journal.Folder
}

// The exit statuses.
const (
	StatusSame   = 0
	StatusWorse  = 1
	StatusCannot = 2
)

// compare compares each column with the first, or with what was recorded of its
// kernel.
func (r *Result) compare() error {
	if r.Changes == nil {
		if err := r.pair(); err != nil {
			return err
		}
	}
	for _, change := range r.Changes {
		if err := change.make(r.config); err != nil {
			return err
		}
	}
	return nil
}

// pair finds what each column is compared with.
func (r *Result) pair() error {
	for i, column := range r.Columns {
		switch {
		case r.config.Baseline != "":
			change, err := recorded(r.config.Baseline, column)
			if err != nil {
				return err
			}
			r.Changes = append(r.Changes, change)
		case i > 0:
			first := r.Columns[0]
			r.Changes = append(r.Changes, &Change{Column: column, Before: first.Short(), reference: first})
		}
	}
	return nil
}

// recorded is the file of the kernel's own version; else of one of the same name,
// "debian/bookworm", the newest that there is.
func recorded(dir string, c *Column) (*Change, error) {
	files, err := baseline.Files(dir)
	if err != nil {
		return nil, err
	}
	change := &Change{Column: c, Missing: fmt.Sprintf("nothing is recorded of it in %s: netrig matrix --kernels %s --record %s", dir, c.Name, dir)}
	for _, file := range files {
		f, err := baseline.Read(file)
		if err != nil {
			return nil, err
		}
		exact := strings.TrimSuffix(filepath.Base(file), baseline.Extension) == c.ID()
		same := len(f.Systems) > 0 && f.Systems[0].Name == c.Name && c.Name != Running
		if exact || same {
			change.folder, change.Before, change.Missing = f, file, ""
		}
		if exact {
			break
		}
	}
	return change, nil
}

func (change *Change) make(c *Config) error {
	before := change.folder
	if change.reference != nil {
		before = change.reference.folder
	}
	switch {
	case change.Column.Unable || change.reference != nil && change.reference.Unable:
		change.Missing = "one of the two could not be run"
	case change.Missing != "":
	case len(before.Tests) == 0 || len(change.Column.folder.Tests) == 0:
		change.Missing = "no test that uses a lab has come to its end on both"
	default:
		compared, err := compare.Compare([]*journal.Folder{before}, []*journal.Folder{change.Column.folder}, compare.Options{Allow: c.Allow})
		if err != nil {
			change.Missing = err.Error()
			return nil
		}
		change.Compared = compared
		change.leaveOut()
	}
	return nil
}

// leaveOut drops what says nothing: tests that were not asked for, and those that
// never ran because the kernel had crashed.
func (change *Change) leaveOut() {
	keep := func(d compare.Difference) bool {
		if d.Kind != compare.Outcomes || d.After != notRun {
			return true
		}
		_, began := change.Column.tests[d.Test]
		return began || change.Column.Crash == nil && change.reference != nil
	}
	change.Compared.Differences = slices.DeleteFunc(change.Compared.Differences, func(d compare.Difference) bool { return !keep(d) })
	change.Compared.Judge()
}

// outcomes are tests without a journal that end otherwise than in the column
// before: those that use no lab, or end before they have one.
func (change *Change) outcomes() (lines []string) {
	if change.reference == nil || change.Column.Unable || change.reference.Unable {
		return nil
	}
	told := map[string]bool{}
	for _, f := range []*journal.Folder{change.reference.folder, change.Column.folder} {
		for _, t := range f.Tests {
			told[t.Package[strings.LastIndexByte(t.Package, '/')+1:]+"."+t.Name] = true
		}
	}
	for _, name := range leaves(change.Column.tests) {
		before, after := change.reference.tests[name], change.Column.tests[name]
		if told[name] || before == nil || before.String() == after.String() || before.String() == journal.Failed || after.String() == journal.Passed {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: %s before, %s now: %s", name, before, after, after.reason()))
	}
	return lines
}

// worse tells whether the column behaves otherwise than before.
func (change *Change) worse() bool {
	if change.Compared != nil && change.Compared.Status == compare.StatusWorse {
		return true
	}
	return len(change.outcomes()) > 0
}

// Status is the exit status.
func (r *Result) Status() int {
	status := StatusSame
	for _, c := range r.Columns {
		if c.Unable {
			return StatusCannot
		}
		if c.Crash != nil || len(c.Complaints) > 0 {
			status = StatusWorse
		}
	}
	for _, change := range r.Changes {
		switch {
		case change.worse():
			status = StatusWorse
		case change.Compared == nil && change.Column.Crash == nil && r.config.Baseline != "":
			return StatusCannot
		}
	}
	// What fails from the first column on is no change, and no good ground either.
	if r.config.Baseline == "" && slices.ContainsFunc(leaves(r.Columns[0].tests), func(name string) bool { return r.Columns[0].tests[name].failed > 0 }) {
		status = StatusWorse
	}
	return status
}

// pattern is a -run pattern for tests by name, at least for these.
func pattern(names []string) string {
	var parts [][]string
	for _, name := range names {
		for i, part := range strings.Split(name, "/") {
			if i == len(parts) {
				parts = append(parts, nil)
			}
			if quoted := regexp.QuoteMeta(part); !slices.Contains(parts[i], quoted) {
				parts[i] = append(parts[i], quoted)
			}
		}
	}
	var b strings.Builder
	for i, level := range parts {
		if i > 0 {
			b.WriteByte('/')
		}
		slices.Sort(level)
		b.WriteString("^(" + strings.Join(level, "|") + ")$")
	}
	return b.String()
}
