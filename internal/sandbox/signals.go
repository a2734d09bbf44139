package sandbox

import (
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forwarded are the signals that are handed on to the tests. Not among them:
// those that stop and continue (a terminal sends them to the whole process
// group, and their default action is right in every stage), those that
// tell of the process's own doings (SIGSEGV, SIGPIPE, SIGCHLD, ...), and SIGURG
// and SIGPROF, which belong to the Go runtime.
var forwarded = []os.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGABRT, unix.SIGUSR1,
	unix.SIGUSR2, unix.SIGALRM, unix.SIGTERM, unix.SIGWINCH,
}

// catch starts to catch the forwarded signals. Those that the process was
// started to ignore (nohup, a background job of a script) stay ignored.
func catch() <-chan os.Signal {
	ch := make(chan os.Signal, 64)
	for _, s := range forwarded {
		if !signal.Ignored(s) {
			signal.Notify(ch, s)
		}
	}
	return ch
}

// source is whose signal it was.
type source bool

const (
	toOutside source = false
	toFirst   source = true
)

// groupWindow is the time within which two signals of one number, one to the
// outside and one to the first process, are one signal to the process group.
// The kernel sends both in one go; what takes time is for both to wake up.
const groupWindow = 50 * time.Millisecond

// pairs tells signals to a single process, which must be handed on, from signals
// to the process group (the keys of a terminal; kill with a negative number),
// which the tests got themselves. These they must not get twice: many programs
// take the second SIGINT for "at once".
type pairs []pair

type pair struct {
	signal syscall.Signal
	source source
	due    time.Time // to be handed on then, unless the other one comes
}

func (p *pairs) add(s syscall.Signal, from source, now time.Time) {
	for i, other := range *p {
		if other.signal == s && other.source != from {
			*p = append((*p)[:i], (*p)[i+1:]...)
			return
		}
	}
	*p = append(*p, pair{s, from, now.Add(groupWindow)})
}

// due takes out the signals that are to be handed on, in the order they came.
func (p *pairs) due(now time.Time) (out []syscall.Signal) {
	for len(*p) > 0 && !(*p)[0].due.After(now) {
		out = append(out, (*p)[0].signal)
		*p = (*p)[1:]
	}
	return out
}

// timer fires when the next signal is due, or never.
func (p pairs) timer(now time.Time) <-chan time.Time {
	if len(p) == 0 {
		return nil
	}
	return time.After(p[0].due.Sub(now))
}

// dieBy ends the process by signal s, as if it had never been handled. Where
// that can't be (it is the first of a PID namespace), it exits with 128+s, as a
// shell would say it.
func dieBy(s syscall.Signal) {
	// The tests left their core dump, if they were to; this process has nothing
	// to tell.
	unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	// The zero bytes of a struct sigaction (SIG_DFL, no flags, empty mask) look
	// alike on every architecture. signal.Reset would not do: it gives the signal
	// back to the Go runtime, which dumps the goroutines of this process on SIGQUIT.
	var deflt [64]byte
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&deflt)), 0, 8, 0, 0)
	unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil)
	unix.Tgkill(unix.Getpid(), unix.Gettid(), s)
	syscall.Exit(128 + int(s))
}
