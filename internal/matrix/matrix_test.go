package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netrig/netrig/internal/baseline"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/vm"
)

// kernel is a stand-in for one: what its tests print, and what they observe.
type kernel struct {
	ttl    func(run int) string // of TestX, by number of its run; "" fails it
	skips  bool                 // TestY
	err    error                // ends it after TestX
	result vm.Result
}

func always(ttl string) func(int) string { return func(int) string { return ttl } }

// fake runs the jobs of a matrix on such kernels, and notes their arguments.
type fake struct {
	t       *testing.T
	kernels map[string]kernel

	mu   sync.Mutex
	runs map[string]int
	args map[string][][]string
}

func (f *fake) start(_ context.Context, _ *Config, j job) (*vm.Result, error) {
	k := f.kernels[j.column.Name]
	f.mu.Lock()
	defer f.mu.Unlock()
	f.args[j.column.Name] = append(f.args[j.column.Name], j.args)
	w, err := journal.NewWriter(j.journals)
	require.NoError(f.t, err)
	header := journal.Header{Version: journal.Version, Package: "example.org/m/lan", Kernel: j.column.Release, Machine: "x86_64", User: "root"}
	print := func(format string, args ...any) { fmt.Fprintf(j.output, format, args...) }
	count := 1
	for _, a := range j.args {
		_, _ = fmt.Sscanf(a, "-test.count=%d", &count)
	}
	for range count {
		f.runs[j.column.Name]++
		ttl, how := k.ttl(f.runs[j.column.Name]), journal.Passed
		if ttl == "" {
			how = journal.Failed
		}
		print("\x16=== RUN   TestX\n\x16=== RUN   TestX/IPv4\n    lan_test.go:7: the ttl is %s\n", ttl)
		word := map[string]string{journal.Passed: "PASS", journal.Failed: "FAIL"}[how]
		print("\x16--- %s: TestX (0.01s)\n    \x16--- %s: TestX/IPv4 (0.01s)\n", word, word)
		require.NoError(f.t, w.Write(&journal.Test{Header: header, Name: "TestX/IPv4", Outcome: how, Labs: []*journal.Lab{{Steps: []*journal.Step{{Verbs: []journal.Verb{
			{Verb: "Reachable", From: "ns0", To: "192.168.1.2", Line: "lan_test.go:7", Saw: map[string]string{"ttl": ttl}}}}}}}}))
		print("\x16=== RUN   TestY\n")
		if k.err != nil {
			return nil, k.err
		}
		if k.skips {
			print("    lan_test.go:9: netrig: the program dnsmasq is not installed\n\x16--- SKIP: TestY (0.00s)\n")
		} else {
			print("\x16--- PASS: TestY (0.00s)\nPASS\n")
		}
	}
	return &k.result, nil
}

// run is a matrix of stand-ins, in the order given.
func run(t *testing.T, c Config, names []string, kernels map[string]kernel) (*Result, *fake, string) {
	t.Helper()
	f := &fake{t: t, kernels: kernels, runs: map[string]int{}, args: map[string][][]string{}}
	c.start, c.Jobs, c.Parallel, c.Timeout = f.start, 2, usualParallel, 60e9
	r := &Result{config: &c, binaries: []binary{{pkg: "example.org/m/lan", name: "lan", journal: "lan", tests: []string{"TestX", "TestY"}}}}
	for _, name := range names {
		r.Columns = append(r.Columns, &Column{Name: name, Release: name})
	}
	require.NoError(t, r.run(context.Background(), t.TempDir()))
	var text strings.Builder
	require.NoError(t, r.Text(&text))
	return r, f, text.String()
}

func TestSameOnAll(t *testing.T) {
	r, f, text := run(t, Config{Repeat: 3}, []string{"a", "b", "c"}, map[string]kernel{"a": {ttl: always("64")}, "b": {ttl: always("64")}, "c": {ttl: always("64")}})
	assert.Equal(t, StatusSame, r.Status(), text)
	assert.Contains(t, text, "lan.TestX  pass  pass  pass")
	assert.Contains(t, text, "b, compared with a\n")
	assert.Equal(t, 2, strings.Count(text, "nothing changed"), text)
	assert.Len(t, f.args["a"], 1, "nothing to run again")
}

