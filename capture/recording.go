package capture

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/netrig/netrig/internal/ns"
)

// Recording holds the packets of one lab: every node recorded adds to one
// store, ordered by time. Its methods are safe for concurrent use.
type Recording struct {
	// Pending, if set, tells whether packets wait in a queue that empties by
	// itself later (a queueing discipline that delays: netem, tbf), and where.
	// [Recording.Settle] waits for as long as it says true. Set it before the
	// first Settle.
	Pending func() (where string, waiting bool)

	settings settings
	store    store

	mu        sync.Mutex // guards what follows
	recorders []*recorder
	direct    *recorder // of them, the one without a thread; nil for none
	taps      []*Tap
	closed    bool
}

type settings struct {
	told       bool // names of interfaces are told
	buffer     int  // bytes of the receive buffer asked for
	ring       int  // bytes of the ring; 0 for none
	whole, cut int  // frames up to whole bytes are kept whole, longer ones cut to cut
}

// Option changes how a Recording records.
type Option func(*settings)

// Buffer sets the size of the receive buffer of each node, in bytes. The
// kernel doubles it for its own bookkeeping. Without CAP_NET_ADMIN in the
// initial user namespace the sysctl net.core.rmem_max is the limit.
// The default is 8 MiB.
func Buffer(bytes int) Option { return func(s *settings) { s.buffer = bytes } }

// Keep sets how much of a frame is kept: one of up to whole bytes is kept
// whole, of a longer one the first cut bytes. The default is Keep(2048, 128):
// frames of an Ethernet are whole, and of the unsegmented ones of up to 64 KiB
// that veth hands over in bulk transfers the headers are there.
//
// A larger cut is dear: up to 128 bytes the kernel lets go of the rest of the
// frame at once (skb_condense in net/core/skbuff.c, if what is left fits into
// the head of the buffer), beyond that each frame takes its full 64 KiB of the
// receive buffer. One of 400 KB then holds 30 frames instead of 600.
func Keep(whole, cut int) Option {
	return func(s *settings) { s.whole, s.cut = max(whole, 64), max(min(cut, whole), 64) }
}

// NamesTold says that whoever makes and renames interfaces tells the taps of it
// ([Tap.Learn], [Tap.Rename]), until a tap is told to listen for itself
// ([Tap.Listen]). Each listener costs every change of a link on the machine a little.
func NamesTold() Option { return func(s *settings) { s.told = true } }

// New makes a recording without nodes. It costs nothing before the first
// Attach.
func New(o ...Option) *Recording {
	r := &Recording{settings: settings{buffer: 8 << 20, whole: 2048, cut: 128}}
	for _, set := range o {
		set(&r.settings)
	}
	return r
}

// Ring has the kernel write the packets of each node into memory of so many
// bytes that the recorder shares with it, instead of into a queue that is read
// by calls. For bulk traffic: a packet takes the recorder a tenth of the time,
// and the memory that it takes is known. What is recorded is the frame as it was
// when the kernel saw it, also where the kernel writes into it later (see the
// README's limits).
//
// Every frame has a place of the same size, that of the longest one kept: with
// Keep(128, 128) 16 MiB have room for 80,000 frames that have not been read yet,
// with the default for 7,800. Memory for the ring is taken when a node is
// attached, and needs no privileges; Buffer has no effect then.
func Ring(bytes int) Option { return func(s *settings) { s.ring = max(bytes, ringBlock) } }

var errClosed = errors.New("the recording is closed")

// Attach records every interface of the namespace, those to come included,
// under the name of a node. The recording runs when it returns: a packet sent
// right after is in it. The namespace may be closed by its owner afterwards,
// but it lives until the recording of the node ends.
func (r *Recording) Attach(node string, n *ns.Namespace) (*Tap, error) {
	if err := stampingWorks(); err != nil {
		return nil, fmt.Errorf("record %s: %w", node, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fmt.Errorf("record %s: %w", node, errClosed)
	}
	t := &Tap{node: node, recording: r, fd: -1, names: names{netlink: -1}}
	r.store.addTap(t)
	var err error
	waitForLeaving()
	if reserveDirect() {
		if r.direct == nil {
			r.direct = takeDirect(&r.store, r.settings)
			r.recorders = append(r.recorders, r.direct)
		}
		t.recorder = r.direct
		err = r.direct.attachDirect(t, n)
	} else if t.recorder, err = r.threaded(); err == nil {
		err = t.recorder.call(func() error { return t.recorder.attach(t, n) })
	}
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", node, err)
	}
	t.recorder.count++
	r.taps = append(r.taps, t)
	return t, nil
}

