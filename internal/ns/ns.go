// Package ns makes, enters and closes network namespaces.
//
// A namespace is held by a file descriptor only, never by a mount under
// /run/netns: whatever ends the process, the kernel then takes the namespace
// and everything in it back.
package ns

import (
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is an open network namespace. Its methods are safe for concurrent
// use, except that Close must come last.
type Namespace struct {
	handle netns.NsHandle
	inode  uint64
	once   sync.Once
}

// New makes a fresh network namespace. The calling goroutine stays where it is.
func New() (*Namespace, error) { return NewWith(func() error { return nil }) }

// NewWith makes a fresh network namespace and, while the thread is in it anyway, runs
// f there, on the calling goroutine. If f fails there is no namespace.
func NewWith(f func() error) (*Namespace, error) {
	var made *Namespace
	err := onThread(func() error {
		handle, err := netns.New() // moves this thread into the namespace
		if err != nil {
			return fmt.Errorf("make a network namespace: %w%s", err, hint(err))
		}
		if made, err = open(handle); err != nil {
			return err
		}
		if err := f(); err != nil {
			made.Close()
			made = nil
			return err
		}
		return nil
	})
	return made, err
}

// hint says what to do about the limits that a new namespace runs into.
func hint(err error) string {
	switch err {
	case unix.ENOSPC:
		return " (the limit user.max_net_namespaces is reached; raise it with sysctl, or run fewer tests at once)"
	case unix.EPERM:
		return " (needs CAP_SYS_ADMIN: call harness.Main from TestMain, or run as root)"
	}
	return ""
}

// Current opens the namespace that the calling thread is in.
func Current() (*Namespace, error) {
	handle, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("open the current network namespace: %w", err)
	}
	return open(handle)
}

// Open opens a namespace by a file that names it, such as /run/netns/NAME or
// what Path returns.
func Open(path string) (*Namespace, error) {
	handle, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("open the network namespace %s: %w", path, err)
	}
	return open(handle)
}

func open(handle netns.NsHandle) (*Namespace, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(handle), &st); err != nil {
		handle.Close()
		return nil, fmt.Errorf("look at a network namespace: %w", err)
	}
	return &Namespace{handle: handle, inode: st.Ino}, nil
}

// Fd is the descriptor that keeps the namespace alive. It belongs to n.
func (n *Namespace) Fd() int { return int(n.handle) }

// Inode is the number by which the kernel tells namespaces apart
// (as in `readlink /proc/self/ns/net`).
func (n *Namespace) Inode() uint64 { return n.inode }

// Path is a file name for outside programs (nsenter --net=, CNI_NETNS). It
// holds as long as this process and n live.
func (n *Namespace) Path() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.Fd())
}

// Keep is the same namespace by a descriptor of its own: it stays when n is
// closed, while Path and Do of n end.
func (n *Namespace) Keep() (*Namespace, error) {
	fd, err := unix.FcntlInt(uintptr(n.handle), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("keep a network namespace: %w", err)
	}
	return &Namespace{handle: netns.NsHandle(fd), inode: n.inode}, nil
}

// Close lets go of the namespace. The kernel removes it, in the background,
// once no socket and no process is left in it.
func (n *Namespace) Close() {
	n.once.Do(func() { n.handle.Close() })
}

// Do runs f on the calling goroutine, inside the namespace. Goroutines that f
// starts are not in the namespace; sockets that f opens are, and can be used
// from anywhere afterwards. A panic or runtime.Goexit in f passes through.
func (n *Namespace) Do(f func() error) error {
	leave, err := n.Enter()
	if err != nil {
		return err
	}
	defer leave()
	return f()
}

// Enter moves the calling goroutine into the namespace, until it calls leave itself.
func (n *Namespace) Enter() (leave func(), err error) {
	leave, err = bind()
	if err != nil {
		return nil, err
	}
	if err := netns.Set(n.handle); err != nil {
		leave()
		return nil, fmt.Errorf("enter a network namespace: %w", err)
	}
	return leave, nil
}

// onThread runs f with the goroutine bound to its thread.
func onThread(f func() error) error {
	leave, err := bind()
	if err != nil {
		return err
	}
	defer leave()
	return f()
}

// bind binds the goroutine to its thread, until it calls leave, which puts the thread
// back into the namespace that it was in. A thread that can't be put back stays bound:
// the runtime then ends it together with its goroutine, so no other goroutine ever runs
// in the wrong namespace.
func bind() (leave func(), err error) {
	runtime.LockOSThread()
	before, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("open the current network namespace: %w", err)
	}
	return func() {
		if netns.Set(before) == nil {
			runtime.UnlockOSThread()
		}
		before.Close()
	}, nil
}
