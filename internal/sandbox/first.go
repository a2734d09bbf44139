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
		err = o.check()
	}
	if err == nil {
		// The tests must not have the socket.
		_, err = unix.FcntlInt(uintptr(o.fd), unix.F_SETFD, unix.FD_CLOEXEC)
	}
	if err != nil {
		fail("not started by a test binary: " + err.Error() + "; unset " + envSandbox)
	}

	// While the mounts are being made; but before the tests begin.
	signals := make(chan (<-chan os.Signal), 1)
	go func() { signals <- catch() }()

	setName("netrig-first")
	if bad := furnish(o.pids); bad != nil {
		send(o.fd, bad.marshal())
		syscall.Exit(1)
	}
	if !o.pids {
		unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}

	own := <-signals
	early, entrance := o.awaitOutside()
	pid, err := syscall.ForkExec(self, os.Args, &syscall.ProcAttr{
		Env:   withEnv(withEnv(os.Environ(), envSandbox, mountNamespace()), envEntrance, entrance),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL},
	})
	if err != nil {
		o.fatal("start the tests", err)
	}
	go o.watch(pid, own, early)

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

// awaitOutside returns when the outside catches its signals, with those that it
// asked to hand on before, and the entrance to the sandbox.
func (o order) awaitOutside() (early []syscall.Signal, entrance string) {
	for {
		switch message := receive(o.fd, 0); {
		case len(message) == 0:
			syscall.Exit(1) // the outside is gone
		case message[0] == ready:
			return early, string(message[1:])
		default:
			early = append(early, syscall.Signal(message[0]))
		}
	}
}

// watch hands signals on to the tests, and ends everything when the outside is
// gone: those that this process gets itself, and those that the outside asks
// for, among them some from before the tests began.
func (o order) watch(pid int, own <-chan os.Signal, early []syscall.Signal) {
	asked := make(chan syscall.Signal)
	go o.listen(asked)
	var waiting pairs
	for _, s := range early {
		waiting.add(s, toOutside, time.Now())
	}
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
