package capture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// store holds what was read, in the order of reading. Nothing is decoded
// before someone looks: the threads that read have no time for it.
//
// A sighting takes 48 bytes and what is kept of the frame. None of it is a
// pointer, so that the garbage collector does not look through millions of
// them, and what has been stored is not moved when there is more.
type store struct {
	mu      sync.Mutex
	chunks  [][]record // of chunkSize each, but for the last
	count   int
	slabs   [][]byte // that frames are kept in
	free    []byte   // what is left of the last one
	next    int      // size of the next one
	taps    []*Tap
	names   []string // of interfaces
	numbers map[string]uint32
	packets []*Packet     // decoded records, nil where nobody has looked yet
	arrived chan struct{} // closed by the next arrival; nil if nobody waits
	eager   atomic.Int32  // how many wait for a packet, which is to be read at once
}

// chunkSize is how many records are allocated together. The first chunk grows
// up to that: most recordings are short.
const chunkSize = 4096

// reading is a sighting of a packet as it was read. Its data are the reader's, and hold until
// they have been added to the store.
type reading struct {
	tap       *Tap
	name      string // of the interface
	data      []byte
	tagged    bool // the kernel keeps the outermost VLAN tag beside the frame
	tag       [tagSize]byte
	at        int64 // time stamp, nanoseconds since 1970
	length    int   // of the frame, with its tag
	index     int
	hardware  uint16 // ARPHRD_* of the interface
	protocol  uint16 // EtherType
	direction Direction
	status    uint32 // TP_STATUS_*
}

// record is a sighting as it is kept.
type record struct {
	at                 int64
	slab, offset, kept uint32
	length, index      uint32
	tap, name          uint32
	status             uint32
	hardware, protocol uint16
	out                bool
}

// add copies what was read.
func (s *store) add(seen []reading) {
	if len(seen) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range seen {
		s.append(&seen[i])
	}
	if s.arrived != nil {
		close(s.arrived)
		s.arrived = nil
	}
}

func (s *store) append(seen *reading) {
	if n := len(s.chunks); n == 0 || len(s.chunks[n-1]) == chunkSize {
		var chunk []record
		if n > 0 {
			chunk = make([]record, 0, chunkSize)
		}
		s.chunks = append(s.chunks, chunk)
	}
	r := record{
		at: seen.at, length: uint32(seen.length), index: uint32(seen.index), tap: seen.tap.number, name: s.number(seen.name),
		status: seen.status, hardware: seen.hardware, protocol: seen.protocol, out: seen.direction == Out,
	}
	frame := s.keep(&r, len(seen.data), seen.tagged)
	if seen.tagged {
		// The tag goes back behind the addresses.
		n := copy(frame, seen.data[:addressesSize])
		n += copy(frame[n:], seen.tag[:])
		copy(frame[n:], seen.data[addressesSize:])
	} else {
		copy(frame, seen.data)
	}
	last := &s.chunks[len(s.chunks)-1]
	*last = append(*last, r)
	s.count++
}

// keep finds room for a frame, and notes where.
func (s *store) keep(r *record, size int, tagged bool) []byte {
	if tagged {
		size += tagSize
	}
	if size > len(s.free) {
		// Few packets cost little, many cost few slabs.
		s.next = min(max(4<<10, 4*s.next), 256<<10)
		s.free = make([]byte, max(s.next, size))
		s.slabs = append(s.slabs, s.free)
	}
	slab := len(s.slabs) - 1
	r.slab, r.offset, r.kept = uint32(slab), uint32(len(s.slabs[slab])-len(s.free)), uint32(size)
	frame := s.free[:size]
	s.free = s.free[size:]
	return frame
}

// number is that of an interface's name.
func (s *store) number(name string) uint32 {
	n, known := s.numbers[name]
	if !known {
		if s.numbers == nil {
			s.numbers = map[string]uint32{}
		}
		n = uint32(len(s.names))
		s.names = append(s.names, name)
		s.numbers[name] = n
	}
	return n
}

// addTap gives a tap its number.
func (s *store) addTap(t *Tap) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.number = uint32(len(s.taps))
	s.taps = append(s.taps, t)
}

// at is the record at a position.
func (s *store) at(i int) *record { return &s.chunks[i/chunkSize][i%chunkSize] }

func (s *store) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// slice decodes the records from..to, in order of reading. It also gives the
// position after the last record there is, and a channel that is closed when
// there is one more.
func (s *store) slice(from, to int) ([]*Packet, int, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.arrived == nil {
		s.arrived = make(chan struct{})
	}
	to = min(to, s.count)
	if from >= to {
		return nil, s.count, s.arrived
	}
	if more := s.count - len(s.packets); more > 0 {
		s.packets = append(s.packets, make([]*Packet, more)...)
	}
	for i := from; i < to; i++ {
		if s.packets[i] == nil {
			s.packets[i] = s.packet(i)
		}
	}
	return slices.Clone(s.packets[from:to]), s.count, s.arrived
}

func (s *store) packet(position int) *Packet {
	r := s.at(position)
	end := r.offset + r.kept
	p := &Packet{
		Node: s.taps[r.tap].node, Interface: s.names[r.name], Index: int(r.index), Direction: In,
		Time: time.Unix(0, r.at), Data: s.slabs[r.slab][r.offset:end:end], Length: int(r.length),
		position: position, unfinished: r.status&unix.TP_STATUS_CSUMNOTREADY != 0,
	}
	if r.out {
		p.Direction = Out
	}
	if r.hardware != unix.ARPHRD_ETHER && r.hardware != unix.ARPHRD_LOOPBACK {
		p.raw, p.EtherType = true, r.protocol
	}
	p.decode()
	return p
}

