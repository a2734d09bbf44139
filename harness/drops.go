package harness

import (
	"encoding/binary"
	"time"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/internal/drops"
	"github.com/netrig/netrig/internal/explain"
)

// DropWatch is a look at what the kernel drops in the nodes of a lab, and why.
// Only the explanation of a failure has one.
type DropWatch struct {
	lab   *Lab
	ready chan struct{}
	watch *drops.Watch
	err   error
}

// WatchDrops begins to look. It returns at once; the first time in a process
// the kernel's own description has to be read, which takes some 40 ms.
func (l *Lab) WatchDrops() *DropWatch {
	w := &DropWatch{lab: l, ready: make(chan struct{})}
	var inodes []uint64
	for _, n := range l.All() {
		inodes = append(inodes, n.space.Inode())
	}
	go func() {
		defer close(w.ready)
		w.watch, w.err = drops.Start(inodes)
	}()
	return w
}

// Await returns when the kernel is being watched, or does not let itself be.
func (w *DropWatch) Await() { <-w.ready }

// Tell ends the watch, and tells the facts what was dropped, or why that can't
// be known.
func (w *DropWatch) Tell(f *explain.Facts) {
	w.Await()
	if w.err != nil {
		f.NoDrops = w.err.Error()
		return
	}
	all, err := w.watch.Stop()
	if err != nil {
		f.NoDrops = err.Error()
	}
	byInode := map[uint64]*Node{}
	for _, n := range w.lab.All() {
		byInode[n.space.Inode()] = n
	}
	for _, d := range all {
		// Messages to programs (netlink) end in the nodes, too.
		if n := byInode[d.Inode]; n != nil && d.Packet != nil {
			f.Drops = append(f.Drops, n.dropFact(d))
		}
	}
}

func (n *Node) dropFact(d drops.Drop) explain.Drop {
	name := ""
	for _, p := range n.ports {
		if p.index == d.Index && d.Index != 0 {
			name = p.name
		}
	}
	frame := binary.BigEndian.AppendUint16(make([]byte, 12, 14+len(d.Packet)), d.EtherType) // as if from Ethernet
	p := capture.NewPacket(n.name, name, capture.AnyDirection, time.Time{}, append(frame, d.Packet...))
	return explain.Drop{Node: n.name, Reason: d.Reason, Function: d.Function, Text: p.Summary(capture.Names{}), Packet: p}
}
