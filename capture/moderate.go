package capture

import "golang.org/x/sys/unix"

// A thread that is woken for each packet costs a small lab more than all that is
// done with the packets. So, as network cards do with interrupts, one that a packet
// has woken waits a little for more before it reads. Whoever needs what was recorded
// asks for it, and whoever waits for a packet says so (see Recording.hurry): both end
// that wait.
const (
	// gathering is how long, in nanoseconds, at most.
	gathering = 1_000_000
	// fillRate is how fast packets are taken to fill the socket's buffer, in bytes
	// a second as the kernel counts them (about 768 for the smallest frame): more
	// than two processors can send. A small buffer is read the sooner.
	fillRate = 2 << 30
	// bulk is how many packets in one look make the thread look again at once.
	bulk = 256
)

// gather waits for more packets, of which the smallest socket has so much room (in
// bytes), and tells whether a descriptor that became readable ended that.
func gather(until, room int) bool {
	wait := unix.NsecToTimespec(min(gathering, int64(room)*1_000_000_000/fillRate/2))
	n, _ := unix.Ppoll([]unix.PollFd{{Fd: int32(until), Events: unix.POLLIN}}, &wait, nil)
	return n > 0 // on an error there is nothing to be gained by waiting
}

// least is the smaller of two sizes, of which 0 is none yet.
func least(a, b int) int {
	if a == 0 || b < a {
		return b
	}
	return a
}

// hurry has packets read as soon as they come, until the function that it returns is
// called.
func (r *Recording) hurry() (done func()) {
	r.store.eager.Add(1)
	unhurry := func() {}
	if w, err := theWatcher(); err == nil {
		unhurry = w.hurry()
	}
	return func() {
		unhurry()
		r.store.eager.Add(-1)
	}
}

// keep stores what was read.
func (r *recorder) keep() {
	r.stored += len(r.reader.seen)
	r.store.add(r.reader.seen)
}
