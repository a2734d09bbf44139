package compare

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/journal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { harness.Main(m) }

// run is the command, with what it wrote.
func run(args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = Main(args, &out, &err)
	return status, out.String(), err.String()
}

// write keeps journals in a new folder.
func write(t *testing.T, all ...any) string {
	t.Helper()
	folder := t.TempDir()
	w, err := journal.NewWriter(folder)
	require.NoError(t, err)
	for _, j := range all {
		require.NoError(t, w.Write(j))
	}
	return folder
}

// aTest is the journal of a small test.
func aTest(name, outcome, ttl string) *journal.Test {
	return &journal.Test{
		Header: journal.Header{Version: journal.Version, Package: "example.org/m/lan", Kernel: "6.12.0", Machine: "x86_64", User: "root"}, Name: name, Outcome: outcome,
		Labs: []*journal.Lab{{Steps: []*journal.Step{{Verbs: []journal.Verb{{Verb: "Reachable", From: "ns0", To: "192.168.1.2", Line: "lan_test.go:7", Saw: map[string]string{"ttl": ttl}}}}}}},
	}
}

func TestMainSaysNothingChanged(t *testing.T) {
	a := write(t, aTest("TestX", journal.Passed, "64"))
	status, out, errs := run(a, a)
	assert.Equal(t, StatusSame, status)
	assert.Contains(t, out, "nothing changed")
	assert.Contains(t, out, "Linux 6.12.0 x86_64, 1 test, 1 run")
	assert.Empty(t, errs)
}

func TestMainSaysWhatChanged(t *testing.T) {
	before, after := write(t, aTest("TestX", journal.Passed, "63")), write(t, aTest("TestX", journal.Passed, "62"))
	status, out, _ := run(before, after)
	assert.Equal(t, StatusWorse, status)
	assert.Contains(t, out, "lan.TestX, lan_test.go:7, node ns0: Reachable 192.168.1.2, ttl: 63 before, 62 now")

	status, out, _ = run("--allow", "answers", before, after)
	assert.Equal(t, StatusSame, status, "allowed")
	assert.Contains(t, out, "[note]")

	status, out, _ = run(before, "--format=json", after)
	assert.Equal(t, StatusWorse, status)
	var r Result
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Len(t, r.Differences, 1)
	assert.Equal(t, Difference{
		Kind: Answers, Test: "lan.TestX", Node: "ns0", What: "Reachable 192.168.1.2", Field: "ttl", Before: "63", After: "62",
		Line: "lan_test.go:7", Verdict: Worse,
	}, r.Differences[0])

	status, out, _ = run(before, after, "--format", "markdown")
	assert.Equal(t, StatusWorse, status)
	assert.Contains(t, out, "### Networks: changed")
	assert.Contains(t, out, "| ❌ | lan.TestX, lan_test.go:7, node ns0 | Reachable 192.168.1.2, ttl | 63 | 62 |")
}

func TestMainOutcomes(t *testing.T) {
	pass, fail := aTest("TestX", journal.Passed, "64"), aTest("TestX", journal.Failed, "64")
	skip := aTest("TestX", journal.Skipped, "")
	skip.Reason, skip.Labs = "the program dnsmasq is not installed", nil
	other := aTest("TestY", journal.Passed, "64") // so that there is something in common
	for name, c := range map[string]struct {
		before, after []any
		status        int
		says          string
	}{
		"fails":          {[]any{pass}, []any{fail}, StatusWorse, "lan.TestX: the test: pass before, fail now"},
		"passes":         {[]any{fail}, []any{pass}, StatusSame, "the test [better]: fail before, pass now"},
		"skips":          {[]any{pass}, []any{skip}, StatusWorse, "skip: the program dnsmasq is not installed"},
		"is not run":     {[]any{pass, other}, []any{other}, StatusWorse, "pass before, not run now"},
		"is new":         {[]any{other}, []any{pass, other}, StatusSame, "[better]: not run before, pass now"},
		"is new, fails":  {[]any{other}, []any{fail, other}, StatusSame, "[better]"},
		"fails at times": {[]any{pass, pass, pass}, []any{pass, fail, pass}, StatusWorse, "pass before, fail in 1 of 3 runs now"},
		"fails as ever":  {[]any{fail}, []any{fail}, StatusSame, "nothing changed"},
	} {
		status, out, errs := run(write(t, c.before...), write(t, c.after...))
		assert.Equal(t, c.status, status, "%s: %s%s", name, out, errs)
		assert.Contains(t, out, c.says, name)
	}
}

