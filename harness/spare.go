package harness

import (
	"fmt"
	"sync"

	"github.com/netrig/netrig/internal/link"
	"github.com/netrig/netrig/internal/ns"
	"github.com/vishvananda/netlink"
)

// base is what every node starts from: a namespace with the baseline's sysctls and
// those of the fast timers, `lo` up as most nodes want it, and the sockets by which it is managed.
type base struct {
	space *ns.Namespace
	route *netlink.Handle
	raw   *link.Socket
	proc  *procfs // nil for /proc
}

const loopbackIndex = link.LoopbackIndex

func newBase(loopback bool) (*base, error) {
	b := &base{}
	if err := b.make(loopback); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *base) make(loopback bool) (err error) {
	b.proc = instances.take()
	// All in one visit: the way into a namespace and back takes as long as much of
	// what is done there.
	b.space, err = newSpace(func() error {
		if b.raw, err = link.OpenHere(); err != nil {
			return err
		}
		if b.route, err = handle(); err != nil {
			return err
		}
		if err := applyBaseline(b.proc, b.raw); err != nil || !loopback {
			return err
		}
		if err := b.raw.Up(loopbackIndex, 0); err != nil {
			return fmt.Errorf("set lo up: %w", err)
		}
		return nil
	})
	return err
}

// close lets go of the namespace.
func (b *base) close() {
	if b.route != nil {
		b.route.Close()
	}
	if b.raw != nil {
		b.raw.Close()
	}
	if b.space != nil {
		b.space.Close()
	}
	b.proc.release()
}

// spareCount is how many bases are kept ready: as many as most labs have nodes.
const spareCount = 3

// spares are bases that were made while the tests were waiting for something
// else: making one takes the kernel longer than anything else in a small lab.
var spares struct {
	mu      sync.Mutex
	list    []*base
	filling bool
}

// takeBase is a spare base, or else a new one; and it sees to new spares.
func takeBase() (*base, error) {
	spares.mu.Lock()
	var b *base
	if n := len(spares.list); n > 0 {
		b, spares.list = spares.list[n-1], spares.list[:n-1]
	}
	if !spares.filling {
		spares.filling = true
		go fillSpares()
	}
	spares.mu.Unlock()
	if b != nil {
		return b, nil
	}
	return newBase(true)
}

func fillSpares() {
	for {
		spares.mu.Lock()
		if len(spares.list) >= spareCount {
			spares.filling = false
			spares.mu.Unlock()
			return
		}
		spares.mu.Unlock()
		b, err := newBase(true)
		spares.mu.Lock()
		if err != nil {
			// Whoever needs one next meets the same error, and reports it.
			spares.filling = false
			spares.mu.Unlock()
			return
		}
		spares.list = append(spares.list, b)
		spares.mu.Unlock()
	}
}
