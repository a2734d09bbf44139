package matrix

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// repeat runs once more what differs, on both sides, so that only what shows in
// each of three runs is told. A difference that shows alike in three tests has
// been seen so already.
func (r *Result) repeat(ctx context.Context) error {
	again := map[*Column]map[string]bool{}
	add := func(c *Column, names []string) {
		if c == nil || c.Unable || c.Crash != nil {
			return
		}
		if again[c] == nil {
			again[c] = map[string]bool{}
		}
		for _, n := range names {
			if c.tests[n] != nil {
				again[c][n] = true
			}
		}
	}
	for _, change := range r.Changes {
		if change.Compared != nil {
			names := change.Compared.Rare(repeats)
			add(change.Column, names)
			add(change.reference, names)
		}
	}
	var jobs []job
	for _, column := range r.Columns {
		if len(again[column]) == 0 {
			continue
		}
		for _, b := range r.binaries {
			var names []string
			for _, name := range slices.Sorted(maps.Keys(again[column])) {
				if test, ok := strings.CutPrefix(name, b.name+"."); ok {
					names = append(names, test)
				}
			}
			if len(names) > 0 {
				b.tests = tops(names)
				jobs = append(jobs, job{
					column: column, binary: b, journals: filepath.Join(column.dir, "again", b.journal),
					args: r.config.arguments(pattern(names), repeats-1),
				})
			}
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	r.config.Progress.Say("running what differs %d times more", repeats-1)
	if err := r.all(ctx, jobs); err != nil {
		return err
	}
	for column := range again {
		if err := column.read(); err != nil {
			return err
		}
	}
	return r.compare()
}

// tops are the tests that the names are of, once for each run.
func tops(names []string) (all []string) {
	for _, name := range names {
		top, _, _ := strings.Cut(name, "/")
		if !slices.Contains(all, top) {
			all = append(all, top)
		}
	}
	return slices.Repeat(all, repeats-1)
}
