package matrix

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/netrig/netrig/internal/journal"
)

// Run runs the matrix. The error says why there is none; what a single kernel
// does is in its column.
func Run(ctx context.Context, c Config) (*Result, error) {
	if c.start == nil {
		c.start = start
	}
	if c.Jobs == 0 {
		c.Jobs = runtime.NumCPU()
	}
	if c.Parallel == 0 {
		c.Parallel = usualParallel
	}
	columns, err := columns(ctx, &c)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(columns, func(c *Column) bool { return !c.Unable }) {
		return nil, fmt.Errorf("no kernel can be run: %w", columns[0].Crash)
	}
	work, err := os.MkdirTemp("", "netrig-matrix-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	c.Progress.Say("compiling the tests of %s", strings.Join(c.Packages, " "))
	binaries, err := build(ctx, &c, work)
	if err != nil {
		return nil, err
	}
	results := work
	if c.Keep != "" {
		if results, err = filepath.Abs(c.Keep); err != nil {
			return nil, err
		}
	}
	r := &Result{config: &c, Columns: columns, binaries: binaries}
	if err := r.run(ctx, results); err != nil {
		return nil, err
	}
	return r, nil
}

// run runs the tests and compares, with its files in the folder given.
func (r *Result) run(ctx context.Context, results string) error {
	for _, column := range r.Columns {
		if err := column.prepare(results); err != nil {
			return err
		}
	}
	steps := []func() error{func() error { return r.first(ctx) }, r.compare}
	if r.config.Repeat > 1 {
		steps = append(steps, func() error { return r.repeat(ctx) })
	}
	if r.config.Record != "" {
		steps = append(steps, r.record)
	}
	if r.config.Keep != "" {
		steps = append(steps, func() error { return r.keep(results) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	r.config.Progress.Done()
	return nil
}

// first runs everything once on every kernel.
func (r *Result) first(ctx context.Context) error {
	var all []job
	for _, column := range r.Columns {
		for _, b := range r.binaries {
			if !column.Unable {
				all = append(all, job{column: column, binary: b, journals: filepath.Join(column.dir, "journals", b.journal), args: r.config.arguments(r.config.Run, r.config.Count)})
			}
		}
	}
	if err := r.all(ctx, all); err != nil {
		return err
	}
	for _, column := range r.Columns {
		if err := column.read(); err != nil {
			return err
		}
	}
	return nil
}

// arguments are those of a test binary.
func (c *Config) arguments(run string, count int) []string {
	args := []string{"-test.v=test2json", "-test.count=" + strconv.Itoa(max(count, 1)), "-test.parallel=" + strconv.Itoa(c.Parallel), "-test.timeout=" + c.Timeout.String()}
	if run != "" {
		args = append(args, "-test.run="+run)
	}
	if c.Skip != "" {
		args = append(args, "-test.skip="+c.Skip)
	}
	return args
}

// all runs jobs, so many at a time; one that fails stops no other.
func (r *Result) all(ctx context.Context, jobs []job) error {
	queue := make(chan job)
	var workers sync.WaitGroup
	var mu sync.Mutex
	var broken error
	for range min(r.config.Jobs, max(len(jobs), 1)) {
		workers.Go(func() {
			for j := range queue {
				if err := r.one(ctx, j, &mu); err != nil {
					mu.Lock()
					broken = errors.Join(broken, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, j := range jobs {
		select {
		case queue <- j:
		case <-ctx.Done():
		}
	}
	close(queue)
	workers.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return broken
}

// one runs a job. The error is about this machine, not about the kernel.
func (r *Result) one(ctx context.Context, j job, mu *sync.Mutex) error {
	if ctx.Err() != nil {
		return nil
	}
	column := j.column
	if err := os.MkdirAll(j.journals, 0o777); err != nil { //nolint:gosec // as the umask says
		return fmt.Errorf("make a folder for journals: %w", err)
	}
	logged, err := os.OpenFile(filepath.Join(column.dir, "log.txt"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer logged.Close()
	console, err := os.OpenFile(filepath.Join(column.dir, "console.txt"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer console.Close()
	line := r.config.Progress.start(column.Short(), len(j.binary.tests))
	out := &output{ended: line.ended, copy: func(text string) {
		fmt.Fprintln(logged, text)
		if r.config.Verbose {
			mu.Lock()
			defer mu.Unlock()
			r.config.Progress.aside(func() { fmt.Fprintf(r.config.Stdout, "%s: %s\n", column.Short(), text) })
		}
	}}
	j.output, j.console, j.booted = out, console, line.booted
	result, err := r.config.start(ctx, r.config, j)
	if ctx.Err() != nil {
		line.done("interrupted")
		return nil
	}
	mu.Lock()
	defer mu.Unlock()
	column.take(j.binary, out)
	if result != nil {
		if column.Boot == 0 {
			column.Boot = result.Boot.Took
		}
		column.Took += result.Took
		column.Complaints = append(column.Complaints, result.Complaints...)
		if result.Signal != 0 && err == nil {
			err = fmt.Errorf("the tests of %s were ended by a signal: %s", j.binary.pkg, result.Signal)
		}
	}
	if err != nil {
		column.crashed(err)
		line.done(firstLine(err))
		return nil
	}
	line.done(out.summary())
	return nil
}

// take adds the outcomes of a job to those that are there.
func (c *Column) take(b binary, out *output) {
	if c.tests == nil {
		c.tests = map[string]*outcome{}
	}
	for name, t := range out.tests {
		name = b.name + "." + name
		if had := c.tests[name]; had != nil {
			had.runs, had.failed, had.skipped = had.runs+t.runs, had.failed+t.failed, had.skipped+t.skipped
			if t.failed > 0 || len(had.said) == 0 {
				had.said = t.said
			}
			continue
		}
		c.tests[name] = t
	}
}

// read reads the column's journals, of the first run and of those after. The
// sysctls of a process are those of the first: it alone loads all modules.
func (c *Column) read() error {
	c.folder = &journal.Folder{Path: c.Short()}
	if c.Unable {
		return nil
	}
	for _, part := range []string{"journals", "again"} {
		folder := filepath.Join(c.dir, part)
		names, err := filepath.Glob(filepath.Join(folder, "*", "*.json"))
		if err != nil || len(names) == 0 {
			continue // of tests that use no lab there are none
		}
		f, err := journal.Read(folder)
		if err != nil {
			// One that stopped in the middle of writing: what it was is told already.
			if c.Crash != nil {
				continue
			}
			return err
		}
		c.folder.Tests = append(c.folder.Tests, f.Tests...)
		if part == "journals" {
			c.folder.Processes = f.Processes
		}
	}
	s, err := c.system()
	if err != nil {
		return err
	}
	c.folder.Systems = []*journal.System{s}
	return nil
}

// leaves are the names of the tests that have no subtests.
func leaves(tests map[string]*outcome) (names []string) {
	parents := map[string]bool{}
	for name := range tests {
		for at := strings.LastIndexByte(name, '/'); at >= 0; at = strings.LastIndexByte(name[:at], '/') {
			parents[name[:at]] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		if !parents[name] {
			names = append(names, name)
		}
	}
	return names
}
