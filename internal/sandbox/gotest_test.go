package sandbox

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Profiles and other outputs land where they do without a sandbox.
func TestOutputs(t *testing.T) {
	everyone(t, func(t *testing.T, who user) {
		v := who.command(t, "-test.run=^TestArtifact$", "-test.bench=.", "-test.benchtime=10x", "-test.outputdir=out", "-test.artifacts",
			"-test.cpuprofile=cpu", "-test.memprofile=mem", "-test.blockprofile=block", "-test.mutexprofile=mutex", "-test.trace=trace")
		require.NoError(t, os.Mkdir(filepath.Join(v.Dir, "out"), 0o777))
		require.NoError(t, os.Chmod(filepath.Join(v.Dir, "out"), 0o777))
		out, state := v.run()
		require.True(t, state.Success(), out)
		for _, name := range []string{"cpu", "mem", "block", "mutex", "trace"} {
			st, err := os.Stat(filepath.Join(v.Dir, "out", name))
			if assert.NoError(t, err) {
				assert.NotZero(t, st.Size(), name)
			}
		}
		kept := 0
		require.NoError(t, filepath.WalkDir(filepath.Join(v.Dir, "out"), func(path string, d os.DirEntry, err error) error {
			if d != nil && d.Name() == "kept" {
				kept++
			}
			return err
		}))
		assert.Equal(t, 1, kept, "the artifact of the test")
	})
}

// Coverage is counted in the tests, and written once.
func TestCoverage(t *testing.T) {
	everyone(t, func(t *testing.T, who user) {
		binary := victimBinary(t, "-cover", "-covermode=count")
		v := who.program(t, binary, "-test.run=^TestPass$", "-test.coverprofile=profile", "-test.gocoverdir=data")
		require.NoError(t, os.Mkdir(filepath.Join(v.Dir, "data"), 0o777))
		require.NoError(t, os.Chmod(filepath.Join(v.Dir, "data"), 0o777))
		out, state := v.run()
		require.True(t, state.Success(), out)
		assert.Equal(t, 1, strings.Count(out, "coverage: 100.0% of statements"), out)
		profile, err := os.ReadFile(filepath.Join(v.Dir, "profile"))
		require.NoError(t, err)
		assert.Regexp(t, `(?m)^mode: count\n.*victim\.go:4\.20,6\.\d+ 2 1$`, string(profile))
		counters, err := filepath.Glob(filepath.Join(v.Dir, "data", "covcounters.*"))
		require.NoError(t, err)
		assert.Len(t, counters, 1)
	})
}

// Fuzzing starts more processes of the binary; they stay in the sandbox.
func TestFuzz(t *testing.T) {
	everyone(t, func(t *testing.T, who user) {
		v := who.command(t, "-test.run=^$", "-test.fuzz=^FuzzCovered$", "-test.fuzztime=200x", "-test.fuzzcachedir=cache", "-test.parallel=2")
		out, state := v.run()
		assert.True(t, state.Success(), out)
		assert.Contains(t, out, "fuzz: elapsed:")
		v.requireGone()
	})
}

// The go command gets its events, and never takes a result from the cache: it
// can't know that the kernel is another one.
func TestGoTest(t *testing.T) {
	wrapper := filepath.Join(t.TempDir(), "cleans-the-environment") // as sudo does
	require.NoError(t, os.WriteFile(wrapper, []byte("#!/bin/sh\nexec env -i PATH=/usr/bin:/bin \"$@\"\n"), 0o755))
	profile := filepath.Join(t.TempDir(), "profile")
	for _, flags := range [][]string{nil, nil, {"-exec=" + wrapper}, {"-coverprofile=" + profile, "-coverpkg=./testdata/victim"}} {
		args := append([]string{"test", "-json", "-run=^(TestPass|TestFail)$"}, flags...)
		cmd := exec.Command("go", append(args, "./testdata/victim")...)
		cmd.Env = withEnv(os.Environ(), envSandbox, "")
		out, err := cmd.Output()
		require.Error(t, err, "TestFail passes: %s", out)
		events := map[string]int{}
		for line := range strings.Lines(string(out)) {
			var event struct{ Action, Test, Output string }
			require.NoError(t, json.Unmarshal([]byte(line), &event), line)
			events[event.Action+" "+event.Test]++
		}
		assert.Equal(t, 1, events["pass TestPass"], "%s", out)
		assert.Equal(t, 1, events["fail TestFail"], "%s", out)
	}
	for range 2 {
		cmd := exec.Command("go", "test", "-run=^TestPass$", "./testdata/victim")
		cmd.Env = withEnv(os.Environ(), envSandbox, "")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.NotContains(t, string(out), "(cached)")
	}
	data, err := os.ReadFile(profile)
	require.NoError(t, err)
	assert.Contains(t, string(data), "victim.go:4.20")
}
