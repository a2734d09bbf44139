package capture

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is memory that the kernel writes packets into (packet(7), PACKET_RX_RING;
// Documentation/networking/packet_mmap.rst), in places of one size, one after
// the other and round again. A place belongs to the kernel until it has set
// TP_STATUS_USER there, and then to the reader until he takes that away.
//
// It is version 2 of that interface. Version 3 has places of all sizes, but
// hands them over by the block, when one is full or after some time: what was
// sent before a Drain would not be there.
type ring struct {
	memory   []byte
	place    int // bytes of a place
	perBlock int // places in a block, which are not cut by its end
	count    int
	next     int // place that is read next
}

// ringBlock is how much memory the kernel takes at once, in bytes.
const ringBlock = 64 << 10

// ringLimit bounds a ring, in bytes. The kernel would take the memory for a
// larger one from everybody on the machine before it says that there is none.
const ringLimit = 4 << 30

// header2 is the kernel's struct tpacket2_hdr (linux/if_packet.h), and the
// address that follows it.
type header2 struct {
	status, length, kept uint32
	mac, net             uint16
	seconds, nanoseconds uint32
	tci, tpid            uint16
	_                    [4]byte
	from                 unix.RawSockaddrLinklayer
}

// ringRequest is the kernel's struct tpacket_req.
type ringRequest struct{ blockSize, blocks, frameSize, frames uint32 }

// openRing gives the tap's socket a ring, before the socket is switched on.
func (t *Tap) openRing(set settings) error {
	if set.ring > ringLimit {
		return fmt.Errorf("a ring of %d bytes is larger than the %d that can be", set.ring, ringLimit)
	}
	// The frame begins where its IP header is aligned to 16 bytes after the
	// headers and at least 16 bytes for a link layer header (tpacket_rcv).
	const align = unix.TPACKET_ALIGNMENT
	room := int(unsafe.Sizeof(header2{})) + 16 + align + max(set.whole, set.cut)
	g := &ring{place: (room + align - 1) &^ (align - 1)}
	block := ringBlock
	for block < g.place {
		block *= 2
	}
	g.perBlock = block / g.place
	blocks := max(1, set.ring/block)
	g.count = blocks * g.perBlock
	if err := unix.SetsockoptInt(t.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return os.NewSyscallError("set PACKET_VERSION", err)
	}
	// Kernels before 5.16 otherwise take the time when the packet is copied.
	if err := unix.SetsockoptInt(t.fd, unix.SOL_PACKET, unix.PACKET_TIMESTAMP, unix.SOF_TIMESTAMPING_SOFTWARE); err != nil {
		return os.NewSyscallError("set PACKET_TIMESTAMP", err)
	}
	request := ringRequest{uint32(block), uint32(blocks), uint32(g.place), uint32(g.count)}
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(t.fd), unix.SOL_PACKET, unix.PACKET_RX_RING,
		uintptr(unsafe.Pointer(&request)), unsafe.Sizeof(request), 0)
	if errno != 0 {
		return fmt.Errorf("make a ring of %d bytes: %w (ask for a smaller one)", blocks*block, errno)
	}
	memory, err := unix.Mmap(t.fd, 0, blocks*block, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map a ring of %d bytes: %w", blocks*block, err)
	}
	g.memory = memory
	t.ring = g
	return nil
}

// closeRing gives the memory back. While it is mapped the socket lives, whatever
// becomes of its descriptor.
func (t *Tap) closeRing() {
	if t.ring != nil {
		_ = unix.Munmap(t.ring.memory) // nobody else has unmapped it
		t.ring = nil
	}
}

func (g *ring) at(place int) *header2 {
	block := len(g.memory) / (g.count / g.perBlock)
	return (*header2)(unsafe.Pointer(&g.memory[place/g.perBlock*block+place%g.perBlock*g.place]))
}

func (h *header2) ready() bool { return atomic.LoadUint32(&h.status)&unix.TP_STATUS_USER != 0 }

// ready tells whether the next place can be read, where so many before it have
// been read and not been given back.
//
// Several CPUs write at the same time, each into a place that it has reserved,
// and may finish in another order. Where a place further on is ready, this one is
// being written, and is waited for: what was sent before a Drain may be behind
// it.
func (g *ring) ready(held int) bool {
	if g.at(g.next).ready() {
		return true
	}
	// Whoever sends in the lab runs on the CPUs that this process may run on.
	ahead := min(runtime.NumCPU(), g.count-1-held)
	for i := 1; i <= ahead; i++ {
		if !g.at((g.next + i) % g.count).ready() {
			continue
		}
		// Copying takes a CPU less than a microsecond, unless the machine below has
		// taken the CPU away.
		for end := time.Now().Add(time.Second); !g.at(g.next).ready(); {
			if time.Now().After(end) {
				return false
			}
			_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		}
		return true
	}
	return false
}

// frame is what was kept of a frame, in the ring's memory.
func (h *header2) frame() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(h), h.mac)), h.kept)
}

// ringBatch is how many places are read before they are given back.
const ringBatch = 64

// readRing is read for a tap with a ring.
func (r *recorder) readRing(t *Tap, until int64) error {
	g := t.ring
	for turns := 0; until > 0 || turns < 64; turns++ {
		r.reader.seen = r.reader.seen[:0]
		first, last := g.next, int64(0)
		for len(r.reader.seen) < min(ringBatch, g.count) && g.ready(len(r.reader.seen)) {
			if len(r.reader.seen) == 0 {
				t.names.update(r.reader.links[:])
			}
			h := g.at(g.next)
			s := t.reading(&h.from)
			s.status, s.length, s.data = h.status, int(h.length), h.frame()
			s.at = int64(h.seconds)*1e9 + int64(h.nanoseconds)
			s.untag(h.tci, h.tpid)
			r.reader.seen = append(r.reader.seen, s)
			last = s.at
			g.next = (g.next + 1) % g.count
		}
		r.keep()
		for i := range r.reader.seen {
			atomic.StoreUint32(&g.at((first+i)%g.count).status, unix.TP_STATUS_KERNEL)
		}
		if len(r.reader.seen) < min(ringBatch, g.count) || until > 0 && last > until {
			return nil
		}
	}
	return nil
}
