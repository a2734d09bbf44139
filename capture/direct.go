package capture

import (
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/ns"
)

// A small lab's sockets are in the process's descriptor table, and whoever wants to
// know what was recorded reads them himself: a thread that is asked instead takes as
// long to wake as all the reading. In the meantime the watcher reads them.
//
// There are at most directLimit of them. A process that is killed closes its
// descriptors one after the other, at some 12 ms each (see recorder), and a second is
// all that it may take; further sockets belong to threads.
var directLimit int32 = 36 // tests change it

// directTaps counts them.
var directTaps atomic.Int32

// directs are recorders without a thread, for the next recordings.
var directs = sync.Pool{New: func() any { return &recorder{direct: true, taps: map[int32]*Tap{}} }}

// reserveDirect takes one of the places, if one is left.
func reserveDirect() bool {
	if directTaps.Add(1) <= directLimit {
		return true
	}
	directTaps.Add(-1)
	return false
}

// takeDirect gives a recorder without a thread.
func takeDirect(s *store, set settings) *recorder {
	r := directs.Get().(*recorder)
	r.turn.Lock()
	defer r.turn.Unlock()
	r.store, r.settings, r.count = s, set, 0
	r.reader.init(set)
	return r
}

// attachDirect opens the sockets of a tap of which the place has been reserved.
func (r *recorder) attachDirect(t *Tap, n *ns.Namespace) error {
	w, err := theWatcher()
	if err == nil {
		err = r.visit(n, func() error { return t.open(r.settings) })
	}
	if err == nil {
		r.turn.Lock()
		r.taps[int32(t.fd)] = t
		r.turn.Unlock()
		err = w.watch(t)
	}
	if err != nil {
		r.turn.Lock()
		defer r.turn.Unlock()
		delete(r.taps, int32(t.fd))
		t.close()
		directTaps.Add(-1)
	}
	return err
}

// letGoDirect closes a tap's sockets in the background. The place is free again at
// once: what is being closed is in no table any more.
func letGoDirect(netlink, fd int) {
	directTaps.Add(-1)
	done := leave()
	go func() {
		defer left(done)
		if netlink >= 0 {
			unix.Close(netlink)
		}
		unix.Close(fd) // 12 ms
	}()
}

// watcher reads what nobody has asked for yet from the sockets in the process's
// table.
type watcher struct {
	epoll int
	kick  int          // eventfd that ends the wait for more packets
	eager atomic.Int32 // how many wait for a packet, which is to be read at once

	mu   sync.Mutex
	taps map[int32]*Tap // by number
	last int32          // number of the last one; none is 0
}

// theWatcher is the one of the process.
var theWatcher = sync.OnceValues(func() (*watcher, error) {
	w := &watcher{taps: map[int32]*Tap{}}
	var err error
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("watch the sockets of recordings: epoll_create1: %w", err)
	}
	if w.kick, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(w.epoll)
		return nil, fmt.Errorf("watch the sockets of recordings: eventfd: %w", err)
	}
	go w.run()
	return w, nil
})

// watch adds a tap.
func (w *watcher) watch(t *Tap) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for t.watched = 0; t.watched == 0 || w.taps[w.last] != nil; t.watched = w.last {
		w.last++
	}
	w.taps[t.watched], t.watcher = t, w
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: t.watched}
	if err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, t.fd, &event); err != nil {
		delete(w.taps, t.watched)
		return fmt.Errorf("watch the socket of %s: epoll_ctl: %w", t.node, err)
	}
	return nil
}

// forget removes a tap, before its socket is closed.
func (w *watcher) forget(t *Tap) {
	_ = unix.EpollCtl(w.epoll, unix.EPOLL_CTL_DEL, t.fd, nil) // at worst it was not in there
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.taps, t.watched)
}

// hurry has packets read as soon as they come, until the function that it returns is
// called.
func (w *watcher) hurry() (done func()) {
	w.eager.Add(1)
	one := [8]byte{1} // of any byte order: not 0
	_, _ = unix.Write(w.kick, one[:])
	return func() { w.eager.Add(-1) }
}

func (w *watcher) run() {
	events := make([]unix.EpollEvent, 32)
	ready := make([]*Tap, 0, len(events))
	for many := false; ; {
		n, err := unix.EpollWait(w.epoll, events, -1)
		if err != nil {
			continue // a signal; there is no other reason
		}
		ready = ready[:0]
		room := 0
		w.mu.Lock()
		for _, event := range events[:n] {
			if t := w.taps[event.Fd]; t != nil {
				ready = append(ready, t)
				room = least(room, t.room)
			}
		}
		w.mu.Unlock()
		if len(ready) > 0 && !many && w.eager.Load() == 0 {
			if gather(w.kick, room) {
				var count [8]byte
				_, _ = unix.Read(w.kick, count[:])
			}
		}
		count := 0
		for _, t := range ready {
			count += t.recorder.look(t)
		}
		many = count >= bulk
	}
}

// look reads a tap's socket, and tells how many packets there were.
func (r *recorder) look(t *Tap) int {
	r.turn.Lock()
	defer r.turn.Unlock()
	before := r.stored
	if err := r.read(t, 0); err != nil {
		r.fail(err)
	}
	return r.stored - before
}
