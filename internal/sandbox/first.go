package sandbox

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// first is the whole life of the first process of a sandbox. It runs on the
// main thread, from init, and does not return.
func first(value string) {
	o, err := parseOrder(value)
	if err == nil {
		// The tests must not have the socket. This also finds out whether there is one.
		_, err = unix.FcntlInt(uintptr(o.fd), unix.F_SETFD, unix.FD_CLOEXEC)
	}
	if err != nil {
		fail("not started by a test binary: " + err.Error() + "; unset " + envSandbox)
	}

	setName("netrig-first")
	if bad := furnish(o.pids); bad != nil {
		send(o.fd, bad.marshal())
		syscall.Exit(1)
	}
	if !o.pids {
		unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}

	// A deadly signal that comes before watch listens finds this process without a
	// handler and ends the sandbox. That is right: no test has begun.
	pid, err := syscall.ForkExec(self, os.Args, &syscall.ProcAttr{
		Env:   withEnv(os.Environ(), mountNamespace()),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL},
	})
	if err != nil {
		o.fatal("start the tests", err)
	}
	go o.watch(pid)

	for {
		var status unix.WaitStatus
		switch ended, err := unix.Wait4(-1, &status, 0, nil); {
		case err == unix.EINTR:
		case err != nil:
			o.fatal("wait for the tests", err)
		case ended == pid:
			if !o.pids {
				killChildren(nil)
			}
			send(o.fd, report{kind: reportEnd, value: uint32(status)}.marshal())
			syscall.Exit(0) // and the kernel kills what is left in the PID namespace
		}
	}
}

func (o order) fatal(step string, err error) {
	errno, _ := err.(unix.Errno)
	send(o.fd, report{reportFailed, uint32(errno), step}.marshal())
	syscall.Exit(1)
}

// watch hands signals on to the tests, and ends everything when the outside is gone.
func (o order) watch(pid int) {
	asked := make(chan syscall.Signal)
	go o.listen(asked)
	own := catch()
	var waiting pairs
	for {
		select {
		case s := <-own:
			waiting.add(s.(syscall.Signal), toFirst, time.Now())
		case s := <-asked:
			waiting.add(s, toOutside, time.Now())
		case <-waiting.timer(time.Now()):
		}
		for _, s := range waiting.due(time.Now()) {
			unix.Kill(pid, s)
		}
	}
}

// listen reads what the outside asks to hand on.
func (o order) listen(asked chan<- syscall.Signal) {
	for {
		message := receive(o.fd, 0)
		if len(message) == 0 {
			// The outside is gone. With a PID namespace the parent death signal has
			// said so already, but it can come too early to be heard.
			if !o.pids {
				killChildren(nil)
			}
			syscall.Exit(1)
		}
		asked <- syscall.Signal(message[0])
	}
}
