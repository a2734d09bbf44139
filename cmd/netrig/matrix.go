package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/netrig/netrig/internal/compare"
	"github.com/netrig/netrig/internal/matrix"
	"github.com/netrig/netrig/internal/vm"
)

const matrixHelp = `
Compiles the tests of the packages once, static, and runs them on each kernel in
a virtual machine of its own, as many at a time as there are processors. Then it
prints which test passes on which kernel, and what changed from the first kernel
to each of the others: tests that end otherwise, and what was observed although
they pass (see netrig compare --help). What differs is run twice more on both
kernels: only what shows each time is told, and what shows alike in three tests.

The packages are named as for go test; none is the one in this directory. Their
tests must use netrig's harness (harness.Main in TestMain).

--kernels is a list with commas between. A kernel is named as for netrig vm; or
"running", which is taken to a machine if /boot/vmlinuz-RELEASE can be read, and
else the tests run on it outside, as who you are. Without the option they are

   %s

With --baseline DIR each kernel is compared with what --record DIR once wrote of
the same version (or of the same name, debian/SUITE, if there is none of it), and
not with the first.

Examples:

   netrig matrix ./scenarios
   netrig matrix --kernels running,debian/trixie -run 'TestRouter|TestBridge' ./scenarios
   netrig matrix --kernels debian/bookworm,/boot/vmlinuz-6.12.107+deb13-amd64 --json out/kernels ./lan ./wan
   netrig matrix --kernels debian/sid --baseline testdata/baseline --summary "$GITHUB_STEP_SUMMARY" ./scenarios

With --host-config the machines apply this system's own configuration, as the next
kernel will (see netrig vm --help).

--json DIR keeps for each kernel the journals, the log and the console, and
summary.json, whose "version" is %d.

Exit status: 0 all as in the first column, or in the baseline; 1 something changed
for the worse, a kernel crashed or complained, or tests fail from the first
column on; 2 a kernel could not be run; 64 for a wrong command line; 128 and the
number of the signal that ended it.`

func matrixCommand() *cli.Command {
	return &cli.Command{
		Name:         "matrix",
		Usage:        "run tests on several kernels, and tell what changed",
		UsageText:    "netrig matrix [OPTIONS] [PACKAGE...]",
		Description:  paragraph(fmt.Sprintf(matrixHelp, strings.Join(matrix.Usual, "\n   "), matrix.Version)),
		OnUsageError: usageError,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "kernels", Aliases: []string{"k"}, Usage: "the kernels, the first of which the others are compared with", Value: strings.Join(matrix.Usual, ","), HideDefault: true},
			&cli.StringFlag{Name: "run", Usage: "only tests that match the `REGEXP`, as for go test"},
			&cli.StringFlag{Name: "skip", Usage: "no tests that match the `REGEXP`, as for go test"},
			&cli.IntFlag{Name: "count", Value: 1, Usage: "run each test `N` times"},
			&cli.IntFlag{Name: "parallel", Usage: "so many tests at a time in a machine", DefaultText: "4"},
			&cli.DurationFlag{Name: "timeout", Value: 30 * time.Minute, Usage: "of each kernel's tests"},
			&cli.BoolFlag{Name: "v", Usage: "hand on what the tests print"},
			&cli.StringFlag{Name: "json", Usage: "keep the results in `DIR`"},
			&cli.StringFlag{Name: "summary", Usage: "append the result in Markdown to a `FILE`"},
			&cli.StringFlag{Name: "baseline", Usage: "compare with what is recorded in `DIR`"},
			&cli.StringFlag{Name: "record", Usage: "record what was observed in `DIR`, for --baseline"},
			&cli.BoolFlag{Name: "once", Usage: "do not repeat what differs"},
			&cli.StringFlag{Name: "allow", Usage: "tell differences of these `KINDS`, but don't count them (see netrig compare --help)"},
			&cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Usage: "so many machines at a time", DefaultText: "one for each processor"},
			&cli.IntFlag{Name: "memory", Value: vm.DefaultMemory, Usage: "memory of a machine in `MB`"},
			&cli.StringFlag{Name: "accel", Value: "auto", Usage: "kvm, tcg (emulation), or auto: kvm if it is seen to work"},
			hostFlag(),
			hostRootFlag(),
			cacheFlag(),
		},
		Action: runMatrix,
	}
}

