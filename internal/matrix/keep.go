package matrix

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/baseline"
	"github.com/netrig/netrig/internal/compare"
	"github.com/netrig/netrig/internal/journal"
)

// Version is that of the form of a summary.
const Version = 1

// SummaryFile is the file of the summary in the folder of results.
const SummaryFile = "summary.json"

// Summary is the result for machines.
type Summary struct {
	Version  int             `json:"version"`
	Status   int             `json:"status"`
	Packages []string        `json:"packages"`
	Kernels  []SummaryKernel `json:"kernels"`
}

// SummaryKernel is a column.
type SummaryKernel struct {
	Name           string   `json:"name"`
	Release        string   `json:"release,omitempty"`
	PackageVersion string   `json:"package_version,omitempty"`
	Outside        bool     `json:"outside,omitempty"` // in no machine
	Folder         string   `json:"folder"`            // below the results, with journals, log.txt and console.txt
	Unable         string   `json:"unable,omitempty"`  // why it could not be run
	Crash          string   `json:"crash,omitempty"`
	Complaints     []string `json:"complaints,omitempty"`
	BootSeconds    float64  `json:"boot_seconds,omitempty"`
	Seconds        float64  `json:"seconds"`
	// Tests are those without subtests, by package and name.
	Tests map[string]SummaryTest `json:"tests"`
	// ComparedWith is what Changes is from; empty for the first column.
	ComparedWith string          `json:"compared_with,omitempty"`
	Changes      *compare.Result `json:"changes,omitempty"`
	NotCompared  string          `json:"not_compared,omitempty"`
}

// SummaryTest is a test's outcome: "pass", "fail", "skip" or "not run".
type SummaryTest struct {
	Outcome string `json:"outcome"`
	Runs    int    `json:"runs"`
	Failed  int    `json:"failed,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Summary is the result for machines.
func (r *Result) Summary() *Summary {
	s := &Summary{Version: Version, Status: r.Status()}
	for _, b := range r.binaries {
		s.Packages = append(s.Packages, b.pkg)
	}
	for _, c := range r.Columns {
		k := SummaryKernel{
			Name: c.Name, Release: c.Release, PackageVersion: c.Version, Outside: c.Outside, Folder: filepath.Base(c.dir), Complaints: c.Complaints,
			BootSeconds: c.Boot.Seconds(), Seconds: c.Took.Seconds(), Tests: map[string]SummaryTest{},
		}
		switch {
		case c.Unable:
			k.Unable = c.Crash.Error()
		case c.Crash != nil:
			k.Crash = c.Crash.Error()
		}
		for _, name := range leaves(c.tests) {
			o := c.tests[name]
			t := SummaryTest{Outcome: o.String(), Runs: o.runs, Failed: o.failed}
			if o.failed+o.skipped > 0 {
				t.Reason = o.reason()
			}
			k.Tests[name] = t
		}
		if at := slices.IndexFunc(r.Changes, func(change *Change) bool { return change.Column == c }); at >= 0 {
			change := r.Changes[at]
			k.ComparedWith, k.Changes, k.NotCompared = change.Before, change.Compared, change.Missing
		}
		s.Kernels = append(s.Kernels, k)
	}
	return s
}

// keep writes the summary; the rest is there already.
func (r *Result) keep(dir string) error {
	return writeJSON(filepath.Join(dir, SummaryFile), r.Summary())
}

// record writes a file for each kernel. One that says the same as before stays as
// it is, so that a repository does not grow by what is chance.
func (r *Result) record() error {
	var all error
	for _, c := range r.Columns {
		if c.Unable || c.Crash != nil || len(c.folder.Tests) == 0 {
			r.config.Progress.Say("%s: nothing is recorded, since it did not come to its end", c.Short())
			continue
		}
		if failed := slices.DeleteFunc(leaves(c.tests), func(name string) bool { return c.tests[name].failed == 0 }); len(failed) > 0 {
			all = errors.Join(all, fmt.Errorf("%s: nothing is recorded of a kernel on which tests fail: %s", c.Short(), strings.Join(failed, ", ")))
			continue
		}
		file := filepath.Join(r.config.Record, c.ID()+baseline.Extension)
		if asRecorded(file, c.folder) {
			r.config.Progress.Say("%s says the same as before, and stays", file)
			continue
		}
		if err := baseline.Write(file, c.folder, compare.Alike); err != nil {
			return err
		}
		r.config.Progress.Say("recorded %s", file)
	}
	return all
}

// asRecorded tells whether a file says what the folder says, of the same tests.
func asRecorded(file string, f *journal.Folder) bool {
	old, err := baseline.Read(file)
	if err != nil || len(old.Systems) == 0 || len(f.Systems) == 0 || old.Systems[0].ConfigHash != f.Systems[0].ConfigHash || len(old.Tests) != len(f.Tests) {
		return false
	}
	r, err := compare.Compare([]*journal.Folder{old}, []*journal.Folder{f}, compare.Options{})
	return err == nil && len(r.Differences) == 0
}

func writeJSON(file string, what any) error {
	raw, err := json.MarshalIndent(what, "", " ")
	if err == nil {
		err = os.WriteFile(file, append(raw, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
