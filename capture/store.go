package capture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// store holds what was read, in the order of reading. Nothing is decoded
// before someone looks: the threads that read have no time for it.
type store struct {
	mu      sync.Mutex
	records []record
	packets []*Packet     // decoded records, nil where nobody has looked yet
	arrived chan struct{} // closed by the next arrival; nil if nobody waits
}

// record is a packet as it was read.
type record struct {
	tap       *Tap
	name      string // of the interface
	data      []byte
	at        int64 // time stamp, nanoseconds since 1970
	length    int
	index     int
	hardware  uint16 // ARPHRD_* of the interface
	protocol  uint16 // EtherType
	direction Direction
	status    uint32 // TP_STATUS_*
}

// add takes over the records. It does not keep the slice.
func (s *store) add(records []record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(s.records, records...)
	if s.arrived != nil {
		close(s.arrived)
		s.arrived = nil
	}
}

func (s *store) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.records)
}

// slice decodes the records from..to, in order of reading. It also gives the
// position after the last record there is, and a channel that is closed when
// there is one more.
func (s *store) slice(from, to int) ([]*Packet, int, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if more := len(s.records) - len(s.packets); more > 0 {
		s.packets = append(s.packets, make([]*Packet, more)...)
	}
	if s.arrived == nil {
		s.arrived = make(chan struct{})
	}
	to = min(to, len(s.records))
	if from >= to {
		return nil, len(s.records), s.arrived
	}
	for i := from; i < to; i++ {
		if s.packets[i] == nil {
			s.packets[i] = s.records[i].packet(i)
			s.records[i].data = nil // the packet has it
		}
	}
	return slices.Clone(s.packets[from:to]), len(s.records), s.arrived
}

func (r *record) packet(position int) *Packet {
	p := &Packet{
		Node: r.tap.node, Interface: r.name, Index: r.index, Direction: r.direction,
		Time: time.Unix(0, r.at), Data: r.data, Length: r.length,
		position: position, unfinished: r.status&unix.TP_STATUS_CSUMNOTREADY != 0,
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
}

// String says what is missing and what to do about it.
func (d Drop) String() string {
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
			list = append(list, Drop{t.node, n})
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
