package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// nobody is the ordinary user that root becomes (the same number everywhere).
	nobody = 65534
	// silence is how long nothing may end or begin before it counts as hung.
	silence = 5 * time.Minute
	// patience is how long processes may take to be gone, on a machine with all
	// its processors taken.
	patience = 10 * time.Second
	// most failures are shown whole.
	most = 5
)

// part is one process that runs the tests a number of times.
type part struct {
	name, kind, binary, dir, run, skip, artifacts string
	rounds                                        int
	root                                          bool
	patience                                      time.Duration // for processes to be gone

	round          int
	passed, failed int
	skips          map[string]int // by reason
	problems       []string
	first          string // the test that a round begins with
	output         map[string][]string
	mu             sync.Mutex
	block          []usage // of this hundred rounds
	reports        []usage
	reported       int  // the round of the last report
	told           bool // the reports tell whether anything grows
	took           time.Duration
}

// event is a line of `go tool test2json`.
type event struct{ Action, Test, Output string }

// lacking is what a reason says that is the running kernel's.
var lacking = regexp.MustCompile(`kernel|needs root on the machine itself|no script types this network`)

func (p *part) problem(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	p.problems = append(p.problems, what)
	fmt.Printf("%s: FAILED: %s: %s\n", time.Now().Format(time.TimeOnly), p.name, what) // while the machine can still be looked at
}

func (p *part) soak(ctx context.Context) {
	began := time.Now()
	defer func() { p.took = time.Since(began) }()
	p.skips, p.output = map[string]int{}, map[string][]string{}
	if err := p.start(ctx); err != nil {
		p.problem("%v", err)
	}
	if p.round != p.rounds {
		p.problem("only %d of %d rounds were begun", p.round, p.rounds)
	}
	if p.passed == 0 {
		p.problem("no test passed at all")
	}
	p.report()
	problems, told := grown(p.reports)
	for _, what := range problems {
		p.problem("%s", what)
	}
	p.told = told
}

// start runs the process and reads what it says.
func (p *part) start(ctx context.Context) error {
	if err := os.MkdirAll(p.artifacts, 0o755); err != nil {
		return err
	}
	mark := fmt.Sprintf("NETRIG_SOAK_MARK=%d.%s", os.Getpid(), fileName(p.name))
	cmd := exec.Command(p.binary, "-test.v=test2json", fmt.Sprintf("-test.count=%d", p.rounds), "-test.timeout=0", "-test.run="+p.run, "-test.skip="+p.skip)
	cmd.Dir = p.dir
	artifacts, err := filepath.Abs(p.artifacts)
	if err != nil {
		return err
	}
	cmd.Env = append(os.Environ(), mark, "TMPDIR="+artifacts)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.root {
		// What a test would skip for want of a program fails it.
		cmd.Env = append(cmd.Env, "NETRIG_REQUIRE=1")
	} else if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(artifacts, nobody, nobody); err != nil {
			return err
		}
		cmd.Env = append(cmd.Env, "HOME="+artifacts)
	}
	raw, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	convert := exec.Command("go", "tool", "test2json")
	convert.Stdin = raw
	events, err := convert.StdoutPipe()
	if err != nil {
		return err
	}
	convert.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	kill := func(s syscall.Signal) { _ = syscall.Kill(cmd.Process.Pid, s) }
	defer context.AfterFunc(ctx, func() { kill(syscall.SIGTERM) })()
	if err := convert.Start(); err != nil {
		kill(syscall.SIGKILL)
		_ = cmd.Wait()
		return err
	}
	var hung sync.Once
	ended := make(chan struct{})
	defer close(ended)
	go p.watch(cmd.Process.Pid, ended)
	watchdog := time.AfterFunc(silence, func() {
		hung.Do(func() { kill(syscall.SIGQUIT) }) // the runtime then prints where every goroutine is
	})
	defer watchdog.Stop()
	p.read(events, func() { watchdog.Reset(silence) })
	_ = convert.Wait()
	err = cmd.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, name := range slices.Sorted(maps.Keys(p.output)) {
		if name != "" {
			p.failed++
			p.failure(name, "never came to its end", p.output[name])
		}
	}
	if err != nil {
		p.problem("the tests ended with %v: %s", err, strings.Join(p.output[""], ""))
	}
	if left := p.marked(mark); len(left) > 0 {
		p.problem("processes are left: %s", strings.Join(left, "; "))
	}
	return nil
}

// watch looks at what the process holds, several times a round.
func (p *part) watch(pid int, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case <-time.After(200 * time.Millisecond):
		}
		if u := look(pid); u.processes > 2 { // the tests, and who started them
			p.mu.Lock()
			p.block = append(p.block, u)
			p.mu.Unlock()
		}
	}
}

