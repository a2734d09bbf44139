package drops

import (
	"errors"
	"sync"
	"time"

	"github.com/cilium/ebpf"
)

// Drop is a packet that the kernel threw away.
type Drop struct {
	Inode uint64 // of the namespace
	// Index is that of the interface that the packet came in by or was on its way
	// out of; 0 where it had none yet.
	Index     int
	Reason    string // the kernel's, without SKB_DROP_REASON_: "NETFILTER_DROP"
	Function  string // of the kernel, in which that happened: "nf_hook_slow"
	EtherType uint16
	Packet    []byte // from the network header on, 128 bytes at most; empty of what is neither IP nor ARP
}

// most is how many drops the kernel keeps until somebody fetches them; later
// ones are not told.
const most = 512

// Watch is a look at the kernel's drops in some namespaces. No two watches at a
// time may be about the same one.
type Watch struct {
	inodes []uint64
	seen   []Drop
	err    error
}

// linger is how long the program stays at the tracepoint after the last watch: to
// attach it again soon waits for an RCU grace period (12 to 25 ms, much more on a
// busy machine), and where many tests fail they would wait in a row.
const linger = time.Second

// watching are the watches that go on, which share one program.
var watching struct {
	sync.Mutex
	tracer *tracer
	failed error // why there is no tracer, and never will be
	by     map[uint64]*Watch
	count  int
	end    *time.Timer // takes the program away when there has been no watch for a while
}

// Start begins to watch the namespaces of those inodes. The error says why the
// kernel does not let itself be watched, which is the rule without root.
func Start(inodes []uint64) (*Watch, error) {
	watching.Lock()
	defer watching.Unlock()
	if watching.tracer == nil && watching.failed == nil {
		watching.by = map[uint64]*Watch{}
		watching.tracer, watching.failed = newTracer()
	}
	if watching.failed != nil {
		return nil, watching.failed
	}
	w := &Watch{inodes: inodes}
	for _, i := range inodes {
		if err := watching.tracer.spaces.Put(uint32(i), uint8(1)); err != nil {
			w.forget()
			return nil, refused("tell the BPF program of a namespace", err)
		}
		watching.by[i] = w
	}
	if watching.count == 0 && !watching.tracer.hangs() {
		if err := watching.tracer.attach(); err != nil {
			w.forget()
			return nil, err
		}
	}
	watching.count++
	return w, nil
}

// Stop ends the watch and returns what was dropped meanwhile, in order.
func (w *Watch) Stop() ([]Drop, error) {
	watching.Lock()
	defer watching.Unlock()
	w.forget()
	if watching.count--; watching.count == 0 {
		if watching.end != nil {
			watching.end.Stop()
		}
		watching.end = time.AfterFunc(linger, leave)
	}
	// What others have not fetched yet stands in the same queue.
	watched := func(i uint64) *Watch {
		for _, mine := range w.inodes {
			if i == mine {
				return w
			}
		}
		return watching.by[i]
	}
	for {
		d, more, err := watching.tracer.next()
		if err != nil || !more {
			w.err = errors.Join(w.err, err)
			return w.seen, w.err
		}
		if of := watched(d.Inode); of != nil {
			of.seen = append(of.seen, d)
		}
	}
}

// leave takes the program from the tracepoint, if nobody watches.
func leave() {
	watching.Lock()
	defer watching.Unlock()
	if watching.count == 0 && watching.tracer.hangs() {
		watching.tracer.detach()
	}
}

// forget takes the watch's namespaces from the program's list.
func (w *Watch) forget() {
	for _, i := range w.inodes {
		if err := watching.tracer.spaces.Delete(uint32(i)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			w.err = refused("tell the BPF program of a namespace", err)
		}
		delete(watching.by, i)
	}
}
