package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/netrig/netrig/internal/bisect"
	"github.com/netrig/netrig/internal/compare"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/kernels"
	"github.com/netrig/netrig/internal/vm"
)

const bisectHelp = `
Runs the tests of a package on two kernels, of which the older is known to be
good, and then on those in between, to name the first that behaves otherwise:
whose tests end otherwise, or whose network does something else although they
still pass. What that is is told as netrig compare tells it.

The kernels in between are those that the archive has of the suites that --good
and --bad name, and those in the cache of the same flavour. They are fetched as
they are needed. One that can't be booted or fetched is stepped over, and said.

A kernel counts as bad when it differs from the good one in something in which
the bad one does too. Without --kind the sysctls of a fresh namespace don't
count: they are not the tests' own.

Every run writes journals, to a directory that --keep names or that is removed at
the end.

Examples:

   netrig bisect --good debian/trixie-backports=6.18 --bad debian/trixie-backports -run TestRouter ./scenarios
   netrig bisect --good debian/bookworm --bad debian/trixie --all --json ./scenarios > changes.json
   netrig bisect --good debian/trixie-backports=6.18 --bad debian/trixie-backports --kind sysctls -run TestVethPair ./scenarios

Exit status: 0 the first bad kernel is named, 1 there is nothing to be found (both
ends behave alike, or the tests fail on the good one and pass on the bad one), 2
only a range is named, since no kernel in it can be tried, 125 the tests could
not be run, 64 for a wrong command line.`

// Exit statuses of bisect beside the common ones.
const (
	statusNothing = 1
	statusRange   = 2
)

func bisectCommand() *cli.Command {
	return &cli.Command{
		Name:         "bisect",
		Usage:        "name the first kernel that behaves otherwise",
		UsageText:    "netrig bisect --good KERNEL --bad KERNEL [OPTIONS] [PACKAGE]",
		Description:  paragraph(bisectHelp),
		OnUsageError: usageError,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "good", Usage: "the older `KERNEL`, which behaves as it should"},
			&cli.StringFlag{Name: "bad", Usage: "the newer `KERNEL`, which does not"},
			&cli.StringFlag{Name: "run", Usage: "run only the tests that match `PATTERN`, as go test -run"},
			&cli.IntFlag{Name: "count", Value: 3, Usage: "run the tests `N` times on each kernel: only what is otherwise each time counts"},
			&cli.StringSliceFlag{Name: "kind", Usage: "only differences of this `KIND` count: " + kindNames()},
			&cli.BoolFlag{Name: "all", Usage: "find the first kernel of every difference, not only of the earliest"},
			&cli.BoolFlag{Name: "json", Usage: "write the result as JSON"},
			&cli.StringFlag{Name: "keep", Usage: "keep journals, output and console of each kernel in `DIR`"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "say nothing until the end"},
			cacheFlag(),
		}, machineFlags()...),
		Action: runBisect,
	}
}

func kindNames() string {
	var names []string
	for _, k := range compare.Kinds() {
		if k != compare.Times { // no journals' times decide anything
			names = append(names, string(k))
		}
	}
	return strings.Join(names, ", ")
}

// bisection is what the command line asks for.
type bisection struct {
	config  vm.Config
	cache   *kernels.Cache
	tests   *tests
	pattern string
	count   int
	dir     string // of journals, one below it a kernel
	kept    bool
	say     func(string, ...any)
}