// Mark is a point of a recording. The zero Mark is its beginning.
type Mark struct {
	position int
	at       int64 // nanoseconds since 1970: packets from before are left out, wherever they stand; 0: none are
}

// Mark drains, and marks the point that was reached: the packets from before
// the call come before it, those sent after it has returned come after it.
func (r *Recording) Mark() Mark {
	_ = r.Drain() // what fails here fails in every Drain after, where it is told
	return Mark{position: r.store.len()}
}

// Start marks the present as the beginning of a window, and costs next to
// nothing: it tells packets by the time when the kernel saw them, so that those
// which are still to be read need not be read first. As the end of a window it
// leaves out what has not been read yet; after a [Recording.Settle] there is
// nothing of that kind.
func (r *Recording) Start() Mark {
	return Mark{position: r.store.len(), at: time.Now().UnixNano()}
}

// Window is what was recorded between two marks.
func (r *Recording) Window(from, to Mark) Window {
	packets, _, _ := r.store.slice(from.position, to.position)
	return inOrder(from.after(packets))
}

// after leaves out the packets from before the mark.
func (m Mark) after(packets []*Packet) []*Packet {
	if m.at == 0 {
		return packets
	}
	start := time.Unix(0, m.at)
	return slices.DeleteFunc(packets, func(p *Packet) bool { return p.Time.Before(start) })
}

// All drains, and is everything that was recorded.
func (r *Recording) All() Window { return r.Window(Mark{}, r.Mark()) }

// Wait returns the first packet after the mark that matches. If there is none
// yet it waits for one, until ctx ends; the error then lists what did arrive,
// each with what is different from the match.
func (r *Recording) Wait(ctx context.Context, from Mark, m Match) (*Packet, error) {
	start := time.Now()
	defer r.hurry()()
	if err := r.Drain(); err != nil {
		return nil, err
	}
	seen := from.position
	for {
		// The position is taken before looking, so that nothing that arrives
		// while the matches run is passed over.
		packets, next, more := r.store.slice(seen, maxPosition)
		if found := inOrder(from.after(packets)).First(m); found != nil {
			return found, nil
		}
		seen = max(seen, next)
		select {
		case <-more:
		case <-ctx.Done():
			if err := r.Drain(); err != nil {
				return nil, err
			}
			packets, _, _ := r.store.slice(from.position, maxPosition)
			window := inOrder(packets)
			if found := window.First(m); found != nil {
				return found, nil
			}
			return nil, fmt.Errorf("no packet matches (%s) after %v: %w; %s%s",
				m, time.Since(start).Round(time.Millisecond), ctx.Err(), window.Compare(m), r.lost())
		}
	}
}

const maxPosition = int(^uint(0) >> 1)

// Compare lists the packets of the window, each with what is different from
// the match, for the message of a match that found nothing.
func (w Window) Compare(m Match) string {
	const most = 60
	packets := w.all()
	if len(packets) == 0 {
		return "nothing was recorded"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "recorded were %d:", len(packets))
	for i, p := range packets {
		if i == most {
			fmt.Fprintf(&text, "\n  ... and %d more", len(packets)-most)
			break
		}
		fmt.Fprintf(&text, "\n  %s  %s", since(packets[0], p), p)
		if diff := m.Diff(p); diff != nil {
			fmt.Fprintf(&text, "\n      (%s)", strings.Join(diff, "; "))
		}
	}
	return text.String()
}

// drops counts the packets that the kernel dropped.
type drops struct {
	mu sync.Mutex
	n  int
}

// Drop tells that the recording of a node has a gap.
type Drop struct {
	Node    string
	Packets int // sightings that are missing

	ring int // bytes of the ring that was full; 0 for none
}

// String says what is missing and what to do about it.
func (d Drop) String() string {
	if d.ring > 0 {
		return fmt.Sprintf("the recording of %s lacks %d packets: the kernel dropped them because the ring of %d bytes was full "+
			"(make it larger, or keep less of each frame, or send less at once)", d.Node, d.Packets, d.ring)
	}
	return fmt.Sprintf("the recording of %s lacks %d packets: the kernel dropped them because the receive buffer was full "+
		"(run as root, or raise it with `sysctl -w net.core.rmem_max=16777216`, or send less at once)", d.Node, d.Packets)
}

// Dropped drains, and tells which nodes' recordings lack packets, and how
// many, in the order in which the nodes were attached. It is empty when the
// recording is complete.
func (r *Recording) Dropped() []Drop {
	_ = r.Drain() // see Mark
	r.mu.Lock()
	taps := slices.Clone(r.taps)
	r.mu.Unlock()
	var list []Drop
	for _, t := range taps {
		if n := t.dropped(); n > 0 {
			list = append(list, Drop{t.node, n, r.settings.ring})
		}
	}
	return list
}

func (t *Tap) dropped() int {
	t.drops.mu.Lock()
	defer t.drops.mu.Unlock()
	return t.drops.n
}

// count adds what the kernel has dropped since it was last asked:
// PACKET_STATISTICS starts anew with every look (packet(7)).
func (t *Tap) count() error {
	stats, err := unix.GetsockoptTpacketStats(t.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return fmt.Errorf("ask the kernel for packets dropped at %s: %w", t.node, err)
	}
	t.drops.mu.Lock()
	defer t.drops.mu.Unlock()
	t.drops.n += int(stats.Drops)
	return nil
}

// lost is a remark about gaps for an error's text.
func (r *Recording) lost() string {
	var text string
	for _, d := range r.Dropped() {
		text += "\n" + d.String()
	}
	return text
}

var errStopped = errors.New("the recorder has stopped")