func runMatrix(ctx context.Context, c *cli.Command) error {
	config, err := matrixConfig(c)
	if err != nil {
		return exit{statusUsage, err}
	}
	if config.Cache, err = openCache(c); err != nil {
		return exit{matrix.StatusCannot, err}
	}
	if config.Self, err = os.Executable(); err != nil {
		return exit{matrix.StatusCannot, fmt.Errorf("find this program: %w", err)}
	}
	config.Stdout = c.Root().Writer
	config.Progress = matrix.NewProgress(c.Root().ErrWriter, os.Stderr.Fd())
	config.Cache.Say = config.Progress.Say
	defer config.Progress.Done()
	r, err := matrix.Run(ctx, *config)
	if err != nil {
		return exit{matrix.StatusCannot, err}
	}
	if err := writeMatrix(c, r); err != nil {
		return exit{matrix.StatusCannot, err}
	}
	if status := r.Status(); status != matrix.StatusSame {
		return exit{status: status}
	}
	return nil
}

func writeMatrix(c *cli.Command, r *matrix.Result) error {
	if err := r.Text(c.Root().Writer); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	name := c.String("summary")
	if name == "" {
		return nil
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("--summary: %w", err)
	}
	return errors.Join(r.Markdown(io.Writer(file)), file.Close())
}

// matrixConfig is what the command line asks for. Its errors are about that.
func matrixConfig(c *cli.Command) (*matrix.Config, error) {
	config := &matrix.Config{
		Packages: c.Args().Slice(), Run: c.String("run"), Skip: c.String("skip"), Count: c.Int("count"), Parallel: c.Int("parallel"),
		Timeout: c.Duration("timeout"), Verbose: c.Bool("v"), Keep: c.String("json"), Baseline: c.String("baseline"), Record: c.String("record"),
		Jobs: c.Int("jobs"), Memory: c.Int("memory"), Accel: vm.Accel(c.String("accel")), Repeat: 3,
	}
	if c.Bool("once") {
		config.Repeat = 1
	}
	var err error
	if config.Host, err = hostOf(c); err != nil {
		return nil, err
	}
	if len(config.Packages) == 0 {
		config.Packages = []string{"."}
	}
	for name := range strings.SplitSeq(c.String("kernels"), ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == "":
			return nil, errors.New("--kernels: a name is empty; want names with commas between")
		case strings.HasSuffix(name, ".deb") && len(config.Kernels) > 0 && strings.HasSuffix(config.Kernels[len(config.Kernels)-1], ".deb"):
			return nil, errors.New("--kernels: package files with commas between could be one kernel or several: fetch each kernel (netrig kernels fetch FILE.deb,FILE.deb) and name its release")
		case slices.Contains(config.Kernels, name):
			return nil, fmt.Errorf("--kernels: %s is named twice", name)
		}
		config.Kernels = append(config.Kernels, name)
	}
	for _, number := range []struct {
		option       string
		value, least int
	}{{"count", config.Count, 1}, {"parallel", config.Parallel, 0}, {"jobs", config.Jobs, 0}, {"memory", config.Memory, 64}} {
		if number.value < number.least {
			return nil, fmt.Errorf("--%s %d: want %d at least", number.option, number.value, number.least)
		}
	}
	if config.Timeout <= 0 {
		return nil, fmt.Errorf("--timeout %s: want a time, such as 30m", config.Timeout)
	}
	for name := range strings.SplitSeq(c.String("allow"), ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !slices.Contains(compare.Kinds(), compare.Kind(name)) {
			return nil, fmt.Errorf("--allow: there is no kind %q; there are %v", name, compare.Kinds())
		}
		config.Allow = append(config.Allow, compare.Kind(name))
	}
	if config.Baseline != "" {
		if info, err := os.Stat(config.Baseline); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("--baseline %s is no directory: netrig matrix --record %s makes one", config.Baseline, config.Baseline)
		}
	}
	return config, nil
}