// threaded is a recorder with a thread that can take one more tap.
func (r *Recording) threaded() (*recorder, error) {
	for _, rec := range r.recorders {
		if !rec.direct && rec.count < tapsPerRecorder {
			return rec, nil
		}
	}
	rec, err := takeRecorder(&r.store, r.settings)
	if err == nil {
		r.recorders = append(r.recorders, rec)
	}
	return rec, err
}

// Drain returns when every packet that the kernel had queued for the taps'
// sockets before the call is in the store. A packet that the kernel has handed
// to an interface or got from one is queued there: whoever has seen a reply
// need only drain to have the whole exchange. It fails if a node could not be
// read.
func (r *Recording) Drain() error {
	r.mu.Lock()
	recorders := slices.Clone(r.recorders)
	r.mu.Unlock()
	return drain(recorders)
}

func drain(recorders []*recorder) error {
	now := time.Now().UnixNano()
	requests := make([]*request, len(recorders))
	for i, rec := range recorders {
		requests[i] = rec.post(func() error { return rec.drain(now) })
	}
	var errs []error
	for _, q := range requests {
		if err := q.wait(); err != nil && !errors.Is(err, errStopped) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Close ends the recording of all nodes, after a drain: a packet sent right
// before is in it. The packets stay readable. The sockets are closed in the
// background, since that waits for the kernel (see recorder).
func (r *Recording) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	released := make([]*request, len(r.recorders))
	for i, rec := range r.recorders {
		released[i] = rec.release(time.Now().UnixNano())
	}
	for _, q := range released {
		_ = q.wait() // what failed here has failed in every Drain before
	}
	if r.direct != nil && r.direct.failed == nil {
		directs.Put(r.direct)
	}
	r.recorders, r.direct = nil, nil
}

// Tap is the recording of one node.
type Tap struct {
	node      string
	recording *Recording
	recorder  *recorder
	once      sync.Once
	names     names
	drops     drops
	number    uint32 // in the store

	// What follows belongs to the recorder's thread.
	room    int      // bytes of its receive buffer or ring
	fd      int      // AF_PACKET socket in the recorder's descriptor table, -1 once closed
	watcher *watcher // of a direct one
	watched int32    // its number there
	ring    *ring    // nil for none
}

// Node is the name given to [Recording.Attach].
func (t *Tap) Node() string { return t.node }

// Close ends the recording of this node, after a drain. The namespace is let
// go of shortly after.
func (t *Tap) Close() {
	t.once.Do(func() {
		now := time.Now().UnixNano()
		// The error is that the recording was closed before: then all is done.
		_ = t.recorder.call(func() error { return t.recorder.detach(t, now) })
		t.recording.mu.Lock()
		t.recorder.count--
		t.recording.mu.Unlock()
	})
}

// Learn tells the name of an interface before the kernel does: of one that is
// about to be made.
func (t *Tap) Learn(index int, name string) { t.names.set(index, name) }

// Listen has the tap listen to what the kernel announces of the interfaces in the
// node's namespace: from here on others may rename them. Without [NamesTold] it does
// so from the beginning.
func (t *Tap) Listen(n *ns.Namespace) error {
	err := t.recorder.call(func() error {
		if t.fd < 0 || t.names.netlink >= 0 {
			return nil
		}
		return t.recorder.visit(n, t.names.open)
	})
	if err != nil && !errors.Is(err, errStopped) {
		return fmt.Errorf("record %s: %w", t.node, err)
	}
	return nil
}

// Rename tells that an interface is about to be renamed: packets from before
// the call keep the name that it had.
func (t *Tap) Rename(index int, name string) {
	now := time.Now().UnixNano()
	// After the recording's end there is nothing left to name.
	_ = t.recorder.call(func() error {
		err := t.recorder.read(t, now)
		t.names.set(index, name)
		return err
	})
}
