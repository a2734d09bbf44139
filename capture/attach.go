package capture

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/ns"
)

// attach opens the sockets of a tap. It runs on the thread.
func (r *recorder) attach(t *Tap, n *ns.Namespace) error {
	err := r.visit(n, func() error { return t.open(r.settings) })
	if err == nil {
		err = r.watch(t.fd)
	}
	if err != nil {
		t.close()
		return err
	}
	r.taps[int32(t.fd)] = t
	r.room = least(r.room, t.room)
	return nil
}

// visit runs f in a namespace. Where there is a thread it runs on that.
func (r *recorder) visit(n *ns.Namespace, f func() error) error {
	if r.direct {
		if err := stillOpen(n.Fd(), n); err != nil {
			return err
		}
		return n.Do(f)
	}
	namespace, err := r.fetch(n.Fd(), unix.O_RDONLY)
	if err != nil {
		return fmt.Errorf("get at the namespace: %w (was it closed?)", err)
	}
	defer unix.Close(namespace)
	if err := stillOpen(namespace, n); err != nil {
		return err
	}
	if err := unix.Setns(namespace, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the namespace: %w", err)
	}
	err = f()
	if back := unix.Setns(r.home, unix.CLONE_NEWNET); back != nil {
		// The thread would open the next node's sockets all right, but keep
		// this namespace alive.
		err = errors.Join(err, fmt.Errorf("leave the namespace: %w", back))
		r.failed = errors.Join(r.failed, err) // nor may it serve another recording
	}
	return err
}

// stillOpen tells of a descriptor that was opened for a namespace, and may by now be
// something else's.
func stillOpen(fd int, n *ns.Namespace) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Ino != n.Inode() {
		return fmt.Errorf("descriptor %d is not the namespace %d any more: it was closed", n.Fd(), n.Inode())
	}
	return nil
}

// detach ends the recording of one tap. It runs on the thread. The socket is
// closed when the answer is out.
func (r *recorder) detach(t *Tap, now int64) error {
	if t.fd < 0 {
		return errStopped // its recording has ended, and the thread may serve another
	}
	err := errors.Join(r.read(t, now), t.count())
	delete(r.taps, int32(t.fd))
	t.closeRing()
	if r.direct {
		t.watcher.forget(t)
		letGoDirect(t.names.netlink, t.fd)
	} else {
		r.closing = append(r.closing, t.names.netlink, t.fd)
	}
	t.fd, t.names.netlink = -1, -1
	return err
}

// drain reads what was queued until now (nanoseconds since 1970). It runs on
// the thread.
func (r *recorder) drain(now int64) error {
	var errs []error
	for _, t := range r.taps {
		errs = append(errs, r.read(t, now), t.count())
	}
	return errors.Join(errs...)
}
