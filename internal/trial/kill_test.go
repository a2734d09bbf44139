package trial

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/require"
)

// trialsVariable is how many trials TestKilled makes in all; at least one of
// each kind and user. 28 without.
const trialsVariable = "NETRIG_TRIALS"

// limit is the time that everything must be gone within.
const limit = time.Second

// moments chooses the moments. Not a fixed seed: each run tries others.
var moments = rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(os.Getpid())))

// ending is one way to end a test.
type ending struct {
	name string
	// signal is sent from outside, to any of the victim's own processes when
	// stages is set, else to the one that `go test` started.
	signal syscall.Signal
	stages bool
	// how is what the victim does itself; "" with neither is a -test.timeout.
	how string
	// ends are the ends that the process may come to (os.ProcessState).
	ends []string
	// saves: a failed test saves its packets for the person who looks into it.
	saves bool
}

var endings = []ending{
	{name: "SIGKILL", signal: syscall.SIGKILL, stages: true, ends: []string{"signal: killed"}},
	{name: "SIGTERM", signal: syscall.SIGTERM, ends: []string{"signal: terminated"}},
	{name: "SIGINT", signal: syscall.SIGINT, ends: []string{"signal: interrupt"}},
	// The Go runtime prints the stacks of goroutines that go on running, and once in some
	// two hundred times that ends it in the midst.
	{name: "SIGQUIT", signal: syscall.SIGQUIT, ends: []string{"exit status 2", "signal: segmentation fault"}},
	{name: "panic", how: "panic", ends: []string{"exit status 2"}, saves: true},
	{name: "panic elsewhere", how: "background", ends: []string{"exit status 2"}},
	{name: "fatal", how: "fatal", ends: []string{"exit status 1"}, saves: true},
	{name: "timeout", ends: []string{"exit status 2"}},
}

// Whatever ends a test, in whatever moment: within a second nothing is left of
// it, and the machine is as it was.
func TestKilled(t *testing.T) {
	need(t, "sh", "setsid", "sleep")
	trials := 28
	if text := os.Getenv(trialsVariable); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err, trialsVariable)
		trials = n
	}
	kinds := len(endings) * len(users())
	var slowest time.Duration
	for _, who := range users() {
		machine := primed(t, who)
		for _, e := range endings {
			t.Run(fmt.Sprint(who, " ", e.name), func(t *testing.T) {
				for range (trials + kinds - 1) / kinds {
					slowest = max(slowest, e.try(t, who, machine))
				}
			})
		}
	}
	t.Logf("the slowest end took %v", slowest.Round(time.Millisecond))
}

// try is one trial. It returns how long the end took.
func (e ending) try(t *testing.T, who user, machine state) time.Duration {
	t.Helper()
	phase, n := phases[moments.IntN(len(phases))], 1+moments.IntN(3)
	var v *victim
	switch {
	case e.signal != 0:
		v = who.victim(t, "hang")
	case e.how != "":
		v = who.victim(t, fmt.Sprintf("%s@%s@%d", e.how, phase, n))
	default:
		v = who.victim(t, "hang", fmt.Sprintf("-test.timeout=%dus", 50_000+moments.IntN(300_000)))
		phase, n = "build", 1
	}
	v.start()
	v.readUntil(phase, n)
	// Some time into the phase, which is over before others begin.
	timer := time.NewTimer(time.Duration(moments.IntN(3000)) * time.Microsecond)
	<-timer.C
	v.holdNamespaces()
	began := time.Now()
	if e.signal != 0 {
		target := v.Process.Pid
		if e.stages {
			target = v.stage()
		}
		require.NoError(t, syscall.Kill(target, e.signal))
	}
	hung := time.AfterFunc(deadline.Of(30*time.Second), func() { _ = v.Process.Kill() })
	_ = v.Wait() // its state is looked at below
	hung.Stop()
	if e.signal == 0 {
		began = time.Now() // it ended by itself
	}
	where := fmt.Sprintf("%s, %s, in phase %s of lab %d", who, e.name, phase, n)
	took := v.requireNothingLeft(machine, began, e.saves)
	end := strings.TrimSuffix(v.ProcessState.String(), " (core dumped)")
	require.Contains(t, e.ends, end, "%s\n%s", where, v.log())
	return took
}

// requireNothingLeft fails unless within a second of began all that the victim
// was and had is gone, and the machine is as it was before.
func (v *victim) requireNothingLeft(machine state, began time.Time, saves bool) time.Duration {
	v.t.Helper()
	gone := func(what string, look func() []string) {
		v.t.Helper()
		var found []string
		err := deadline.Poll(v.limit, what, func() (bool, error) {
			found = look()
			return len(found) == 0, nil
		})
		require.NoError(v.t, err, "  %s\nThe victim printed:\n%s", strings.Join(found, "\n  "), v.log())
	}
	gone("processes are left", func() (found []string) {
		for _, pid := range v.processes() {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			found = append(found, fmt.Sprintf("%d: %s", pid, strings.ReplaceAll(string(line), "\x00", " ")))
		}
		return found
	})
	select {
	case <-v.ended:
	case <-time.After(deadline.Of(v.limit)):
		require.Fail(v.t, "a process still holds the victim's output")
	}
	gone("network namespaces are held", v.holders)
	took := time.Since(began)
	require.False(v.t, took > deadline.Of(v.limit) && deadline.Past(began, v.limit), "all was gone after %v, want %v", took, deadline.Of(v.limit))
	v.letGo()
	gone("files are left", func() (found []string) {
		for _, name := range list(v.Dir) {
			if !saves || !v.saved(name) {
				found = append(found, name)
			}
		}
		return found
	})
	gone("the machine has changed", func() []string { return machine.differences(look(v.t)) })
	return took
}

// failureFiles are those that a failed test leaves behind, but for explain.txt,
// which is there where a verb has failed.
var failureFiles = []string{"lab.pcapng", "ladder.mmd", "ladder.svg", "state.json", "story.txt", "test.json", "topology.dot", "topology.mmd", "topology.svg"}

// saved tells whether a folder is what a failed test keeps for the person who
// looks into it: it has the test's name, the story, the packets and the state.
func (v *victim) saved(name string) bool {
	inside := list(filepath.Join(v.Dir, name))
	slices.Sort(inside)
	inside = slices.DeleteFunc(inside, func(name string) bool { return name == "explain.txt" }) // where a verb has failed
	if !strings.HasPrefix(name, "netrig-TestVictim_") || !slices.Equal(inside, failureFiles) {
		return false
	}
	v.t.Logf("kept for the one who looks into the failure, as it should be: %s with %s", name, strings.Join(inside, " and "))
	return true
}