func runBisect(ctx context.Context, c *cli.Command) error {
	var kinds []compare.Kind
	for _, name := range c.StringSlice("kind") {
		k := compare.Kind(strings.TrimSpace(name))
		if !slices.Contains(compare.Kinds(), k) || k == compare.Times {
			return exit{statusUsage, fmt.Errorf("--kind: there is no kind %q; there are %s", k, kindNames())}
		}
		kinds = append(kinds, k)
	}
	switch {
	case c.String("good") == "" || c.String("bad") == "":
		return exit{statusUsage, errors.New("two kernels are wanted, --good and --bad: " + kernels.Forms)}
	case c.Int("count") < 1:
		return exit{statusUsage, fmt.Errorf("--count %d: the tests have to run once at least", c.Int("count"))}
	case c.Args().Len() > 1:
		return exit{statusUsage, fmt.Errorf("one package, not %d: options come before it", c.Args().Len())}
	}
	config, err := machineOf(c)
	if err != nil {
		return err
	}
	b := &bisection{config: *config, pattern: c.String("run"), count: c.Int("count"), say: teller(c)}
	if c.Bool("quiet") {
		b.say = func(string, ...any) {}
	}
	if b.cache, err = openCache(c); err != nil {
		return err
	}
	if b.dir = c.String("keep"); b.dir != "" {
		b.kept = true
		err = os.MkdirAll(b.dir, 0o777) //nolint:gosec // as the umask says
	} else {
		b.dir, err = os.MkdirTemp("", "netrig-bisect-")
		defer func() { os.RemoveAll(b.dir) }()
	}
	if err == nil {
		b.dir, err = filepath.Abs(b.dir)
	}
	if err != nil {
		return fmt.Errorf("make a place for journals: %w", err)
	}
	candidates, err := b.cache.Between(ctx, c.String("good"), c.String("bad"))
	if err != nil {
		return err
	}
	pkg := "."
	if c.Args().Present() {
		pkg = c.Args().First()
	}
	build, err := os.MkdirTemp("", "netrig-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(build)
	if b.tests, err = buildTests(ctx, pkg, build); err != nil {
		return err
	}
	var list []bisect.Kernel
	missing := 0
	for _, k := range candidates {
		list = append(list, bisect.Kernel{Name: k.Name, Release: k.Release, Version: k.Version, Missing: k.Missing})
		if k.Missing != "" {
			missing++
		}
	}
	text := fmt.Sprintf("%d kernels, the good one and the bad one included", len(list))
	if missing > 0 {
		text += fmt.Sprintf("; %d of them the archive names, but no longer has", missing)
	}
	b.say("%s: some %d will be tried", text, 2+steps(len(list)-missing-2))
	result, err := bisect.Search(ctx, list, b.run, bisect.Options{Kinds: kinds, All: c.Bool("all"), Say: func(s bisect.Step) { b.say("%s", told(s)) }})
	return bisected(c, result, err)
}

// steps is how many of n kernels bisection tries at most.
func steps(n int) (tries int) {
	for ; n > 0; n /= 2 {
		tries++
	}
	return tries
}

// told is a step for people.
func told(s bisect.Step) string {
	text := fmt.Sprintf("%-10s  %s  %.1f s", s.Verdict, s.Kernel, s.Seconds)
	if s.Why != "" {
		why, _, _ := strings.Cut(s.Why, "\n")
		text += "  " + why
	}
	if s.Left > 1 {
		text += fmt.Sprintf("  (%d left)", s.Left)
	}
	return text
}

// run runs the tests on one kernel.
func (b *bisection) run(ctx context.Context, k bisect.Kernel) (*bisect.Run, error) {
	kernel, err := b.cache.Find(ctx, k.Name)
	if err != nil {
		return nil, &bisect.Untestable{Err: err}
	}
	dir := filepath.Join(b.dir, kernel.ID)
	journals := filepath.Join(dir, "journals")
	// Those of an earlier bisection would be taken for runs of this one.
	if err := os.RemoveAll(journals); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(journals, 0o777); err != nil { //nolint:gosec // as the umask says
		return nil, err
	}
	output, err := os.Create(filepath.Join(dir, "output.txt"))
	if err != nil {
		return nil, err
	}
	defer output.Close()
	console, err := os.Create(filepath.Join(dir, "console.txt"))
	if err != nil {
		return nil, err
	}
	defer console.Close()

	config := b.config
	config.Kernel, config.CacheDir = kernel, b.cache.Dir()
	config.Dir = b.tests.dir
	config.Args = []string{b.tests.binary, "-test.v=true", "-test.run=" + b.pattern, fmt.Sprintf("-test.count=%d", b.count)}
	config.Env = append(slices.Clone(config.Env), journal.Variable+"="+journals)
	var head bytes.Buffer
	both := io.MultiWriter(output, &head)
	config.Stdout, config.Stderr, config.Console = both, both, console
	result, err := vm.Run(ctx, config, nil)
	run, err := b.judge(result, err)
	if err != nil {
		return nil, err
	}
	if strings.Contains(head.String(), "testing: warning: no tests to run") {
		return nil, fmt.Errorf("no test of %s matches -run %q", b.tests.pkg, b.pattern)
	}
	if files, _ := filepath.Glob(filepath.Join(journals, "*.json")); len(files) > 0 {
		if run.Journals, err = journal.Read(journals); err != nil {
			return nil, err
		}
	}
	return run, nil
}

// judge is what became of a machine, in words that are the same when the same
// became of it.
func (b *bisection) judge(r *vm.Result, err error) (*bisect.Run, error) {
	var crash *vm.Crash
	switch {
	case errors.As(err, &crash) && !crash.Started:
		return nil, &bisect.Untestable{Err: errors.New("it does not boot: " + crash.Why)}
	case errors.As(err, &crash):
		return &bisect.Run{Ending: "the machine did not live to their end"}, nil
	case err != nil:
		return nil, err
	case r.Signal != 0:
		return &bisect.Run{Ending: "ended by " + r.Signal.String()}, nil
	case r.Status != 0:
		return &bisect.Run{Ending: bisect.EndFailed}, nil
	case len(r.Complaints) > 0:
		return &bisect.Run{Ending: "passed, and the kernel complained"}, nil
	}
	return &bisect.Run{Ending: bisect.EndPassed}, nil
}

// bisected tells the result, and is the end of the program.
func bisected(c *cli.Command, r *bisect.Result, err error) error {
	status := 0
	switch {
	case errors.Is(err, bisect.ErrSame), errors.Is(err, bisect.ErrSwapped):
		status = statusNothing
	case err != nil:
		return err
	case slices.ContainsFunc(r.Changes, func(ch bisect.Change) bool { return len(ch.Untestable) > 0 }):
		status = statusRange
	}
	w := c.Root().Writer
	if c.Bool("json") {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(r); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	}
	switch {
	case errors.Is(err, bisect.ErrSwapped):
		return exit{status, fmt.Errorf("%w: swap them if that is what you mean, the good one being the newer can't be", err)}
	case err != nil:
		return exit{status, fmt.Errorf("%w, from %s to %s: nothing to be found; run more tests, or count other kinds (--kind sysctls)", err, r.Good, r.Bad)}
	}
	if !c.Bool("json") {
		for i, ch := range r.Changes {
			if i > 0 {
				fmt.Fprintln(w)
			}
			tellChange(w, ch)
		}
		if len(r.Later) > 0 {
			fmt.Fprintf(w, "\nWhat the bad kernel does otherwise beside that came later (--all finds out when):\n")
			tellDifferences(w, r.Later)
		}
	}
	if status != 0 {
		return exit{status, nil}
	}
	return nil
}

func tellChange(w io.Writer, ch bisect.Change) {
	if len(ch.Untestable) == 0 {
		fmt.Fprintf(w, "%s is the first that behaves otherwise; %s, the one before, does not.\n", ch.First, ch.LastGood)
	} else {
		fmt.Fprintf(w, "%s behaves otherwise, and %s does not. Those between the two can't be tried, so that any of them may be the first:\n", ch.First, ch.LastGood)
		for _, k := range ch.Untestable {
			fmt.Fprintf(w, "    %s\n", strings.TrimSuffix(fmt.Sprintf("%s: %s", k, k.Missing), ": "))
		}
	}
	tellDifferences(w, ch.Differences)
}

func tellDifferences(w io.Writer, list []compare.Difference) {
	const most = 20
	for i, d := range list {
		if i == most {
			fmt.Fprintf(w, "and %d more\n", len(list)-most)
			return
		}
		fmt.Fprintln(w, "  "+strings.ReplaceAll(d.String(), "\n", "\n  "))
	}
}

// machineFlags are options of machines that run tests of one package on one
// kernel after the other.
func machineFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "memory", Value: vm.DefaultMemory, Usage: "memory of a machine in `MB`"},
		&cli.StringFlag{Name: "accel", Value: "auto", Usage: "kvm, tcg (emulation), or auto: kvm if it is seen to work"},
	}
}

// machineOf is what the command line says of machines, whatever they run.
func machineOf(c *cli.Command) (*vm.Config, error) {
	if c.Int("memory") < 64 {
		return nil, exit{statusUsage, fmt.Errorf("--memory %d: a kernel needs 64 MB at least", c.Int("memory"))}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return &vm.Config{Self: self, Env: os.Environ(), Memory: c.Int("memory"), Accel: vm.Accel(c.String("accel"))}, nil
}
