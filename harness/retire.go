package harness

import (
	"errors"
	"sync"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/ns"
	"golang.org/x/sys/unix"
)

// The kernel takes a namespace apart under the lock of all link changes, and
// for each bridge in it waits there for an RCU barrier, 17 ms on average and up
// to 28 (br_multicast_dev_del, net/bridge/br_multicast.c): six labs that end
// while others are being built hold those up for 130 ms. What has ended is
// therefore left alone until there is too much of it, or until the process
// ends, when the kernel does it and nobody waits.
//
// Bounded are the bridges, for the time that the kernel will need in the end,
// and the namespaces, for their memory (some 300 kB each) and their entries in
// the machine's neighbour table, which has room for 1024 in all namespaces
// together and forgets the older ones from 512 on (gc_thresh2 and gc_thresh3 in
// Documentation/networking/ip-sysctl.rst).
const (
	maxRetiredBridges = 24
	maxRetiredSpaces  = 128
	// A larger lab has more neighbours than nodes, and would push out many
	// small ones.
	maxRetiredNodes = 5
)

// remains is what is left of a lab that has ended: nothing runs in its
// namespaces, and nobody else can find them.
type remains struct {
	spaces  []*ns.Namespace
	bridges int
}

// remains is what the lab leaves, if that can be left alone. It can't where
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
	return r, true
}

// retired are the labs that have ended, the oldest first.
var retired struct {
	mu              sync.Mutex
	labs            []remains
	spaces, bridges int
}

// retire takes over the namespaces of a lab that has ended.
func retire(r remains) {
	retired.mu.Lock()
	retired.labs = append(retired.labs, r)
	retired.spaces += len(r.spaces)
	retired.bridges += r.bridges
	retired.mu.Unlock()
	bury(maxRetiredSpaces, maxRetiredBridges)
}

// bury lets go of the oldest until so many namespaces and bridges are left. It
// returns how many namespaces went.
func bury(spaces, bridges int) (gone int) {
	retired.mu.Lock()
	defer retired.mu.Unlock()
	for retired.spaces > spaces || retired.bridges > bridges {
		oldest := retired.labs[0]
		retired.labs = retired.labs[1:]
		retired.spaces -= len(oldest.spaces)
		retired.bridges -= oldest.bridges
		gone += len(oldest.spaces)
		// All descriptors together, without a wait between: the kernel then
		// takes the namespaces apart in one go.
		for _, space := range oldest.spaces {
			space.Close()
		}
	}
	return gone
}

// buryTime is how long the kernel is given to take apart what was let go.
const buryTime = 5 * time.Second

// newSpace makes a namespace. Where there may be no more (user.max_net_namespaces),
// the labs that have ended go first.
func newSpace() (*ns.Namespace, error) {
	space, err := ns.New()
	if !errors.Is(err, unix.ENOSPC) || bury(0, 0) == 0 {
		return space, err
	}
	_ = deadline.Poll(buryTime, "too many namespaces", func() (bool, error) {
		space, err = ns.New()
		return !errors.Is(err, unix.ENOSPC), nil
	})
	return space, err
}
