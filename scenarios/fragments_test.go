package scenarios

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/require"
)

// TestFragments: what does not fit the sender's link is sent in fragments, passed on
// one by one, and put together by the receiver. Fragments that overlap are thrown
// away with all that belongs to them; where one is missing, the receiver waits for
// it, and then says so.
//
//	ns0 eth0 --- eth0 router eth1 --- eth0 ns1
func TestFragments(t *testing.T) { bothFamilies(t, fragments) }

func fragments(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	ns0, router, ns1 := lab.Node("ns0"), lab.Node("router"), lab.Node("ns1")
	port := ns0.Port("eth0", f.with(1, 2))
	lab.Connect(port, router.Port("eth0", f.with(1, 1)))
	lab.Connect(router.Port("eth1", f.with(2, 1)), ns1.Port("eth0", f.with(2, 2)))
	ns0.AddDefaultRoute(f.addr(1, 1))
	ns1.AddDefaultRoute(f.addr(2, 1))
	router.EnableForwarding()
	assert.TTL(t, assert.Reachable(t, ns0, f.addr(2, 2)), 63)

	lab.Step("sent in fragments")
	// As much as fits behind the headers, in units of 8 bytes (RFC 791, RFC 8200).
	size, part := 3000, 1480
	if f.v6 {
		part = 1448 // 40 bytes of the header and 8 of the fragment's own
	}
	at := []capture.Fragment{{More: true}, {Offset: part, More: true}, {Offset: 2 * part}}
	seen := counting(ns0, router, ns1)
	echo := assert.Reachable(t, ns0, f.addr(2, 2), assert.Size(size))
	assert.TTL(t, echo, 63)
	assert.Path(t, echo.Request, "ns0:eth0 out ttl 64", "router:eth0 in ttl 64", "router:eth1 out ttl 63", "ns1:eth0 in ttl 63")
	for _, hop := range []capture.Match{
		{Node: "ns0", Direction: capture.Out, TTL: 64}, {Node: "router", Interface: "eth1", Direction: capture.Out, TTL: 63},
		{Node: "ns1", Direction: capture.In, TTL: 63},
	} {
		assert.Packets(t, capture.NewWindow(echo.Window.Find(toward(hop, echo))...), inOrder(hop, at)...)
	}
	moved := seen()
	require.EqualValues(lab, 1, moved["ns0"][f.counter("IpFragOKs")], moved["ns0"])
	require.EqualValues(lab, 3, moved["ns0"][f.counter("IpFragCreates")], moved["ns0"])
	require.EqualValues(lab, 3, moved["ns1"][f.counter("IpReasmReqds")], moved["ns1"])
	require.EqualValues(lab, 1, moved["ns1"][f.counter("IpReasmOKs")], moved["ns1"])
	require.Zero(lab, moved["router"][f.counter("IpReasmReqds")], "the router puts nothing together: %s", moved["router"])

	// The same fragments once more, as they were, out of the same interface.
	var frames [][]byte
	for _, p := range echo.Window.Find(toward(capture.Match{Node: "ns0", Direction: capture.Out}, echo)) {
		require.False(lab, p.Cut(), "%s", p)
		frames = append(frames, p.Data)
	}
	require.Len(lab, frames, 3)

	lab.Step("in another order")
	window := lab.Record(func() { port.Inject(frames[2], frames[0], frames[1]) })
	assert.Seen(t, window, capture.Match{Node: "ns0", Direction: capture.In, Kind: capture.EchoReply})
	require.EqualValues(lab, 1, seen()["ns1"][f.counter("IpReasmOKs")])

	lab.Step("overlapping")
	// The second begins 8 bytes too early: RFC 5722 for IPv6, and Linux for both
	// since 4.20 (CVE-2018-5391), throw away everything.
	window = lab.Record(func() { port.Inject(frames[0], moveFragment(frames[1], f, part-8)) })
	assert.Seen(t, window, capture.Match{Node: "ns1", Direction: capture.In, Fragment: &capture.Fragment{Offset: part - 8, More: true}})
	assert.NotSeen(t, window, capture.Match{Node: "ns1", Direction: capture.Out})
	moved = seen()
	require.EqualValues(lab, 2, moved["ns1"][f.counter("IpReasmReqds")], moved["ns1"])
	require.NotZero(lab, moved["ns1"][f.counter("IpReasmFails")], moved["ns1"])
	require.Zero(lab, moved["ns1"][f.counter("IpReasmTimeout")], moved["ns1"])
	if !f.v6 {
		require.EqualValues(lab, 1, moved["ns1"]["IpExtReasmOverlaps"], moved["ns1"])
	}

	lab.Step("one lost")
	// The least that the kernel takes; 30 s and 60 s without.
	ns1.SetSysctl(f.either("net.ipv4.ipfrag_time", "net.ipv6.ip6frag_time"), 1)
	began, start := time.Now(), lab.Recording().Start()
	port.Inject(frames[0], frames[2])
	// It says so to the sender, whom it knows by the first fragment.
	expired := capture.Match{Kind: capture.TimeExceeded, ICMPCode: new(uint8(1)), Src: echo.Request.First().Dst, Dst: echo.Request.First().Src}
	patience, cancel := context.WithTimeout(context.Background(), deadline.Of(5*time.Second))
	defer cancel()
	_, err := lab.Recording().Wait(patience, start, expired)
	require.NoError(lab, err, "ns1 still waits for the fragment that is missing")
	moved = seen()
	require.EqualValues(lab, 1, moved["ns1"][f.counter("IpReasmTimeout")], moved["ns1"])
	require.GreaterOrEqual(lab, time.Since(began), 900*time.Millisecond, "given up too early")
	lab.Settle()
	window = lab.Recording().Window(start, lab.Recording().Mark())
	assert.NotSeen(t, window, capture.Match{Node: "ns1", Kind: capture.EchoReply})
	assert.Path(t, window.Follow(assert.Seen(t, window, expired)),
		"ns1:eth0 out ttl 64", "router:eth1 in ttl 64", "router:eth0 out ttl 63", "ns0:eth0 in ttl 63")
	return lab
}