// What differs is run twice more on both sides, and counts if it shows each time.
func TestWhatDiffersIsRepeated(t *testing.T) {
	names, same := []string{"a", "b"}, kernel{ttl: always("64")}
	r, f, text := run(t, Config{Repeat: 3}, names, map[string]kernel{"a": same, "b": {ttl: always("63")}})
	assert.Equal(t, StatusWorse, r.Status(), text)
	assert.Contains(t, text, "lan.TestX/IPv4, lan_test.go:7, node ns0: Reachable 192.168.1.2, ttl: 64 before, 63 now")
	for _, name := range names {
		require.Len(t, f.args[name], 2, name)
		assert.Contains(t, f.args[name][1], "-test.run=^(TestX)$/^(IPv4)$")
		assert.Contains(t, f.args[name][1], "-test.count=2")
	}

	once := func(run int) string { return map[int]string{1: "63"}[run] + map[bool]string{true: "64"}[run > 1] }
	r, _, text = run(t, Config{Repeat: 3}, names, map[string]kernel{"a": same, "b": {ttl: once}})
	assert.Equal(t, StatusSame, r.Status(), "it showed in one run of three: %s", text)

	r, f, text = run(t, Config{Repeat: 1}, names, map[string]kernel{"a": same, "b": {ttl: once}})
	assert.Equal(t, StatusWorse, r.Status(), "asked not to repeat: %s", text)
	assert.Len(t, f.args["b"], 1)
}

func TestOutcomes(t *testing.T) {
	names, good := []string{"a", "b"}, kernel{ttl: always("64")}
	crash := &vm.Crash{Why: "kernel b crashed", Oops: []string{"BUG: unable to handle page fault"}}
	for name, c := range map[string]struct {
		a, b   kernel
		status int
		says   []string
	}{
		"fails":      {good, kernel{ttl: always("")}, StatusWorse, []string{"lan.TestX  pass  FAIL", "lan.TestX/IPv4: the test: pass before, fail now", "fail on b: lan.TestX/IPv4: the ttl is"}},
		"passes":     {kernel{ttl: always("")}, good, StatusWorse, []string{"lan.TestX  FAIL  pass", "[better]"}},
		"skips":      {good, kernel{ttl: always("64"), skips: true}, StatusWorse, []string{"lan.TestY  pass  skip", "lan.TestY: pass before, skip now: netrig: the program dnsmasq is not installed"}},
		"crashes":    {good, kernel{ttl: always("64"), err: crash}, StatusWorse, []string{"lan.TestY  pass  crash", "kernel b crashed", "BUG: unable to handle page fault"}},
		"cannot run": {good, kernel{ttl: always("64"), err: errors.New("qemu-system-x86_64 not found: apt-get install qemu-system-x86")}, StatusCannot, []string{"could not run: qemu-system-x86_64 not found", "not compared: one of the two could not be run"}},
		"complains":  {good, kernel{ttl: always("64"), result: vm.Result{Complaints: []string{"WARNING: CPU: 0 at net/core/dev.c:1"}}}, StatusWorse, []string{"complained: WARNING: CPU: 0"}},
	} {
		r, _, text := run(t, Config{Repeat: 1}, names, map[string]kernel{"a": c.a, "b": c.b})
		assert.Equal(t, c.status, r.Status(), "%s: %s", name, text)
		for _, says := range c.says {
			assert.Contains(t, text, says, name)
		}
	}
}

// One kernel that crashes does not stop the others.
func TestCrashStopsNoOther(t *testing.T) {
	r, _, text := run(t, Config{Repeat: 3}, []string{"a", "b", "c"}, map[string]kernel{
		"a": {ttl: always("64")}, "b": {ttl: always("64"), err: &vm.Crash{Why: "kernel b crashed"}}, "c": {ttl: always("63")}})
	assert.Equal(t, StatusWorse, r.Status())
	assert.Contains(t, text, "c, compared with a")
	assert.Contains(t, text, "64 before, 63 now")
}

func TestBaseline(t *testing.T) {
	dir := t.TempDir()
	good := kernel{ttl: always("64")}
	_, _, _ = run(t, Config{Repeat: 1, Record: dir, Count: 3}, []string{"a"}, map[string]kernel{"a": good})
	file := filepath.Join(dir, "a"+baseline.Extension)
	recorded, err := baseline.Read(file)
	require.NoError(t, err)
	assert.Len(t, recorded.Tests, 3, "three runs that are alike, one of which is kept")
	first, err := os.ReadFile(file)
	require.NoError(t, err)

	r, _, text := run(t, Config{Repeat: 3, Baseline: dir}, []string{"a"}, map[string]kernel{"a": good})
	assert.Equal(t, StatusSame, r.Status(), text)
	assert.Contains(t, text, "a, compared with "+file)
	r, _, text = run(t, Config{Repeat: 3, Baseline: dir}, []string{"a"}, map[string]kernel{"a": {ttl: always("63")}})
	assert.Equal(t, StatusWorse, r.Status(), text)
	r, _, text = run(t, Config{Repeat: 3, Baseline: dir}, []string{"unknown"}, map[string]kernel{"unknown": good})
	assert.Equal(t, StatusCannot, r.Status(), "nothing to compare with is not the same: %s", text)
	assert.Contains(t, text, "nothing is recorded of it in "+dir)

	_, _, _ = run(t, Config{Repeat: 1, Record: dir, Count: 3}, []string{"a"}, map[string]kernel{"a": good})
	second, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, first, second)
	_, _, _ = run(t, Config{Repeat: 1, Record: dir, Count: 3}, []string{"a"}, map[string]kernel{"a": {ttl: always("63")}})
	third, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.NotEqual(t, first, third)

	// A kernel on which tests fail is no measure for others.
	f := &fake{t: t, kernels: map[string]kernel{"a": {ttl: always("")}}, runs: map[string]int{}, args: map[string][][]string{}}
	failing := &Result{config: &Config{start: f.start, Jobs: 1, Record: dir}, Columns: []*Column{{Name: "a", Release: "a"}}, binaries: r.binaries}
	assert.ErrorContains(t, failing.run(context.Background(), t.TempDir()), "nothing is recorded of a kernel on which tests fail: lan.TestX/IPv4")
}