// A difference counts only when all runs of a side differ from all of the other.
func TestSeveralRuns(t *testing.T) {
	ttls := func(all ...string) string {
		var runs []any
		for _, ttl := range all {
			runs = append(runs, aTest("TestX", journal.Passed, ttl))
		}
		return write(t, runs...)
	}
	for name, c := range map[string]struct {
		before, after string
		status        int
	}{
		"always":            {ttls("63", "63", "63"), ttls("62", "62", "62"), StatusWorse},
		"once as before":    {ttls("63", "63", "63"), ttls("62", "62", "63"), StatusSame},
		"once before":       {ttls("63", "62", "63"), ttls("62", "62", "62"), StatusSame},
		"now of two minds":  {ttls("63", "63", "63"), ttls("62", "61", "62"), StatusWorse},
		"always of several": {ttls("1", "2", "3"), ttls("4", "5", "6"), StatusSame},
	} {
		status, out, _ := run(c.before, c.after)
		assert.Equal(t, c.status, status, "%s: %s", name, out)
	}
	status, _, _ := run(ttls("63")+","+ttls("62"), ttls("62"))
	assert.Equal(t, StatusSame, status, "folders with commas between are one side")
}

func TestMainCannot(t *testing.T) {
	a := write(t, aTest("TestX", journal.Passed, "64"))
	elsewhere := aTest("TestX", journal.Passed, "64")
	elsewhere.Kernel = "5.10.0"
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"one folder":     {[]string{a}, "it takes two folders of journals, BEFORE and AFTER, not 1; see `netrig compare --help`"},
		"no folder":      {[]string{a, filepath.Join(a, "missing")}, "no such file or directory"},
		"empty folder":   {[]string{a, t.TempDir()}, "holds no journal of a test: make some with `NETRIG_JOURNAL="},
		"option":         {[]string{"--colour", a, a}, "flag provided but not defined: -colour"},
		"format":         {[]string{"--format", "xml", a, a}, `"xml" is not text, json or markdown`},
		"kind":           {[]string{"--allow", "colours", a, a}, `there is no kind "colours"; there are outcome, answers,`},
		"factor":         {[]string{"--times", "0.5", a, a}, "a factor of 0.5 is not above 1"},
		"nothing common": {[]string{a, write(t, aTest("TestOther", journal.Passed, "64"))}, "have no test in common"},
		"kernels mixed":  {[]string{a + "," + write(t, elsewhere), a}, "holds journals of several kernels (6.12.0 x86_64, 5.10.0 x86_64): one side is one kernel"},
	} {
		status, out, errs := run(c.args...)
		assert.Equal(t, StatusCannot, status, name)
		assert.Contains(t, errs, c.says, name)
		assert.True(t, strings.HasPrefix(errs, "netrig compare: "), errs)
		assert.Empty(t, out, name)
	}
}

func TestMainHelp(t *testing.T) {
	status, out, errs := run("--help")
	assert.Equal(t, StatusSame, status)
	assert.Contains(t, out, "netrig compare [options] BEFORE AFTER")
	assert.Contains(t, out, "outcome, answers, packets,")
	assert.Empty(t, errs)
}

func TestTimesOnlyWhenAsked(t *testing.T) {
	slow, fast := aTest("TestX", journal.Passed, "64"), aTest("TestX", journal.Passed, "64")
	fast.Times, slow.Times = []journal.Time{{What: "the test", Took: 10}}, []journal.Time{{What: "the test", Took: 900}}
	a, b := write(t, fast), write(t, slow)
	_, out, _ := run(a, b)
	assert.Contains(t, out, "nothing changed")
	status, out, _ := run("--times", "5", a, b)
	assert.Equal(t, StatusSame, status, "times decide nothing")
	assert.Contains(t, out, "10 ms before, 900 ms, 90 times as long now")
}

// What is alike but for names is told once.
func TestGroups(t *testing.T) {
	lab := func(state, node string) *journal.Test {
		j := aTest("Test"+node, journal.Passed, "64")
		j.Labs[0].Nodes = []journal.Node{{Name: node, Objects: []journal.Object{{Kind: journal.Interface, Name: "veth-" + node, Fields: map[string]string{"operational state": state}}}}}
		return j
	}
	before := write(t, lab("lowerlayerdown", "a"), lab("lowerlayerdown", "b"), lab("lowerlayerdown", "c"))
	after := write(t, lab("down", "a"), lab("down", "b"), lab("down", "c"))
	_, out, _ := run(before, after)
	assert.Equal(t, 1, strings.Count(out, "operational state: lowerlayerdown before, down now"), out)
	assert.Contains(t, out, "and 2 more like it, in lan.Testa, lan.Testb, lan.Testc")
	assert.Contains(t, out, "3 differences in 1 group: 1 for the worse")
}
