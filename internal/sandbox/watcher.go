package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

// seldom is how much later than asked the runtime's watching thread may wake up.
const seldom = 4 * time.Millisecond

// watchSeldom slows the thread down with which Go's runtime watches the others
// (sysmon in runtime/proc.go). While tests keep threads in system calls it wakes up
// each 20 µs, to hand over what such a thread holds of the scheduler; of that the
// tests have plenty (enough). Where there is one processor it takes that from them: a
// tenth of an emulated one, and as much again of the machine below for its timer.
// Its other duties have ten milliseconds.
//
// The kernel may let a thread sleep longer by the thread's timer slack (see
// PR_SET_TIMERSLACK(2const), and proc_pid_timerslack(5) for another's).
func watchSeldom() {
	if runtime.NumCPU() > 1 {
		return
	}
	if thread := watcher(); thread != 0 {
		// Where it may not be set (a kernel without it), nothing is lost but time.
		_ = os.WriteFile(slackFile(thread), strconv.AppendInt(nil, seldom.Nanoseconds(), 10), 0)
	}
}

func slackFile(thread int) string { return fmt.Sprintf("/proc/%d/timerslack_ns", thread) }

// watcher is the thread's number, 0 if there is none to be seen: it is the first that
// the runtime starts. In a PID namespace of our own numbers are given in order.
func watcher() (first int) {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		if number, err := strconv.Atoi(t.Name()); err == nil && number > os.Getpid() && (first == 0 || number < first) {
			first = number
		}
	}
	return first
}
