package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExitStatus(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		output string
	}{
		{"pass", []string{"-test.run=^TestPass$"}, 0, "PASS"},
		{"nothing to run", []string{"-test.run=^None$"}, 0, "no tests to run"},
		{"fail", []string{"-test.run=^TestFail$"}, 1, "--- FAIL: TestFail"},
		{"panic", []string{"-test.run=^TestPanic$"}, 2, "panic: on purpose"},
		{"exit", []string{"-test.run=^TestExit$"}, 7, ""},
		{"exit 0 in a test", []string{"-test.run=^TestExit0$", "-test.paniconexit0"}, 2, "unexpected call to os.Exit(0)"},
		{"timeout", []string{"-test.run=^TestHang$", "-test.timeout=100ms"}, 2, "panic: test timed out after 100ms"},
		{"wrong flag", []string{"-test.nonsense"}, 2, "flag provided but not defined: -test.nonsense"},
		{"help", []string{"-help"}, 0, "-test.run"},
		{"list", []string{"-test.list=TestPa"}, 0, "TestPass\nTestPanic\n"},
		{"verbose", []string{"-test.run=^TestPass$", "-test.v=test2json"}, 0, "--- PASS: TestPass"},
		{"main thread", []string{"-test.run=^TestThread$"}, 0, "PASS"},
		{"count and shuffle", []string{"-test.run=^TestPass$", "-test.count=3", "-test.shuffle=1", "-test.v"}, 0, "-test.shuffle 1"},
		{"short and parallel", []string{"-test.run=^TestPass$", "-test.short", "-test.parallel=2", "-test.cpu=1,2"}, 0, "PASS"},
		{"bench", []string{"-test.run=^$", "-test.bench=.", "-test.benchtime=10x"}, 0, "BenchmarkCovered"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			everyone(t, func(t *testing.T, who user) {
				v := who.command(t, tt.args...)
				out, state := v.run()
				assert.Equal(t, tt.status, state.ExitCode(), "%s\n%s", state, out)
				assert.Contains(t, out, tt.output)
				assert.LessOrEqual(t, strings.Count(out, "PASS\n"), 1, "the tests ran twice:\n%s", out)
				v.requireGone()
			})
		})
	}
}

// All that a process is started with reaches the tests as it is.
func TestHandedOver(t *testing.T) {
	everyone(t, func(t *testing.T, who user) {
		inherited, w, err := os.Pipe()
		require.NoError(t, err)
		_, err = w.WriteString("from a descriptor")
		require.NoError(t, err)
		w.Close()
		v := who.command(t, "-test.run=^TestLook$", "-test.testlogfile=nowhere/log", "-test.v", "--", "-own", "a b", "")
		v.ExtraFiles = []*os.File{nil, nil, nil, nil, inherited}
		v.Stdin = strings.NewReader("from stdin")
		v.with("VICTIM_VAR=a=b c", "VICTIM_FD=7")
		var stderr strings.Builder
		v.Stderr = &stderr
		out, state := v.run()
		inherited.Close()
		require.True(t, state.Success(), "%s\n%s", out, &stderr)
		for _, line := range []string{
			"cwd=" + v.Dir,
			"stdin=from stdin",
			"var=a=b c",
			`args=["-test.run=^TestLook$" "-test.v" "--" "-own" "a b" ""]`,
			"active=true",
			"uid=0",
			"exe=" + victimBinary(t),
			"comm=" + filepath.Base(victimBinary(t)),
			"fd7=from a descriptor <nil>",
		} {
			assert.Contains(t, out, line+"\n")
		}
		assert.Equal(t, "to stderr\n", stderr.String())
	})
}

// Limits, umask, priority and ignored signals are the ones of the outside.
func TestInherited(t *testing.T) {
	need(t, "sh", "nice")
	everyone(t, func(t *testing.T, who user) {
		v := who.program(t, "nice", "-n3", "sh", "-c", `ulimit -Sn 99; umask 027; trap "" INT; exec "$@"`, "sh",
			victimBinary(t), "-test.run=^TestPlace$")
		v.with("VICTIM_SCRIPT=ulimit -Sn; umask; nice; grep -E '^Sig(Blk|Ign)' /proc/self/status")
		out, state := v.run()
		require.True(t, state.Success(), out)
		fields := strings.Fields(out)
		require.GreaterOrEqual(t, len(fields), 7, out)
		assert.Equal(t, []string{"99", "0027", "3", "SigBlk:", "0000000000000000", "SigIgn:"}, fields[:6])
		assert.Equal(t, byte('2'), fields[6][len(fields[6])-1], "SIGINT is ignored: %s", fields[6])
	})
}

// The end of the tests by a signal is the end of the process by that signal.
func TestDiesBySignal(t *testing.T) {
	everyone(t, func(t *testing.T, who user) {
		for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT} {
			v := who.command(t, "-test.run=^TestHang$")
			v.startReady()
			require.NoError(t, syscall.Kill(v.stage("tests"), s))
			v.Wait()
			status := v.ProcessState.Sys().(syscall.WaitStatus)
			assert.True(t, status.Signaled() && status.Signal() == s, "%v: %s", s, v.ProcessState)
			v.requireGone()
		}
	})
}
