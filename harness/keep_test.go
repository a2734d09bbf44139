package harness_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	netrig "github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/result"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keptVariable has TestKept do what its name says, in a process of its own.
const keptVariable = "NETRIG_TEST_KEPT"

// TestKept is what the tests below run.
func TestKept(t *testing.T) {
	if os.Getenv(keptVariable) == "" {
		t.Skip("it is run by other tests, in a process of its own")
	}
	t.Run("pass", func(t *testing.T) {
		lab, a, b, _ := pair(t)
		netrig.Reachable(t, a, "192.168.0.2")
		lab.Step("port up")
		b.Serve("tcp", ":80")
		lab.Step("served")
		netrig.Reachable(t, a, "tcp:192.168.0.2:80")
	})
	t.Run("skip", func(t *testing.T) {
		harness.RequireProgram(t, "no-such-program")
	})
	t.Run("late skip", func(t *testing.T) {
		harness.New(t)
		harness.RequireProgram(t, "no-such-program")
	})
	if os.Getenv(keptVariable) != "fail" {
		return
	}
	t.Run("fail", func(t *testing.T) {
		lab, a, b, cable := pair(t)
		cable.B.Down()
		assert.Error(lab, nil, "said by testify")
		t.Run("part", func(t *testing.T) {
			netrig.NoNeighbor(t, a, "192.168.0.2")
			netrig.Reachable(t, a, "192.168.0.2")
		})
		harness.New(t).Node(b.Name())
	})
}

// kept runs TestKept, and returns what was printed and the test.json of each
// part.
func kept(t *testing.T, how string, arguments []string, environment ...string) (out string, files map[string][]string) {
	t.Helper()
	dir := t.TempDir()
	args := append([]string{"-test.run=^TestKept$", "-test.v"}, arguments...)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "DIR", dir)
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "NETRIG_SANDBOX=", "NETRIG_REQUIRE=", keptVariable+"="+how, "TMPDIR="+dir, result.KeepVariable+"=")
	cmd.Env = append(cmd.Env, environment...)
	raw, err := cmd.CombinedOutput()
	require.Equal(t, how == "fail", err != nil, "%s", raw)
	files = map[string][]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if _, name := result.PlaceOf(path); err == nil && name == result.TestFile {
			test := readTest(t, path).Name
			files[test] = append(files[test], path)
		}
		return err
	}))
	return string(raw), files
}

func readTest(t *testing.T, path string) *result.Test {
	t.Helper()
	test := &result.Test{}
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, test))
	return test
}

// A pass keeps nothing, and a skip neither, unless asked.
func TestPassKeepsNothing(t *testing.T) {
	t.Parallel()
	for _, asked := range []string{result.KeepVariable + "=", result.KeepVariable + "=0"} {
		out, files := kept(t, "pass", nil, asked)
		assert.Empty(t, files)
		assert.NotContains(t, out, "netrig: saved")
	}
}

// With NETRIG_KEEP=1 a pass keeps how it went, and the state before and after.
func TestPassIsKept(t *testing.T) {
	t.Parallel()
	_, files := kept(t, "pass", []string{"-test.artifacts", "-test.outputdir=DIR"}, result.KeepVariable+"=1")
	require.Len(t, files["TestKept/pass"], 1)
	folder := filepath.Dir(files["TestKept/pass"][0])
	require.Contains(t, folder, "_artifacts")
	test := readTest(t, files["TestKept/pass"][0])
	assert.Equal(t, result.Version, test.Version)
	assert.Equal(t, "github.com/netrig/netrig/harness", test.Package)
	assert.Equal(t, journal.Passed, test.Outcome)
	assert.NotEmpty(t, test.Kernel)
	assert.NotZero(t, test.Took)
	assert.Equal(t, "fast", test.Timers)
	assert.Empty(t, test.Failures)
	require.Len(t, test.Steps, 3)
	require.Len(t, test.Steps[2].Asked, 1)
	asked := test.Steps[2].Asked[0]
	assert.Equal(t, "Reachable a tcp:192.168.0.2:80", strings.Join([]string{asked.Verb.Verb, asked.From, asked.To}, " "))
	assert.Regexp(t, `^keep_test\.go:\d+$`, asked.Line)
	assert.Regexp(t, `^192\.168\.0\.1:\d+$`, asked.Saw["server saw"], "the port as it was")
	assert.True(t, asked.Began.After(test.Steps[2].Began))
	names := map[string]result.Interface{}
	for _, i := range test.Interfaces {
		names[i.Name] = i
	}
	assert.Equal(t, []string{"192.168.0.2/24", "fd00::2/64"}, names["b:veth1"].Addresses[:2])

	var steps result.States
	require.NoError(t, json.Unmarshal([]byte(read(t, folder, result.StepsFile)), &steps))
	require.Len(t, steps.States, 2)
	assert.Equal(t, "port up", steps.States[0].Step)
	assert.Len(t, steps.States[0].Facts.Nodes, 2)
	assert.NotEmpty(t, steps.States[1].Facts.Node("a").Neighbors)
	for _, name := range []string{result.StoryFile, result.PacketsFile, result.StateFile, result.StepsFile} {
		text := read(t, folder, name)
		assert.Contains(t, text, "github.com/netrig/netrig/harness", name)
		assert.Contains(t, text, "TestKept/pass", name)
	}

	for _, name := range []string{"TestKept/skip", "TestKept/late_skip"} {
		require.Len(t, files[name], 1)
		test := readTest(t, files[name][0])
		assert.Equal(t, journal.Skipped, test.Outcome)
		assert.Contains(t, test.Reason, "no-such-program is not installed", name)
	}
}

// A failure is kept unasked, with what was said and where. Without -artifacts
// the folder is printed.
func TestFailureIsKept(t *testing.T) {
	t.Parallel()
	out, files := kept(t, "fail", nil)
	require.Len(t, files, 1, "only the test that failed")
	for _, path := range files["TestKept/fail"] {
		assert.Contains(t, out, "and test.json in "+filepath.Dir(path)+"\n")
	}

	out, files = kept(t, "fail", []string{"-test.artifacts", "-test.outputdir=DIR"})
	assert.Contains(t, out, "netrig: saved story-2.txt, lab-2.pcapng, state-2.json, explain-2.txt, topology-2.{svg,mmd,dot}, ladder-2.{svg,mmd} and test-2.json in ", "the first lab ends last")
	require.Len(t, files["TestKept/fail"], 2)
	folder := filepath.Dir(files["TestKept/fail"][0])
	test := readTest(t, filepath.Join(folder, "test-2.json"))
	assert.Equal(t, journal.Failed, test.Outcome)
	require.Len(t, test.Failures, 2)
	assert.Regexp(t, `^keep_test\.go:\d+$`, test.Failures[0].Line)
	assert.Equal(t, `assert.Error(lab, nil, "said by testify")`, test.Failures[0].Code)
	assert.Contains(t, test.Failures[0].Text, "said by testify")
	assert.Equal(t, `netrig.Reachable(t, a, "192.168.0.2")`, test.Failures[1].Code, "of a part of the test")
	assert.Contains(t, test.Failures[1].Text, "a cannot reach 192.168.0.2")
	assert.Contains(t, read(t, folder, "explain-2.txt"), "github.com/netrig/netrig/harness TestKept/fail\n")
}
