package assert

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netrig/netrig/capture"
)

// Packets demands that a window holds exactly these packets, in this order,
// and no others. The kernel's own housekeeping (multicast reports, router
// solicitations: capture.Packet.Housekeeping) comes at times of its own and is
// passed over, except where a wanted packet is one.
func Packets(t testing.TB, w capture.Window, want ...capture.Match) {
	t.Helper()
	got := relevant(w, want)
	texts := make([]string, len(want))
	for i, m := range want {
		texts[i] = m.String()
	}
	if lines, ok := compare(want, texts, got, (*capture.Packet).String); !ok {
		fatalf(t, "the packets are not those demanded (%d wanted, %d seen):\n    %s", len(want), len(got), lines)
	}
}

// compare puts what was seen beside what is wanted, one by one in order: a line
// for each, and whether all agree. texts are the wishes as the test wrote them.
func compare(want []capture.Match, texts []string, got []*capture.Packet, describe func(*capture.Packet) string) (string, bool) {
	var lines []string
	agree := len(want) == len(got)
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			lines = append(lines, "missing     "+texts[i])
		case i >= len(want):
			lines = append(lines, "unexpected  "+describe(got[i]))
		default:
			diff := want[i].Diff(got[i])
			if len(diff) == 0 {
				lines = append(lines, "as wanted   "+describe(got[i]))
				continue
			}
			lines = append(lines, fmt.Sprintf("wrong       %s: %s", describe(got[i]), strings.Join(diff, ", ")))
			agree = false
		}
	}
	return strings.Join(lines, "\n    "), agree
}

// Seen demands that a window holds at least one packet that matches, and
// returns the first. The kernel's housekeeping is passed over as in Packets.
func Seen(t testing.TB, w capture.Window, m capture.Match) *capture.Packet {
	t.Helper()
	for _, p := range relevant(w, []capture.Match{m}) {
		if m.Matches(p) {
			return p
		}
	}
	fatalf(t, "no packet matches %s%s%s", m, closest(w, m), storyOf(w))
	panic("unreachable")
}

// NotSeen demands that a window holds no packet that matches. The windows of
// Lab.Record and of an Exchange are complete, so that this is a proof. As with
// Packets, the kernel's own housekeeping is passed over, unless m names its
// kind.
func NotSeen(t testing.TB, w capture.Window, m capture.Match) {
	t.Helper()
	for _, p := range relevant(w, []capture.Match{m}) {
		if m.Matches(p) {
			fatalf(t, "a packet matches %s, but none must: %s%s", m, p, storyOf(w))
		}
	}
}

func relevant(w capture.Window, want []capture.Match) []*capture.Packet {
	var kept []*capture.Packet
	for _, p := range w.Packets() {
		if !p.Housekeeping() || wanted(p, want) {
			kept = append(kept, p)
		}
	}
	return kept
}

// wanted tells whether a match asks for the packet's kind by name.
func wanted(p *capture.Packet, want []capture.Match) bool {
	for _, m := range want {
		if m.Kind != "" && m.Matches(p) {
			return true
		}
	}
	return false
}

// closest is the packet that misses a match by the fewest fields.
func closest(w capture.Window, m capture.Match) string {
	var best *capture.Packet
	var diff []string
	for _, p := range w.Packets() {
		if d := m.Diff(p); best == nil || len(d) < len(diff) {
			best, diff = p, d
		}
	}
	if best == nil {
		return ""
	}
	return fmt.Sprintf("; the closest is %s: %s", best, strings.Join(diff, ", "))
}
