package capture

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// tapsPerRecorder bounds how long a recorder's thread takes to end: 12 ms for
// each of its sockets.
const tapsPerRecorder = 10

// recorder is a thread that reads the sockets of up to ten nodes of one recording,
// and then of another.
//
// It is a thread of its own because of how such sockets are closed: close(2)
// of an AF_PACKET socket waits for an RCU grace period (packet_release calls
// synchronize_net), some 12 ms, and a process that ends closes its descriptors
// one after the other. So the thread has a descriptor table of its own (see
// isolate). When the recording ends it closes its sockets, off everyone's path,
// while other threads close theirs, and goes back to the pool. When the process
// ends or is killed, the kernel does the same in the exit of each thread.
type recorder struct {
	store    *store
	settings settings
	room     int        // bytes of the smallest receive buffer or ring of its taps; 0 for none yet
	count    int        // taps; guarded by Recording.mu
	wake     int        // write end of the pipe that wakes the thread
	direct   bool       // there is no thread; see direct.go
	turn     sync.Mutex // without a thread, guards what else belongs to it

	mu    sync.Mutex
	queue []*request // for the thread to do
	ended bool       // no request is taken any more

	// What follows belongs to the thread.
	own     bool // it has a descriptor table of its own
	epoll   int
	woken   int // read end of the pipe
	home    int // the namespace that the thread came from
	process int // pidfd of the process, -1 if there is none
	reader  reader
	taps    map[int32]*Tap // by descriptor
	closing []int          // descriptors to close when there is nothing else to do
	leaving chan struct{}  // set when the recording has ended: see left
	stored  int            // packets read, ever
	bulk    bool           // the last look found many of them
	failed  error          // why the thread can read no more
	end     bool
}

// run is the thread. It returns without unlocking the thread, which ends it.
func (r *recorder) run(keep []int, wake int, started chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		// The main thread can't end, and its descriptor table is the one that
		// /proc/self shows. While it is held here, the next goroutine gets
		// another.
		defer runtime.UnlockOSThread()
		passed := make(chan error)
		go r.run(keep, wake, passed)
		started <- <-passed
		return
	}
	if err := r.prepare(keep, wake); err != nil {
		r.closeAll()
		started <- err
		return
	}
	started <- nil
	events := make([]unix.EpollEvent, tapsPerRecorder+1)
	for !r.end {
		n, err := unix.EpollWait(r.epoll, events, -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			r.fail(fmt.Errorf("wait for packets: %w", err))
		}
		requested := r.failed != nil
		for _, event := range events[:max(n, 0)] {
			requested = requested || int(event.Fd) == r.woken
		}
		if !requested && !r.bulk && r.store.eager.Load() == 0 {
			requested = gather(r.woken, r.room)
		}
		before := r.stored
		for _, event := range events[:max(n, 0)] {
			if int(event.Fd) == r.woken {
				continue
			}
			// It is read even while requests wait: they are few, and read too.
			if err := r.read(r.taps[event.Fd], 0); err != nil {
				r.fail(err)
			}
		}
		r.bulk = r.stored-before >= bulk
		if requested {
			r.serve()
		}
	}
	r.mu.Lock()
	r.ended = true
	left := r.queue
	r.queue = nil
	r.mu.Unlock()
	for _, q := range left {
		q.finish(errStopped)
	}
	r.closeAll()
	go unix.Close(r.wake) // on a thread that has the process's table
}

// prepare gives the thread what it needs.
func (r *recorder) prepare(keep []int, wake int) (err error) {
	r.epoll, r.woken, r.home, r.process = -1, -1, -1, -1
	r.own = keep != nil && isolate(keep) == nil
	if r.process, err = unix.PidfdOpen(os.Getpid(), 0); err != nil {
		r.process = -1 // Linux 5.3; a seccomp filter may forbid it
	}
	if r.woken, err = r.fetch(wake, unix.O_RDONLY|unix.O_NONBLOCK); err != nil {
		return fmt.Errorf("get at the pipe to the recorder: %w", err)
	}
	if r.home, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("open the thread's own namespace: %w", err)
	}
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	return r.watch(r.woken)
}

// fetch gets a descriptor of the process's table into the thread's own. What
// the thread took along when it left the other table is from before.
func (r *recorder) fetch(fd, flags int) (int, error) {
	if r.process >= 0 {
		if got, err := unix.PidfdGetfd(r.process, fd, 0); err == nil {
			return got, nil
		} // Linux 5.6; a seccomp filter may forbid it
	}
	// /proc/self is the thread group's leader, whose table is the process's.
	// This opens the file anew, which pipes and namespaces allow, but takes
	// 20 microseconds more.
	got, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /proc/self/fd/%d: %w (is /proc mounted?)", fd, err)
	}
	return got, nil
}

func (r *recorder) watch(fd int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, fd, &event))
}

func (r *recorder) closeAll() {
	for _, t := range r.taps {
		t.close()
	}
	for _, fd := range append(r.closing, r.epoll, r.woken, r.home, r.process) {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// fail notes why the thread can read no more; whoever asks next is told. The
// sockets are not looked at any more, or the thread would turn forever.
func (r *recorder) fail(err error) {
	r.failed = errors.Join(r.failed, err)
	if r.direct {
		for _, t := range r.taps {
			t.watcher.forget(t)
		}
		return
	}
	for fd := range r.taps {
		_ = unix.EpollCtl(r.epoll, unix.EPOLL_CTL_DEL, int(fd), nil) // at worst it was not in there
	}
}
