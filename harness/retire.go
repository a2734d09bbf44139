package harness

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/ns"
	"golang.org/x/sys/unix"
)

// The kernel takes a namespace apart under the lock of all link changes, and
// for each bridge in it waits there for an RCU barrier, 17 ms on average and up
// to 28 (br_multicast_dev_del, net/bridge/br_multicast.c): six labs that end
// while others are being built hold those up for 130 ms. A lab with bridges that
// has ended is therefore left alone until there are too many, or until the
// process ends, when the kernel does it and nobody waits.
//
// Labs without are not: each namespace that is there makes every sysctl of the
// others slower to open, since the kernel has the entries of all of them in one
// list (proc_sys_compare), and a hundred cost a small lab 0.4 ms.
const (
	// For the time that the kernel needs in the end: half a second.
	maxRetiredBridges = 32
	// A larger lab has more neighbours than nodes, and the machine's neighbour
	// table has room for 1024 in all namespaces together.
	maxRetiredNodes = 5
)

// remains is what is left of a lab that has ended: nothing runs in its
// namespaces, and nobody else can find them.
type remains struct {
	spaces  []*ns.Namespace
	bridges int
}

// remains is what the lab leaves, if that is worth being left alone, and can be.
// It can't where
// something may go on in it: where programs ran, which may have made anything,
// and where a cable joins two bridge ports, so that a frame may go round and
// round.
func (l *Lab) remains() (r remains, ok bool) {
	if len(l.nodes) > maxRetiredNodes {
		return r, false
	}
	for _, n := range l.nodes {
		if n.mounts != nil {
			return r, false
		}
		for _, p := range n.ports {
			if p.bridge != nil && p.peer != nil && p.peer.bridge != nil {
				return r, false
			}
		}
		r.spaces = append(r.spaces, n.space)
		r.bridges += len(n.bridges)
	}
	return r, r.bridges > 0
}

// retired are the labs that have ended, the oldest first.
var retired struct {
	mu      sync.Mutex
	labs    []remains
	bridges int
}

// retire takes over the namespaces of a lab that has ended and can be left
// alone.
func retire(r remains) {
	retired.mu.Lock()
	retired.labs = append(retired.labs, r)
	retired.bridges += r.bridges
	retired.mu.Unlock()
	bury(maxRetiredBridges)
}

// bury lets go of the oldest until so many bridges are left.
func bury(bridges int) {
	retired.mu.Lock()
	defer retired.mu.Unlock()
	for retired.bridges > bridges {
		oldest := retired.labs[0]
		retired.labs = retired.labs[1:]
		retired.bridges -= oldest.bridges
		// All descriptors together, without a wait between: the kernel then
		// takes the namespaces apart in one go.
		for _, space := range oldest.spaces {
			space.Close()
		}
		letGo()
	}
}

// lastLetGo is when a namespace was last given to the kernel to take apart, in
// nanoseconds since 1970.
var lastLetGo atomic.Int64

func letGo() { lastLetGo.Store(time.Now().UnixNano()) }

// dismantleTime is how long the kernel is given to take apart what was let go.
const dismantleTime = 5 * time.Second

// newSpace makes a namespace. Where there may be no more
// (user.max_net_namespaces), it waits for those of labs that have ended to go.
func newSpace() (space *ns.Namespace, err error) {
	if space, err = ns.New(); !errors.Is(err, unix.ENOSPC) {
		return space, err
	}
	bury(0)
	if time.Since(time.Unix(0, lastLetGo.Load())) > deadline.Of(dismantleTime) {
		return nil, err
	}
	_ = deadline.Poll(dismantleTime, "too many namespaces", func() (bool, error) {
		space, err = ns.New()
		return !errors.Is(err, unix.ENOSPC), nil
	})
	return space, err
}
