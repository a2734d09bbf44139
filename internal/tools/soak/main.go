// Command soak runs all scenarios again and again, on a machine that is busy
// with other things, and looks at what the process holds meanwhile: nothing may
// fail, nothing may be skipped but for what the running kernel lacks, and
// nothing may grow. It is run in the project's folder, by `make soak`.
//
// The rounds are parts, each one process: the scenarios as root, as an ordinary
// user, both again under the race detector, and at last, fewer times, all tests
// of the package, which compare with iproute2 and tshark and plant faults.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// compared are the tests of the package that are no scenarios.
const compared = "^Test(Oracle.*|Faults|Tshark|Tcpdump|Printed|Ping|Conntrack|JournalsSayNothing|Document)$"

func main() {
	rounds := flag.Int("rounds", 1000, "rounds of the scenarios as root; three tenths of that as an ordinary user, a tenth of both again with -race, a hundredth of all tests")
	load := flag.String("load", "--cpu 2 --vm 1 --vm-bytes 256M --switch 2 --yield 2", "arguments of stress-ng; empty for none")
	parts := flag.String("parts", "root,user,race,all", "which parts")
	run := flag.String("run", "", "only the tests that this pattern matches")
	out := flag.String("out", "out/failed/soak", "directory for the files that failed tests save")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok, err := soak(ctx, options{*rounds, strings.Split(*parts, ","), *load, *run, *out})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// options are those of the command line.
type options struct {
	rounds         int
	parts          []string
	load, run, out string
}

func soak(ctx context.Context, o options) (bool, error) {
	if o.rounds < 1 {
		return false, fmt.Errorf("-rounds=%d: want at least 1", o.rounds)
	}
	for _, p := range o.parts {
		if !slices.Contains([]string{"root", "user", "race", "all"}, p) {
			return false, fmt.Errorf("-parts: %q is not root, user, race or all", p)
		}
	}
	b, err := prepare(slices.Contains(o.parts, "race"))
	if err != nil {
		return false, err
	}
	defer b.remove()
	endLoad, err := startLoad(o.load)
	if err != nil {
		return false, err
	}
	defer func() { _ = endLoad() }()

	share := func(of int) int { return max(o.rounds*of/100, 1) }
	steps := [][]*part{{
		{name: "root", kind: "root", binary: b.plain, rounds: o.rounds, root: true, skip: compared},
		{name: "user", kind: "user", binary: b.plain, rounds: share(30), skip: compared},
	}, {
		{name: "root, race", kind: "race", binary: b.race, rounds: share(10), root: true, skip: compared},
		{name: "user, race", kind: "race", binary: b.race, rounds: share(3), skip: compared},
	}, {
		{name: "root, all tests", kind: "all", binary: b.plain, rounds: share(1), root: true},
	}}
	before := lookAtMachine()
	fmt.Printf("the machine before: %s\n", before)
	began := time.Now()
	ok := true
	var all []*part
	for _, step := range steps {
		var running sync.WaitGroup
		for _, p := range step {
			if !slices.Contains(o.parts, p.kind) {
				continue
			}
			if p.root && os.Geteuid() != 0 {
				fmt.Printf("%s: not run: this is not root\n", p.name)
				continue
			}
			all = append(all, p)
			p.dir, p.run, p.artifacts, p.patience = b.scenarios, o.run, filepath.Join(o.out, fileName(p.name)), patience
			running.Go(func() { p.soak(ctx) })
		}
		running.Wait()
	}
	if err := endLoad(); err != nil {
		return false, fmt.Errorf("the tests did not run under load to their end: %w", err)
	}
	after := before.settled()
	fmt.Printf("the machine after:  %s\n\n%s\n", after, heading)
	for _, p := range all {
		fmt.Println(p.row())
	}
	fmt.Println()
	for _, p := range all {
		ok = p.tell() && ok
	}
	if what := before.changed(after); what != "" {
		fmt.Println("FAILED: the machine has changed:", what)
		ok = false
	}
	fmt.Printf("took %v\n", time.Since(began).Round(time.Second))
	return ok, nil
}

// built is what was made to be run.
type built struct {
	folder, plain, race string
	scenarios           string // a copy of the package's folder, where an ordinary user can read it
}

func prepare(race bool) (b *built, err error) {
	b = &built{}
	if b.folder, err = os.MkdirTemp("", "netrig-soak-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.remove()
		}
	}()
	b.plain, b.race = filepath.Join(b.folder, "scenarios.test"), filepath.Join(b.folder, "race.test")
	for file, args := range map[string][]string{b.plain: nil, b.race: {"-race"}} {
		if file == b.race && !race {
			continue
		}
		cmd := exec.Command("go", append(append([]string{"test", "-c", "-o", file}, args...), "./scenarios")...)
		if said, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build the tests: %w\n%s", err, said)
		}
	}
	for _, dir := range []string{"scenarios", "testdata", "docs"} {
		if err := os.CopyFS(filepath.Join(b.folder, dir), os.DirFS(dir)); err != nil {
			return nil, fmt.Errorf("copy the folder %s: %w", dir, err)
		}
	}
	b.scenarios = filepath.Join(b.folder, "scenarios")
	return b, os.Chmod(b.folder, 0o755)
}

func (b *built) remove() { _ = os.RemoveAll(b.folder) }

// startLoad keeps the machine busy. What it returns ends that, and says if the
// load had ended by itself.
func startLoad(args string) (end func() error, err error) {
	if args == "" {
		return func() error { return nil }, nil
	}
	cmd := exec.Command("sh", "-c", "exec stress-ng --quiet --timeout 24h "+args)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start stress-ng: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return sync.OnceValue(func() error {
		select {
		case err := <-ended:
			return fmt.Errorf("stress-ng ended early (%v); internal/tools/packages.sh stress installs it", err)
		default:
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
		return nil
	}), nil
}
