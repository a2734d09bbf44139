package capture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Window is a stretch of a recording: its packets, ordered by time. The zero
// Window is empty.
type Window struct{ *view }

// view is what copies of a Window share.
type view struct {
	packets []*Packet
	once    sync.Once
	flights map[*Packet]*Flight // made by the first Follow
}

// NewWindow is a window of the packets given, which are put in order of time;
// those of the same time stay in the order given.
func NewWindow(packets ...*Packet) Window {
	packets = slices.Clone(packets)
	slices.SortStableFunc(packets, func(a, b *Packet) int { return a.Time.Compare(b.Time) })
	return Window{&view{packets: packets}}
}

// inOrder is a window of recorded packets: those of one and the same time
// stand in the order of reading. It keeps the slice.
func inOrder(packets []*Packet) Window {
	order := func(a, b *Packet) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.position, b.position))
	}
	if !slices.IsSortedFunc(packets, order) {
		slices.SortFunc(packets, order)
	}
	return Window{&view{packets: packets}}
}

// Packets are the packets in order of time. The slice is the caller's.
func (w Window) Packets() []*Packet { return slices.Clone(w.all()) }

func (w Window) all() []*Packet {
	if w.view == nil {
		return nil
	}
	return w.packets
}

// Len is the number of packets.
func (w Window) Len() int { return len(w.all()) }

// Find lists the packets that one of the matches wants, in order of time;
// without a match, all of them.
func (w Window) Find(m ...Match) []*Packet {
	if len(m) == 0 {
		return w.Packets()
	}
	var found []*Packet
	for _, p := range w.all() {
		if slices.ContainsFunc(m, func(m Match) bool { return m.Matches(p) }) {
			found = append(found, p)
		}
	}
	return found
}

// First is the earliest packet that matches, nil if none does.
func (w Window) First(m Match) *Packet {
	for _, p := range w.all() {
		if m.Matches(p) {
			return p
		}
	}
	return nil
}

// String is the story: one line a packet, with the time since the first.
func (w Window) String() string { return w.Story(Names{}) }

// Story is the same with the names of who has which address.
func (w Window) Story(n Names) string { return story(w.all(), n) }

// story writes one line a packet, in columns, with the time since the first.
func story(packets []*Packet, n Names) string {
	place, clock := 0, 0
	for _, p := range packets {
		place = max(place, len(p.Where()))
		clock = max(clock, len(since(packets[0], p)))
	}
	var text strings.Builder
	for _, p := range packets {
		fmt.Fprintf(&text, "%*s  %-*s  %s  %s\n", clock, since(packets[0], p), place, p.Where(), p.Direction.arrow(), p.Summary(n))
	}
	return text.String()
}

func since(first, p *Packet) string {
	return fmt.Sprintf("%.3f ms", float64(p.Time.Sub(first.Time))/float64(time.Millisecond))
}
