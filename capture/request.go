package capture

import (
	"errors"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// futex(2): operations on a word that no other process sees.
const (
	futexWait = 0 | 128
	futexWake = 1 | 128
)

// request is something that a recorder's thread does for another goroutine.
//
// The answer comes through a futex and not through a channel: a goroutine that
// a locked thread makes ready, and which then blocks in the kernel, sits in the
// thread's run queue until another thread takes it away, for which the runtime
// sleeps a little first (runqgrab): some 80 microseconds where this takes 10.
type request struct {
	do   func() error
	err  error
	done atomic.Uint32
}

// finish answers.
func (q *request) finish(err error) {
	q.err = err
	q.done.Store(1)
	// There is nothing to do about an error: the word is in our own memory.
	_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&q.done)), futexWake, 1, 0, 0, 0)
}

// wait returns with the answer. Only one goroutine may wait.
func (q *request) wait() error {
	for q.done.Load() == 0 {
		// Returns at once if the word has changed (EAGAIN); else on a wake or
		// a signal.
		_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&q.done)), futexWait, 0, 0, 0, 0)
	}
	runtime.KeepAlive(q)
	return q.err
}

// call has the thread do something and waits for it.
func (r *recorder) call(do func() error) error { return r.post(do).wait() }

// post has the thread do something.
func (r *recorder) post(do func() error) *request {
	q := &request{do: do}
	if r.direct {
		r.turn.Lock()
		defer r.turn.Unlock()
		q.err = errors.Join(do(), r.failed)
		q.done.Store(1)
		return q
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		q.finish(errStopped)
		return q
	}
	r.queue = append(r.queue, q)
	if len(r.queue) == 1 {
		for {
			_, err := unix.Write(r.wake, []byte{0})
			if err != unix.EINTR {
				break // a full pipe wakes the thread as well
			}
		}
	}
	return q
}

// serve does what was asked for.
func (r *recorder) serve() {
	var buf [64]byte
	for {
		n, err := unix.Read(r.woken, buf[:])
		if err == unix.EINTR || n == len(buf) {
			continue
		}
		break
	}
	r.mu.Lock()
	queue := r.queue
	r.queue = nil
	r.mu.Unlock()
	for _, q := range queue {
		err := q.do()
		if err == nil {
			err = r.failed
		}
		q.finish(err)
	}
	for _, fd := range r.closing {
		if fd >= 0 {
			unix.Close(fd) // 12 ms
		}
	}
	r.closing = r.closing[:0]
	if r.leaving != nil {
		left(r.leaving)
		r.leaving = nil
		// Once it is parked it may get another recording's requests.
		r.end = r.failed != nil || !park(r)
	}
}

// release gives up all taps after a drain of what was queued until now, and then
// has the thread close their sockets and go back to the pool. The error is that of
// the drain.
func (r *recorder) release(now int64) *request {
	var done chan struct{}
	if !r.direct {
		done = leave()
	}
	return r.post(func() error {
		r.leaving = done
		var errs []error
		for _, t := range r.taps {
			errs = append(errs, r.detach(t, now))
		}
		return errors.Join(errs...)
	})
}