func TestSummary(t *testing.T) {
	dir := t.TempDir()
	r, _, _ := run(t, Config{Repeat: 1}, []string{"a", "b"}, map[string]kernel{"a": {ttl: always("64")}, "b": {ttl: always("63"), skips: true}})
	require.NoError(t, r.keep(dir))
	raw, err := os.ReadFile(filepath.Join(dir, SummaryFile))
	require.NoError(t, err)
	var s Summary
	require.NoError(t, json.Unmarshal(raw, &s))
	assert.Equal(t, Version, s.Version)
	assert.Equal(t, StatusWorse, s.Status)
	require.Len(t, s.Kernels, 2)
	assert.Equal(t, SummaryTest{Outcome: "skip", Runs: 1, Reason: "netrig: the program dnsmasq is not installed"}, s.Kernels[1].Tests["lan.TestY"])
	assert.Equal(t, "a", s.Kernels[1].ComparedWith)
	require.Len(t, s.Kernels[1].Changes.Differences, 1)
	assert.Equal(t, "63", s.Kernels[1].Changes.Differences[0].After)
	assert.NoFileExists(t, filepath.Join(dir, "a", "none"))

	var text bytes.Buffer
	require.NoError(t, r.Markdown(&text))
	assert.Contains(t, text.String(), "### Kernels: changed")
	assert.Contains(t, text.String(), "| lan.TestY | ✅ | ⏭️ |")
	assert.Contains(t, text.String(), "#### b, compared with a")
}

func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancelCause(context.Background())
	ended := errors.New("ended by interrupt")
	stop(ended)
	f := &fake{t: t, kernels: map[string]kernel{"a": {ttl: always("64")}}, runs: map[string]int{}, args: map[string][][]string{}}
	r := &Result{config: &Config{start: f.start, Jobs: 1}, Columns: []*Column{{Name: "a"}}, binaries: []binary{{name: "lan"}}}
	assert.ErrorIs(t, r.run(ctx, t.TempDir()), ended)
	assert.Empty(t, f.args)
}

func TestPattern(t *testing.T) {
	assert.Equal(t, `^(TestA|TestB)$/^(IPv4|nftables)$/^(IPv6)$`, pattern([]string{"TestB/nftables/IPv6", "TestA/IPv4"}))
	assert.Equal(t, `^(TestA)$/^(a\+b)$`, pattern([]string{"TestA/a+b"}))
}

func TestLevels(t *testing.T) {
	assert.Equal(t, []string{"^Test(A/B)$", "[/]x"}, levels("^Test(A/B)$/[/]x"))
	assert.Equal(t, []string{""}, levels(""))
	assert.Equal(t, []string{`a\/b`}, levels(`a\/b`))
}

func TestOptions(t *testing.T) {
	assert.Equal(t, map[string]string{"CONFIG_VETH": "m", "CONFIG_DEFAULT_HOSTNAME": "(none)"},
		options("# Networking\nCONFIG_VETH=m\n# CONFIG_NET_VRF is not set\nCONFIG_DEFAULT_HOSTNAME=\"(none)\"\n"))
}

// The log of a test is its own, whichever printed in between.
func TestOutput(t *testing.T) {
	o := &output{}
	for _, part := range []string{
		"\x16=== RUN   TestA\n\x16=== PAUSE TestA\n\x16=== RUN   TestB\n    b_te", "st.go:1: of B\n\x16=== CONT  TestA\n    a_test.go:2: of A\n",
		"half a line\x16=== NAME  TestB\n    b_test.go:3: of B, too\n\x16--- SKIP: TestB (0.00s)\n\x16=== NAME  TestA\n\x16--- FAIL: TestA (1.00s)\n",
	} {
		n, err := o.Write([]byte(part))
		require.NoError(t, err)
		assert.Equal(t, len(part), n)
	}
	assert.Equal(t, "of A", o.tests["TestA"].reason())
	assert.Equal(t, "of B, too", o.tests["TestB"].reason())
	assert.Equal(t, journal.Failed, o.tests["TestA"].String())
	assert.Equal(t, journal.Skipped, o.tests["TestB"].String())
	assert.Contains(t, o.tests["TestA"].said, "half a line")
	assert.Equal(t, "0 passed, 1 failed, 1 skipped", o.summary())
}