// read takes the events of the run.
func (p *part) read(from io.Reader, heard func()) {
	r := bufio.NewReaderSize(from, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		var e event
		if json.Unmarshal(line, &e) == nil && e.Action != "" {
			heard()
			p.event(e)
		}
		if err != nil {
			return
		}
	}
}

func (p *part) event(e event) {
	switch e.Action {
	case "run":
		p.output[e.Test] = nil
		if p.first == "" {
			p.first = e.Test
		}
		if e.Test == p.first {
			p.begin()
		}
		return
	case "output":
		p.output[e.Test] = append(p.output[e.Test], e.Output)
		return
	case "pass":
		if e.Test != "" {
			p.passed++
		}
	case "skip":
		why := reason(p.output[e.Test])
		p.skips[e.Test+": "+why]++
		if p.skips[e.Test+": "+why] == 1 && !lacking.MatchString(why) {
			p.problem("%s was skipped, and not for what the kernel lacks: %s", e.Test, why)
		}
	case "fail":
		if e.Test != "" {
			p.failed++
			p.failure(e.Test, "failed", p.output[e.Test])
		}
	default:
		return
	}
	if e.Test != "" {
		delete(p.output, e.Test)
	}
}

// begin is the moment between two rounds.
func (p *part) begin() {
	p.round++
	if every := min(100, max(p.rounds/10, 10)); p.round > 1 && (p.round-1)%every == 0 {
		p.report()
	}
}

// report tells the least of what the process held since the last report: what is
// under way differs, what leaks is always there.
func (p *part) report() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.block) == 0 {
		return
	}
	u := least(p.block)
	u.rounds = p.round - p.reported
	p.block, p.reports, p.reported = nil, append(p.reports, u), p.round
	skipped := 0
	for _, n := range p.skips {
		skipped += n
	}
	fmt.Printf("%s: round %d of %d: %d tests passed, %d failed, %d skipped; %s\n", p.name, p.round, p.rounds, p.passed, p.failed, skipped, u)
}

func (p *part) failure(test, what string, output []string) {
	text := ""
	if p.failed <= most {
		text = "\n" + strings.Join(output, "")
	}
	p.problem("round %d: %s %s%s", p.round, test, what, text)
}

var frame = regexp.MustCompile(`^\s*(=== |--- SKIP: )`)

// reason is why a test was skipped.
func reason(output []string) string {
	var why []string
	for _, line := range output {
		if text := strings.TrimSpace(line); text != "" && !frame.MatchString(line) {
			why = append(why, text)
		}
	}
	return strings.Join(why, " ")
}

// marked are the processes that have the mark in their environment, once those
// that are about to end have had a time for it.
func (p *part) marked(mark string) (left []string) {
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		left = nil
		for _, pid := range pids() {
			env, err := os.ReadFile(filepath.Join("/proc", pid, "environ"))
			if err == nil && slices.Contains(strings.Split(string(env), "\x00"), mark) {
				command, _ := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
				left = append(left, pid+" "+strings.ReplaceAll(string(command), "\x00", " "))
			}
		}
		if len(left) == 0 || time.Since(began) > p.patience {
			return left
		}
	}
}

const heading = "| part | rounds | tests passed | failed | skipped | took | descriptors | threads | namespaces | memory |\n" +
	"| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"

// row is the part as a line of a table: of what it held the first report and the
// last one, 0 where there was none long enough.
func (p *part) row() string {
	skipped := 0
	for _, n := range p.skips {
		skipped += n
	}
	first, last := usage{}, usage{}
	if r := judged(p.reports); len(r) > 0 {
		first, last = r[0], r[len(r)-1]
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %v | %d, %d | %d, %d | %d, %d | %d, %d MB |", p.name, p.round, p.passed, p.failed, skipped, p.took.Round(time.Second),
		first.descriptors, last.descriptors, first.threads, last.threads, first.namespaces, last.namespaces, first.memory>>20, last.memory>>20)
}

// tell says what is wrong, and what was skipped.
func (p *part) tell() bool {
	for _, what := range slices.Sorted(maps.Keys(p.skips)) {
		fmt.Printf("%s: skipped %d times: %s\n", p.name, p.skips[what], what)
	}
	if len(p.problems) > 0 {
		fmt.Printf("%s: FAILED: %d times, as told above\n", p.name, len(p.problems))
	}
	if !p.told {
		fmt.Printf("%s: too few rounds to tell whether anything grows\n", p.name)
	}
	return len(p.problems) == 0
}

func fileName(name string) string { return strings.NewReplacer(", ", "-", " ", "-").Replace(name) }
