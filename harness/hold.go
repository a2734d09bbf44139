package harness

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/netrig/netrig/internal/sandbox"
	"golang.org/x/sys/unix"
)

// holdVariable asks for labs to stay up at their end: "1" the first one whose
// test has failed, "always" every one, in turn.
const holdVariable = "NETRIG_HOLD"

// held makes labs wait for each other, and tells that one was held.
var held struct {
	sync.Mutex
	once bool
}

// began is when the tests of this process began.
var began = time.Now()

// wrongHold says that a value of NETRIG_HOLD asks for nothing.
func wrongHold() string {
	switch value := os.Getenv(holdVariable); value {
	case "", "0", "1", "always":
		return ""
	default:
		return fmt.Sprintf("%s=%q asks for nothing: 1 holds the lab of the first failed test, always every lab", holdVariable, value)
	}
}

// hold keeps the lab up, with what runs in it, if the environment asks for that:
// it says how to get into the nodes, and waits for Enter on the terminal or for
// SIGUSR1. Every other signal ends the tests as ever, and with them the lab.
func (l *Lab) hold() {
	mode := os.Getenv(holdVariable)
	if mode != "always" && (mode != "1" || !l.TB.Failed()) || l.TB.Skipped() || standsIn(l.TB) {
		return
	}
	held.Lock()
	defer held.Unlock()
	if mode == "1" && held.once {
		return
	}
	held.once = true

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGUSR1)
	defer signal.Stop(signals)
	// What a test logs is printed when it has ended, and go test prints what a
	// package printed when that has: so it is told to the terminal itself.
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		fmt.Fprint(os.Stderr, l.holding(false))
		<-signals
		return
	}
	defer terminal.Close()
	// What was typed before is no answer.
	if raw, err := terminal.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetInt(int(fd), unix.TCFLSH, unix.TCIFLUSH) })
	}
	fmt.Fprint(terminal, l.holding(true))
	entered := make(chan struct{})
	go func() {
		if enter(terminal) {
			close(entered)
		}
	}()
	select {
	case <-entered:
	case <-signals:
	}
	fmt.Fprintf(terminal, "netrig: %s: let go\n", l.TB.Name())
}

// enter waits for Enter, or Ctrl-D. It tells false of a terminal that is gone, or
// that does not let its background processes read.
func enter(terminal io.Reader) bool {
	b := make([]byte, 1)
	for {
		n, err := terminal.Read(b)
		if err == io.EOF || n == 1 && b[0] == '\n' {
			return true
		}
		if err != nil {
			return false
		}
	}
}

// mostTold is how many lines of a failure are told: its explanation, and the
// beginning of its story.
const mostTold = 24

// holding is what is told of a lab that is held.
func (l *Lab) holding(terminal bool) string {
	var b strings.Builder
	what := "has ended"
	if l.TB.Failed() {
		what = "has failed"
	}
	pid, user, inside := sandbox.Entrance()
	if !inside {
		pid = os.Getpid()
	}
	fmt.Fprintf(&b, "\nnetrig: %s %s; its lab stays up\n", l.TB.Name(), what)
	l.mu.Lock()
	if count := len(l.failures); count > 0 {
		lines := strings.Split(l.failures[count-1].Line+": "+l.failures[count-1].Text, "\n")
		fmt.Fprintf(&b, "    %s\n", strings.Join(lines[:min(len(lines), mostTold)], "\n    "))
	}
	l.mu.Unlock()
	fmt.Fprintf(&b, "netrig: a shell in a node, from another terminal of the same user (exit closes it; it ends with the lab):\n")
	for _, n := range l.All() {
		fmt.Fprintf(&b, "    %-8s %s\n", n.name, n.entrance(pid, user, inside))
	}
	if f := flag.Lookup("test.timeout"); f != nil {
		if d, ok := f.Value.(flag.Getter).Get().(time.Duration); ok && d > 0 {
			fmt.Fprintf(&b, "netrig: go test's -timeout of %s ends it at %s; run with -timeout 0 to keep it longer\n", d, began.Add(d).Format(time.TimeOnly))
		}
	}
	if terminal {
		fmt.Fprintf(&b, "netrig: Enter lets go of it, here, or kill -USR1 %d\n", pid)
	} else {
		fmt.Fprintf(&b, "netrig: kill -USR1 %d lets go of it\n", pid)
	}
	return b.String()
}

// entrance is the command that opens a shell in the node, with its own mounts
// (/sys, /etc/resolv.conf, the names for `ip -n`), among the processes of the
// sandbox. The namespaces are held by descriptors only, so they are named by
// those, as seen from the root of the sandbox's first process.
func (n *Node) entrance(pid int, user, inside bool) string {
	fd := func(number int) string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), number) }
	line := "nsenter"
	if inside {
		seen := fd
		fd = func(number int) string { return fmt.Sprintf("/proc/%d/root%s", pid, seen(number)) }
		if user {
			line += " -U --preserve-credentials"
		}
		line += fmt.Sprintf(" -t %d -p", pid)
	}
	err := n.letIn()
	if err == nil {
		var mounts *mountSpace
		if mounts, err = n.mountSpace(); err == nil {
			line += " --mount=" + fd(mounts.fd)
		}
	}
	line += " --net=" + fd(n.space.Fd())
	if err != nil {
		line += fmt.Sprintf("   # without its own mounts: %v", err)
	}
	return line
}
