package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func partOf(rounds int, events ...event) *part {
	p := &part{name: "x", rounds: rounds, skips: map[string]int{}, output: map[string][]string{}}
	for _, e := range events {
		p.event(e)
	}
	return p
}

func TestEvents(t *testing.T) {
	round := []event{{"run", "TestA", ""}, {"run", "TestB", ""}, {"output", "TestB", "    b_test.go:1: this kernel has none\n"}, {"skip", "TestB", ""}, {"pass", "TestA", ""}}
	p := partOf(2, append(append(round, round...), event{"pass", "", ""})...)
	if p.round != 2 || p.passed != 2 || p.failed != 0 || len(p.problems) != 0 || p.skips["TestB: b_test.go:1: this kernel has none"] != 2 {
		t.Fatalf("%+v", p)
	}
	for want, events := range map[string][]event{
		"TestA failed\n    why\n":                              {{"run", "TestA", ""}, {"output", "TestA", "    why\n"}, {"fail", "TestA", ""}},
		"not for what the kernel lacks: ping is not installed": {{"run", "TestA", ""}, {"output", "TestA", "ping is not installed\n"}, {"skip", "TestA", ""}},
	} {
		if p := partOf(1, events...); len(p.problems) != 1 || !strings.Contains(p.problems[0], want) {
			t.Errorf("want %q, not %q", want, p.problems)
		}
	}
}

// A part that ends early, says nothing, or leaves a process behind has failed.
func TestPart(t *testing.T) {
	for want, script := range map[string]string{
		"only 1 of 2 rounds were begun":                         `printf '\026=== RUN   TestA\n\026--- PASS: TestA (0.00s)\n'`,
		"no test passed at all":                                 `:`,
		"TestA never came to its end":                           `printf '\026=== RUN   TestA\nhow it went\n'; exit 2`,
		"the tests ended with exit status 3":                    `exit 3`,
		"processes are left: ":                                  `printf '\026=== RUN   TestA\n\026--- PASS: TestA (0.00s)\n'; sleep 30 >/dev/null 2>&1 & exit 0`,
		"TestA failed\n=== RUN   TestA\n    a_test.go:1: why\n": `printf '\026=== RUN   TestA\n    a_test.go:1: why\n\026--- FAIL: TestA (0.00s)\n\026FAIL\n'; exit 1`,
	} {
		file := t.TempDir() + "/tests"
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		p := &part{name: want, binary: file, dir: t.TempDir(), artifacts: t.TempDir(), rounds: 2, root: true, patience: 100 * time.Millisecond}
		p.soak(t.Context())
		if text := strings.Join(p.problems, "\n"); !strings.Contains(text, want) {
			t.Errorf("%s: want %q, not %q", script, want, text)
		}
	}
}

// What grows is seen, and what only differs is not taken for it.
func TestGrown(t *testing.T) {
	at := func(descriptors, threads, namespaces, memory int) usage {
		return usage{processes: 3, descriptors: descriptors, threads: threads, namespaces: namespaces, memory: memory << 20, looks: 100, rounds: 100}
	}
	young, before := at(40, 20, 8, 40), at(90, 30, 20, 60)
	for want, last := range map[string]usage{
		"": at(100, 35, 40, 70), "descriptors grew from 90 to 180": at(180, 30, 20, 60), "threads grew from 30 to 60": at(90, 60, 20, 60),
		"network namespaces grew from 28 to 60": at(90, 30, 60, 60), "memory in MB grew from 60 to 100": at(90, 30, 20, 100),
	} {
		problems, told := grown([]usage{young, before, before, last})
		if !told || strings.Join(problems, " ") != want {
			t.Errorf("%v: %v, want %q", last, problems, want)
		}
	}
	few := before
	few.looks = 3
	if _, told := grown([]usage{young, before, few}); told {
		t.Error("a report of three looks is taken to tell something")
	}
}

// TestLook counts what a process and its child hold.
func TestLook(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exec 5</dev/null 6</dev/null 7</dev/null; sleep 1000 & echo ready; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}()
	if _, err := out.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	u := look(cmd.Process.Pid)
	// What the test was started with is inherited by both.
	own := len(list(fmt.Sprintf("/proc/%d/fd", cmd.Process.Pid)))
	if u.processes != 2 || u.threads != 2 || own < 6 || u.descriptors != 2*own || u.namespaces != 1 || u.memory < 1<<20 {
		t.Fatalf("%+v", u)
	}
}

// An interface or a name that was not there before is a change.
func TestMachine(t *testing.T) {
	m := lookAtMachine()
	if !strings.Contains(m.interfaces, "lo ") || m.changed(m) != "" {
		t.Fatalf("%+v", m)
	}
	other := m
	other.interfaces += "veth9 "
	if what := m.changed(other); !strings.Contains(what, "veth9") {
		t.Fatal(what)
	}
}
