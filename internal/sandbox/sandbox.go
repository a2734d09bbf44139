// Package sandbox lets a test binary start itself again in namespaces of its
// own, so that no test can touch the machine and nothing outlives the tests.
//
// Three processes, one binary:
//
//	outside   what `go test` started; waits, forwards signals, ends as the tests ended
//	PID 1     first process of the new namespaces; mounts, reaps, and takes
//	          everything with it when it ends
//	tests     runs testing.M, unaware of the other two
//
// The kernel itself does the tidying: when PID 1 of a PID namespace ends, for
// whatever reason, the kernel kills all that is left in it (pid_namespaces(7)).
package sandbox

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// envSandbox tells a process which stage it is. Its values: unset (outside),
	// firstPrefix and what PID 1 needs to know, the inode of the sandbox's mount
	// namespace (the tests, and what they start), or inPlace.
	envSandbox = "NETRIG_SANDBOX"
	envRequire = "NETRIG_REQUIRE"
	inPlace    = "inplace"
)

// state is what init found out about this process.
var state struct {
	active bool
	refuse error // why running in place is refused
}

func init() {
	// The main goroutine stays on the main thread. No other goroutine then runs
	// there, so none can leave it behind in a dead namespace: the runtime ends
	// every other thread that a locked goroutine leaves, but it can't end this
	// one, and /proc/PID/ns/net would show that namespace for good. Also, a
	// child's parent death signal follows the thread that started the child.
	runtime.LockOSThread()

	switch value := os.Getenv(envSandbox); {
	case value == "":
	case value == inPlace:
		state.refuse = checkInPlace()
		state.active = state.refuse == nil
	case strings.HasPrefix(value, firstPrefix):
		first(value) // does not return: PID 1 needs nothing of the packages that come after this one
	default:
		if state.active = value == mountNamespace(); state.active {
			setName(filepath.Base(os.Args[0]))
		}
	}
}

// Tests are what Main runs: a *testing.M, or one with something around it.
type Tests interface{ Run() int }

// Main runs the tests of m in a sandbox and never returns: it ends the process
// as the tests ended, with their exit status or by the same signal. Call it
// from TestMain, and nothing after it. What TestMain does before it happens
// outside, and once more inside.
//
// The sandbox has a network namespace with nothing but a loopback interface
// that is down, a mount namespace with a /proc, /run and /sys of its own, a PID
// namespace, and, unless the process has the capabilities already, a user
// namespace. Where the kernel forbids that, Main says why on standard error and
// exits with status 1.
//
// With NETRIG_SANDBOX=inplace (for debuggers) the tests run in this process, if
// its network namespace looks like one made for the purpose.
func Main(m Tests) {
	if !flag.Parsed() {
		flag.Parse() // as m.Run does; a wrong flag is then reported once, here
	}
	if state.refuse != nil {
		fail(state.refuse.Error())
	}
	if state.active || onlyLists() {
		if text := wrongRequire(); text != "" {
			fmt.Fprintln(os.Stderr, "netrig: "+text)
		}
		overlap()
		watchSeldom()
		collectSeldom()
		// Not on this goroutine: each hand-over between a goroutine locked to a
		// thread and one that isn't is a switch of threads.
		code := make(chan int)
		go func() { code <- m.Run() }()
		os.Exit(<-code) // runs the exit hooks, which write coverage data
	}
	outside()
}

// Active reports whether this process is inside a sandbox, or runs in place.
func Active() bool { return state.active }

// RequireAll reports whether NETRIG_REQUIRE=1 is set: what a test would skip for
// want of a kernel feature, a program or a privilege must then fail.
func RequireAll() bool { return os.Getenv(envRequire) == "1" }

// wrongRequire says that a value of NETRIG_REQUIRE asks for nothing, where
// whoever set it may think that it does.
func wrongRequire() string {
	switch value := os.Getenv(envRequire); value {
	case "", "0", "1":
		return ""
	default:
		return fmt.Sprintf("%s=%q asks for nothing: only %s=1 does; tests may skip", envRequire, value, envRequire)
	}
}

// onlyLists reports whether the tests are to be named, not run (-test.list).
func onlyLists() bool {
	list := flag.Lookup("test.list")
	return list != nil && list.Value.String() != ""
}

// fail ends the process with a message. It bypasses the exit hooks: coverage
// data is for the tests to write, and only for them.
func fail(message string) {
	fmt.Fprintf(os.Stderr, "netrig: %s\n", message)
	syscall.Exit(1)
}

// mountNamespace names the mount namespace of this process. It tells a process
// of the sandbox from any other: unlike the network namespace, a process that
// was started in a node has it too.
func mountNamespace() string {
	var st syscall.Stat_t
	if err := syscall.Stat("/proc/thread-self/ns/mnt", &st); err != nil {
		return ""
	}
	return fmt.Sprint(st.Ino)
}

// setName gives a process that was started by way of /proc/self/exe the name
// that ps, top and pkill know it by; without, it would be "exe".
func setName(name string) {
	if b, err := unix.ByteSliceFromString(name[:min(len(name), 15)]); err == nil { // TASK_COMM_LEN is 16
		unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&b[0])), 0, 0, 0)
	}
}
