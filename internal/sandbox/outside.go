package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/testflag"
)

// self is this very binary, also when its file was replaced or removed since.
const self = "/proc/self/exe"

// outside makes the sandbox, waits for it, and ends as it ended. It runs on the
// main thread.
func outside() {
	if text := tooLow(); text != "" {
		fail(text)
	}
	caught := &catcher{}
	rep, status, err := enter(true, caught)
	if err == nil && rep.kind == reportNoProc {
		// Some containers cover parts of /proc, and the kernel then lets nobody
		// mount another that shows them.
		fmt.Fprintf(os.Stderr, "netrig: a new /proc can't be mounted here (%s: %v): going on without a PID namespace; "+
			"a program that left its session can outlive the tests if several of their processes are killed at once\n",
			rep.step, unix.Errno(rep.value))
		rep, status, err = enter(false, caught)
	}
	switch {
	case err != nil:
		fail(explain(failureOf("start a process in new namespaces", err)))
	case rep.kind == reportFailed:
		fail(explain(failureOf(rep.step, unix.Errno(rep.value))))
	case rep.kind == reportEnd:
		if text := starved(unix.WaitStatus(rep.value)); text != "" {
			fmt.Fprintln(os.Stderr, "netrig: "+text)
		}
		leave(unix.WaitStatus(rep.value))
	}
	if text := starved(status); text != "" {
		fmt.Fprintln(os.Stderr, "netrig: "+text)
	}

	// The first process ended before it could tell how the tests ended.
	if status.Signaled() {
		dieBy(status.Signal())
	}
	if s := caught.last.Load(); s != 0 {
		dieBy(syscall.Signal(s)) // it was hit before it was ready to hand signals on
	}
	fail(fmt.Sprintf("the first process of the sandbox ended early (exit status %d)", status.ExitStatus()))
}

// leave ends this process as the tests ended, without exit hooks.
func leave(status unix.WaitStatus) {
	if status.Signaled() {
		dieBy(status.Signal())
	}
	syscall.Exit(status.ExitStatus())
}

// enter starts the first process of a sandbox and waits for its end.
func enter(pids bool, caught *catcher) (rep report, status unix.WaitStatus, err error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return rep, 0, err
	}
	mine, theirs := ends[0], ends[1] // mine stays open: a signal may still be on its way to it
	existing := map[int]bool{}
	if !pids {
		// The orphans of the sandbox come here, in case its first process is killed.
		unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
		for _, pid := range children() {
			existing[pid] = true
		}
	}
	pid, err := start(theirs, pids)
	unix.Close(theirs)
	if err != nil {
		return rep, 0, err
	}
	// Only now: a signal that comes earlier ends this process, and the sandbox
	// with it, as it would have ended the tests. Each signal to be caught takes a
	// switch of threads, and the start of the sandbox hides that; but the tests do
	// not begin before all are.
	caught.forward(mine, entrance{pid, !privileged()})
	for {
		if _, err = unix.Wait4(pid, &status, 0, nil); err != unix.EINTR {
			break
		}
	}
	if !pids {
		killChildren(existing)
	}
	rep, _ = parseReport(receive(mine, unix.MSG_DONTWAIT))
	return rep, status, err
}

// start runs this binary once more, in new namespaces, with the same
// arguments, streams, working directory and inherited descriptors.
func start(socket int, pids bool) (int, error) {
	// A number, not a fixed place such as 3: whatever descriptors this process was
	// started with, the tests find them where they were.
	if _, err := unix.FcntlInt(uintptr(socket), unix.F_SETFD, 0); err != nil {
		return 0, err
	}
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET}
	if pids {
		attr.Cloneflags |= unix.CLONE_NEWPID
		attr.Pdeathsig = unix.SIGKILL // and the rest of the namespace dies with it
	}
	if !privileged() {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		// The kernel wants setgroups(2) given up for good before an ordinary user
		// may map a group (user_namespaces(7)); this is what false stands for.
		attr.GidMappingsEnableSetgroups = false
	}

	env := withEnv(os.Environ(), envSandbox, order{socket, pids, mountNamespace()}.String())
	pid, err := syscall.ForkExec(self, append(os.Args[:1:1], testflag.WithoutLog(os.Args[1:])...), &syscall.ProcAttr{
		Env: env, Files: []uintptr{0, 1, 2}, Sys: attr,
	})
	if errors.Is(err, unix.ENOENT) {
		return 0, fmt.Errorf("%w (is /proc mounted?)", err)
	}
	return pid, err
}

// withEnv is env with a variable set to a value.
func withEnv(env []string, name, value string) []string {
	out := make([]string, 0, len(env)+1)
	for _, entry := range env {
		if !strings.HasPrefix(entry, name+"=") {
			out = append(out, entry)
		}
	}
	return append(out, name+"="+value)
}

// ready begins the message to the first process that the signals of the outside
// are being caught, which goes on with its entrance; every other message is the
// number of a signal.
const ready = 0

// catcher hands the signals of this process on to the sandbox.
type catcher struct {
	once   sync.Once
	caught chan struct{} // closed when signals are being caught
	socket atomic.Int64  // to the first process
	last   atomic.Int64  // the last deadly signal that was caught, or 0
}

// forward hands signals on to socket, instead of those before. From then on no
// forwarded signal ends this process: it ends when the sandbox does.
func (c *catcher) forward(socket int, e entrance) {
	c.socket.Store(int64(socket))
	c.once.Do(func() {
		c.caught = make(chan struct{})
		go c.loop()
	})
	go func() {
		<-c.caught
		if s := c.last.Load(); s != 0 {
			send(socket, []byte{byte(s)}) // the sandbox before may have been gone already
		}
		send(socket, append([]byte{ready}, e.String()...))
	}()
}

func (c *catcher) loop() {
	signals := catch()
	close(c.caught)
	for s := range signals {
		n := s.(syscall.Signal)
		if n != unix.SIGWINCH {
			c.last.Store(int64(n))
		}
		send(int(c.socket.Load()), []byte{byte(n)})
	}
}
