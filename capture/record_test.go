package capture

import (
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A recording runs when Attach returns, and until Close is called.
func TestFirstAndLastPacket(t *testing.T) {
	a, b := pair(t)
	b.listenUDP("10.0.0.2:9")
	conn := a.udp("10.0.0.2:9")
	for i := range 1000 {
		r := New()
		attach(t, r, a)
		send(t, conn, "first of %d", i)
		send(t, conn, "last of %d", i)
		r.Close()
		all := r.All()
		require.Equal(t, 2, all.Len(), "round %d: %s", i, all)
		require.Len(t, all.Find(Match{Payload: fmt.Appendf(nil, "first of %d", i)}), 1, "round %d: %s", i, all)
		require.Len(t, all.Find(Match{Payload: fmt.Appendf(nil, "last of %d", i)}), 1, "round %d: %s", i, all)
	}
}

// Closing one tap lets go of its namespace, and leaves the others running.
func TestTapClose(t *testing.T) {
	a, b := pair(t)
	b.listenUDP("10.0.0.2:9")
	conn := a.udp("10.0.0.2:9")
	r := New()
	defer r.Close()
	tap, err := r.Attach("a", a.ns)
	require.NoError(t, err)
	assert.Equal(t, "a", tap.Node())
	attach(t, r, b)
	send(t, conn, "one")
	settle(t, r)
	tap.Close()
	tap.Close()
	tap.Rename(1, "nothing happens")
	send(t, conn, "two")
	settle(t, r)
	all := r.All()
	assert.Len(t, all.Find(Match{Node: "a"}), 1, "%s", all)
	assert.Len(t, all.Find(Match{Node: "b"}), 2, "%s", all)
}

func TestAttachFails(t *testing.T) {
	h := newHost(t, "a")
	r := New()
	attach(t, r, h)
	r.Close()
	r.Close()
	_, err := r.Attach("a", h.ns)
	require.ErrorIs(t, err, errClosed)
	require.ErrorContains(t, err, "record a: ")
	require.NoError(t, r.Drain())

	r = New()
	defer r.Close()
	h.ns.Close()
	_, err = r.Attach("a", h.ns)
	require.ErrorContains(t, err, "record a: ")
	require.ErrorContains(t, err, "closed")
	attach(t, r, newHost(t, "b"))
}

func TestDirectionAndOrder(t *testing.T) {
	a, b := pair(t)
	r := recording(t, a, b)
	b.listenUDP("10.0.0.2:9")
	conn := a.udp("10.0.0.2:9")
	for range 20 {
		from := r.Mark()
		send(t, conn, "x")
		settle(t, r)
		w := r.Window(from, r.Mark())
		require.Equal(t, 2, w.Len(), "%s", w)
		out, in := w.Packets()[0], w.Packets()[1]
		require.Equal(t, "a:veth0 out", out.Where()+" "+out.Direction.String())
		require.Equal(t, "b:veth1 in", in.Where()+" "+in.Direction.String())
		require.False(t, in.Time.Before(out.Time))
		require.Equal(t, a.mac("veth0"), in.SrcMAC)
	}
	before := time.Now()
	send(t, conn, "y")
	after := time.Now()
	last := r.All().Find(Match{Payload: []byte("y"), Direction: Out})
	require.Len(t, last, 1)
	assert.False(t, last[0].Time.Before(before), "the stamp is the kernel's")
	assert.False(t, last[0].Time.After(after), "and not that of the reading")
}

// The kernel takes the VLAN tag off a frame that comes in (skb_vlan_untag,
// with or without VLAN interfaces); the recording has it back in its place.
func TestVLAN(t *testing.T) {
	a, b := pair(t)
	r := recording(t, a, b)
	sent := samples(t)["udp in vlan"]
	double := slices.Insert(slices.Clone(sent), 12, 0x88, 0xa8, 0x20, 0x07) // priority 1, VLAN 7
	for _, test := range []struct {
		sent []byte
		vlan uint16
	}{{sent, 42}, {double, 7}} {
		from := r.Mark()
		a.inject("veth0", test.sent)
		settle(t, r)
		w := r.Window(from, r.Mark())
		require.Equal(t, 2, w.Len(), "%s", w)
		for _, p := range w.Packets() {
			assert.Equal(t, test.sent, p.Data, "%s", p)
			assert.Equal(t, len(test.sent), p.Length, "%s", p)
			assert.Equal(t, test.vlan, p.VLAN, "%s", p)
			assert.Equal(t, uint16(53), p.DstPort, "%s", p)
		}
		// Two recorders write, in any order.
		last := r.store.at(r.store.len()-1).status | r.store.at(r.store.len()-2).status
		assert.NotZero(t, last&unix.TP_STATUS_VLAN_VALID, "the kernel did take it off")
	}
}

// Bulk TCP over veth is in unsegmented frames with unfinished checksums.
func TestBulk(t *testing.T) {
	a, b := pair(t)
	r := New()
	defer r.Close()
	attach(t, r, a, b)
	var listener net.Listener
	var client net.Conn
	require.NoError(t, b.ns.Do(func() (err error) {
		listener, err = net.Listen("tcp4", "10.0.0.2:80")
		return err
	}))
	defer listener.Close()
	received := make(chan int64, 1)
	go func() {
		defer close(received)
		if conn, err := listener.Accept(); err == nil {
			n, _ := io.Copy(io.Discard, conn) // how much came is what counts
			conn.Close()
			received <- n
		}
	}()
	require.NoError(t, a.ns.Do(func() (err error) {
		client, err = net.Dial("tcp4", "10.0.0.2:80")
		return err
	}))
	const total = 4 << 20
	_, err := client.Write(make([]byte, total))
	require.NoError(t, err)
	require.NoError(t, client.Close())
	require.EqualValues(t, total, <-received)
	settle(t, r)

	require.Empty(t, r.Dropped(), "4 MiB fit, whatever the user's limits")
	all := r.All()
	segments := all.Find(Match{Node: "b", Direction: In, Kind: TCP, DstPort: 80})
	start := segments[0].Seq + 1 // after the SYN
	slices.SortFunc(segments, func(p, q *Packet) int { return int(int32(p.Seq - q.Seq)) })
	covered, cut := 0, 0
	for _, p := range segments {
		if p.size == 0 {
			continue
		}
		// Some may have been sent twice.
		assert.LessOrEqual(t, int(p.Seq-start), covered, "no gap before %s", p)
		covered = max(covered, int(p.Seq-start)+p.size)
		if p.Cut() {
			cut++
			assert.Len(t, p.Data, 128)
			assert.Greater(t, p.Length, 2048)
		}
		assert.Empty(t, p.BadChecksums(), "%s", p)
	}
	assert.Positive(t, cut, "unsegmented frames were sent")
	assert.Equal(t, total, covered, "the lengths are those of the wire")
}

// Many recordings at the same time, each with nodes of its own.
func TestManyRecordings(t *testing.T) {
	for i := range 6 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			a, b := pair(t)
			b.listenUDP("10.0.0.2:9")
			conn := a.udp("10.0.0.2:9")
			for range 10 {
				r := New()
				attach(t, r, a, b, a, b, a, b, a, b, a, b, a, b)
				send(t, conn, "from %d", i)
				settle(t, r)
				found := r.All().Find(Match{Payload: fmt.Appendf(nil, "from %d", i)})
				r.Close()
				require.Len(t, found, 12)
			}
		})
	}
}
