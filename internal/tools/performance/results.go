package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// contest is one work of one size (bench/compete_test.go writes it).
type contest struct {
	Work    string
	Size    int
	Times   int
	Results []result
}

type result struct {
	Contender string
	Seconds   []float64
	After     []float64
	Lost      int
	Kilobytes int
	Bits      []float64
	Refused   string
}

// read reads one contest a line. Of a work that was done twice the later
// results count.
func read(r io.Reader) (all []contest, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c contest
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return nil, fmt.Errorf("%q: %w", lines.Text(), err)
		}
		all = slices.DeleteFunc(all, func(old contest) bool { return old.Work == c.Work && old.Size == c.Size })
		all = append(all, c)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there are no results")
	}
	return all, nil
}

// of is the result of a contender; one without values if it has none.
func (c contest) of(name string) result {
	for _, r := range c.Results {
		if r.Contender == name {
			return r
		}
	}
	return result{}
}

// median is the middle of the values, the lower one of two; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(values))[(len(values)-1)/2]
}

// machine says where the results are from: no more than changes them.
func machine() (string, error) {
	raw, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "", err
	}
	release := strings.SplitN(strings.TrimSpace(string(raw)), ".", 3)
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", err
	}
	model := "processors"
	for line := range strings.Lines(string(info)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%d × %s, Linux %s, %s", runtime.NumCPU(), model, strings.Join(release[:min(2, len(release))], "."), goVersion()), nil
}

func goVersion() string {
	return "Go " + strings.Join(strings.SplitN(strings.TrimPrefix(runtime.Version(), "go"), ".", 3)[:2], ".")
}
