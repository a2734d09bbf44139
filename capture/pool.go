package capture

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxIdle bounds the recorders that are kept for the next recordings. As many
// are at work or closing their sockets when small labs follow one another.
const maxIdle = 16

// maxLeaving bounds the recorders that are busy closing their sockets: the kernel
// takes apart what they held (sockets, namespaces) at its own pace, and that must
// not pile up.
const maxLeaving = 32

// pool is where recordings take recorders from and give them back to: starting a
// thread, and ending it, takes longer than all that a test has it do.
var pool struct {
	sync.Mutex
	idle     []*recorder
	starting bool            // one in the background
	leaving  []chan struct{} // of each recorder that closes its sockets; closed when it has
}

// takeRecorder gives a recorder that is ready for taps, and sees to one in reserve.
func takeRecorder(s *store, set settings) (r *recorder, err error) {
	pool.Lock()
	if n := len(pool.idle); n > 0 {
		r, pool.idle = pool.idle[n-1], pool.idle[:n-1]
	}
	if len(pool.idle) == 0 && !pool.starting {
		pool.starting = true
		go reserve()
	}
	pool.Unlock()
	if r == nil {
		if r, err = startRecorder(); err != nil {
			return nil, err
		}
	}
	r.store, r.settings, r.count, r.room = s, set, 0, 0 // the thread looks at them when it is asked to attach
	r.reader.init(set)
	return r, nil
}

// reserve starts one recorder more than are in use.
func reserve() {
	r, err := startRecorder()
	pool.Lock()
	pool.starting = false
	pool.Unlock()
	// On an error whoever finds none tries again, and is told.
	if err == nil && !park(r) {
		r.post(func() error { r.end = true; return nil })
	}
}

// park makes a recorder available, unless there are enough.
func park(r *recorder) bool {
	pool.Lock()
	defer pool.Unlock()
	if len(pool.idle) >= maxIdle {
		return false
	}
	pool.idle = append(pool.idle, r)
	return true
}

// leave notes that a recorder is about to close its sockets, and returns what to
// close when it has.
func leave() chan struct{} {
	done := make(chan struct{})
	pool.Lock()
	defer pool.Unlock()
	pool.leaving = append(pool.leaving, done)
	return done
}

// left is called when a recorder has closed its sockets.
func left(done chan struct{}) {
	pool.Lock()
	defer pool.Unlock()
	pool.leaving = slices.DeleteFunc(pool.leaving, func(c chan struct{}) bool { return c == done })
	close(done)
}

// waitForLeaving returns when few enough recorders are closing their sockets.
func waitForLeaving() {
	// Only the kernel can hold them up; then more threads are the lesser evil.
	for until := time.Now().Add(2 * time.Second); ; {
		pool.Lock()
		var first chan struct{}
		if len(pool.leaving) > maxLeaving {
			first = pool.leaving[0]
		}
		pool.Unlock()
		if first == nil {
			return
		}
		select {
		case <-first:
		case <-time.After(time.Until(until)):
			return
		}
	}
}

// startRecorder returns when the thread is ready.
func startRecorder() (*recorder, error) {
	keep, err := runtimeDescriptors()
	if err != nil {
		keep = nil // without a table of its own then
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("make a pipe to the recorder: %w", err)
	}
	defer unix.Close(pipe[0])
	r := &recorder{wake: pipe[1], taps: map[int32]*Tap{}}
	started := make(chan error)
	go r.run(keep, pipe[0], started)
	if err := <-started; err != nil {
		unix.Close(pipe[1])
		return nil, fmt.Errorf("start a recorder: %w", err)
	}
	return r, nil
}