// counting returns what the counters of nodes have moved by since the last call.
func counting(nodes ...*harness.Node) func() map[string]harness.Counters {
	before := map[string]harness.Counters{}
	since := func() map[string]harness.Counters {
		moved := map[string]harness.Counters{}
		for _, n := range nodes {
			now := n.Counters()
			moved[n.Name()], before[n.Name()] = now.Since(before[n.Name()]), now
		}
		return moved
	}
	since()
	return since
}

// toward matches what belongs to an echo's request at a hop.
func toward(hop capture.Match, echo *assert.Exchange) capture.Match {
	hop.Dst = echo.Request.First().Dst
	return hop
}

// inOrder matches fragments at a hop one after the other.
func inOrder(hop capture.Match, at []capture.Fragment) (all []capture.Match) {
	for _, fragment := range at {
		hop.Fragment = &fragment
		all = append(all, hop)
	}
	return all
}

// moveFragment is a fragment's frame with another offset, in bytes.
func moveFragment(frame []byte, f family, offset int) []byte {
	frame = slices.Clone(frame)
	be := binary.BigEndian
	if f.v6 {
		field := frame[14+40+2:] // of the fragment header: offset in units of 8 bytes, 2 bits, more fragments
		be.PutUint16(field, uint16(offset)|be.Uint16(field)&1)
		return frame
	}
	header := frame[14:][:20]
	be.PutUint16(header[6:], uint16(offset/8)|be.Uint16(header[6:])&0xe000)
	be.PutUint16(header[10:], 0)
	sum := uint32(0)
	for i := 0; i < len(header); i += 2 {
		sum += uint32(be.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	be.PutUint16(header[10:], ^uint16(sum))
	return frame
}
