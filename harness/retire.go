package harness

import (
	"errors"
	"net"
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
// while others are being built hold those up for 130 ms. When a lab ends, the
// namespaces of its nodes with bridges are therefore left alone until there are
// too many, or until the process ends, when the kernel does it and nobody waits.
//
// The others go at once, and with them every cable. What is left has no
// neighbours (the machine's table has room for 1024 in all namespaces together),
// and there are few of them: each namespace that is there makes every sysctl of
// the others slower to open, since the kernel has the entries of all of them in
// one list (proc_sys_compare).

// maxRetiredBridges is for the time that the kernel needs in the end, which is
// to be well below a second: with those of the labs that stand when a process
// is killed.
const maxRetiredBridges = 24

// worthRetiring tells whether the node's namespace may be left alone: not where
// anything can go on in it: in a lab that outside programs got at, with links
// that others have made, or with a cable between two bridge ports, on which
// frames may go round.
func (n *Node) worthRetiring() bool {
	if n.base == nil || n.lab.foreign.Load() || len(n.bridges) == 0 {
		return false
	}
	known := map[int]bool{loopbackIndex: true}
	for _, p := range n.ports {
		if p.bridge != nil && p.peer != nil && p.peer.bridge != nil {
			return false
		}
		known[p.index] = true
	}
	for _, b := range n.bridges {
		known[b.index] = true
	}
	links, err := n.route.LinkList()
	if err != nil {
		return false
	}
	for _, l := range links {
		// Below are those that the kernel gives every namespace (tunl0, sit0).
		if a := l.Attrs(); !known[a.Index] && (a.Index >= firstIndex || a.Flags&net.FlagUp != 0 || a.MasterIndex != 0) {
			return false
		}
	}
	return true
}

// remains is a namespace that was left alone: nothing runs in it, and nobody
// else can find it.
type remains struct {
	space   *ns.Namespace
	bridges int
}

// retired are those that there are, the oldest first.
var retired struct {
	mu      sync.Mutex
	list    []remains
	bridges int
}

// retire keeps the namespace of a node that is about to be closed.
func retire(n *Node) {
	space, err := n.space.Keep()
	if err != nil {
		return // no descriptors: it goes at once
	}
	r := remains{space, len(n.bridges)}
	retired.mu.Lock()
	retired.list = append(retired.list, r)
	retired.bridges += r.bridges
	retired.mu.Unlock()
	bury(maxRetiredBridges)
}

// bury lets go of the oldest until so many bridges are left.
func bury(bridges int) {
	retired.mu.Lock()
	defer retired.mu.Unlock()
	for retired.bridges > bridges {
		oldest := retired.list[0]
		retired.list = retired.list[1:]
		retired.bridges -= oldest.bridges
		oldest.space.Close()
		letGo()
	}
}

// lastLetGo is when a namespace was last given to the kernel to take apart, in
// nanoseconds since 1970.
var lastLetGo atomic.Int64

func letGo() { lastLetGo.Store(time.Now().UnixNano()) }

// dismantleTime is how long the kernel is given to take apart what was let go.
const dismantleTime = 5 * time.Second

// newSpace makes a namespace, and runs f in it (see ns.NewWith). Where there may be no more
// (user.max_net_namespaces), it waits for those of labs that have ended to go.
func newSpace(f func() error) (space *ns.Namespace, err error) {
	if space, err = ns.NewWith(f); !errors.Is(err, unix.ENOSPC) {
		return space, err
	}
	bury(0)
	if time.Since(time.Unix(0, lastLetGo.Load())) > deadline.Of(dismantleTime) {
		return nil, err
	}
	_ = deadline.Poll(dismantleTime, "too many namespaces", func() (bool, error) {
		space, err = ns.NewWith(f)
		return !errors.Is(err, unix.ENOSPC), nil
	})
	return space, err
}
