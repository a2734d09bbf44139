package capture

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// spare holds a recorder with its thread: starting a thread takes longer than
// all that a test has it do.
var spare = make(chan *recorder, 1)

// takeRecorder gives a recorder that is ready for taps, the spare one if there
// is one, and has another made in the background.
func takeRecorder(s *store, set settings) (r *recorder, err error) {
	select {
	case r = <-spare:
	default:
		if r, err = startRecorder(); err != nil {
			return nil, err
		}
	}
	go func() {
		next, err := startRecorder()
		if err != nil {
			return // whoever finds none tries again, and is told
		}
		select {
		case spare <- next:
		default: // several were taken at the same time
			next.stop(0)
			<-next.stopped
			awaitEnd(next.wake)
		}
	}()
	r.store, r.settings = s, set // the thread looks at them when it is asked to attach
	r.reader.init(set)
	return r, nil
}

// startRecorder returns when the thread is ready.
func startRecorder() (*recorder, error) {
	keep, err := runtimeDescriptors()
	if err != nil {
		keep = nil // without a table of its own then; the thread closes its sockets itself
	}
	waitForEnding()
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("make a pipe to the recorder: %w", err)
	}
	defer unix.Close(pipe[0])
	r := &recorder{wake: pipe[1], stopped: make(chan struct{}), taps: map[int32]*Tap{}}
	started := make(chan error)
	go r.run(keep, pipe[0], started)
	if err := <-started; err != nil {
		unix.Close(pipe[1])
		return nil, fmt.Errorf("start a recorder: %w", err)
	}
	return r, nil
}
