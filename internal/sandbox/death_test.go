package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// killing is a signal to one of the three stages, and the end that follows.
type killing struct {
	stage  string
	signal syscall.Signal
	ends   string // of the outside, as os.ProcessState has it
}

var killings = []killing{
	{"outside", syscall.SIGKILL, "signal: killed"},
	{"outside", syscall.SIGTERM, "signal: terminated"},
	{"outside", syscall.SIGINT, "signal: interrupt"},
	{"outside", syscall.SIGHUP, "signal: hangup"},
	{"outside", syscall.SIGQUIT, "exit status 2"}, // the tests dump their goroutines, once
	{"outside", syscall.SIGABRT, "exit status 2"},
	{"first", syscall.SIGKILL, "signal: killed"},
	{"first", syscall.SIGTERM, "signal: terminated"},
	{"first", syscall.SIGINT, "signal: interrupt"},
	{"tests", syscall.SIGKILL, "signal: killed"},
	{"tests", syscall.SIGTERM, "signal: terminated"},
	{"tests", syscall.SIGQUIT, "exit status 2"},
}

// Whichever process is killed, everything is gone within a second, also a
// program that left its session and its parent.
func TestKilled(t *testing.T) {
	need(t, "setsid", "sleep")
	everyone(t, func(t *testing.T, who user) {
		for _, k := range killings {
			t.Run(fmt.Sprint(k.stage, " ", k.signal), func(t *testing.T) {
				k.try(t, who.command(t, "-test.run=^TestDaemon$"))
			})
		}
	})
}

func (k killing) try(t *testing.T, v *victim) {
	v.with("VICTIM_THEN=hang").startReady()
	hasDaemon(t, v)
	require.NoError(t, syscall.Kill(v.stage(k.stage), k.signal))
	killed := time.Now()
	v.Wait()
	assert.Less(t, time.Since(killed), v.soon)
	v.requireGone()
	assert.Equal(t, k.ends, strings.TrimSuffix(v.ProcessState.String(), " (core dumped)"), v.out)
	if k.signal == syscall.SIGQUIT {
		assert.Equal(t, 1, strings.Count(v.out.String(), "SIGQUIT: quit"), "%s", v.out)
	}
}

// hasDaemon waits until the daemon, which a shell forked a moment ago, is itself.
func hasDaemon(t *testing.T, v *victim) {
	t.Helper()
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(v.processes(), func(p process) bool { return p.comm == "sleep" })
	}, 5*time.Second, time.Millisecond, "the daemon doesn't run")
}

// However the tests end, what they started ends with them.
func TestEnded(t *testing.T) {
	need(t, "setsid", "sleep")
	everyone(t, func(t *testing.T, who user) {
		for then, ends := range map[string]string{
			"pass":  "exit status 0",
			"fatal": "exit status 1",
			"panic": "exit status 2",
			"kill":  "signal: killed",
			"hang":  "exit status 2",
		} {
			t.Run(then, func(t *testing.T) {
				v := who.command(t, "-test.run=^TestDaemon$", "-test.timeout=300ms").with("VICTIM_THEN=" + then)
				out, state := v.run()
				v.requireGone()
				assert.Equal(t, ends, state.String(), out)
			})
		}
	})
}

// A process that is hit before the tests run leaves nothing behind either.
func TestKilledEarly(t *testing.T) {
	everyone(t, func(t *testing.T, who user) {
		for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT} {
			for delay := time.Duration(0); delay < 12*time.Millisecond; delay += 500 * time.Microsecond {
				v := who.command(t, "-test.run=^TestHang$")
				require.NoError(t, v.Start())
				timer := time.NewTimer(delay) // the moment is what is varied here
				<-timer.C
				require.NoError(t, v.Process.Signal(s))
				v.Wait()
				v.requireGone()
				status := v.ProcessState.Sys().(syscall.WaitStatus)
				assert.True(t, status.Signaled() && status.Signal() == s, "%s after %v: %s\n%s", s, delay, v.ProcessState, v.out)
			}
		}
	})
}
