package capture

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ringed is a recording through rings of the size given.
func ringed(t testing.TB, bytes int, hosts ...*host) *Recording {
	t.Helper()
	r := New(Ring(bytes), Keep(256, 256))
	attach(t, r, hosts...)
	t.Cleanup(r.Close)
	return r
}

// A ring that is gone round many times has every packet, in order, with what a
// socket would say of it.
func TestRing(t *testing.T) {
	a, b := pair(t)
	b.listenUDP("10.0.0.2:9")
	conn := a.udp("10.0.0.2:9")
	r := ringed(t, ringBlock, a, b)
	const rounds, each = 40, 50 // a ring of one block has 170 places
	for round := range rounds {
		from := r.Mark()
		for i := range each {
			var payload [4]byte
			binary.BigEndian.PutUint32(payload[:], uint32(round*each+i))
			_, err := conn.Write(payload[:])
			require.NoError(t, err)
		}
		settle(t, r)
		w := r.Window(from, r.Mark())
		for _, end := range []struct {
			where     string
			direction Direction
		}{{"a:veth0", Out}, {"b:veth1", In}} {
			seen := slices.DeleteFunc(w.Packets(), func(p *Packet) bool { return p.Where() != end.where })
			require.Len(t, seen, each, "%s", w)
			for i, p := range seen {
				require.Equal(t, end.direction, p.Direction)
				require.Equal(t, uint32(round*each+i), binary.BigEndian.Uint32(p.Payload), "%s", w)
				require.Equal(t, a.mac("veth0"), p.SrcMAC)
				require.Equal(t, 14+20+8+4, p.Length)
				require.False(t, p.Cut())
			}
		}
	}
	require.Empty(t, r.Dropped())
	// The same exchange read through a socket is the same, but for the times.
	plain := recording(t, a, b)
	send(t, conn, "in both")
	settle(t, plain)
	settle(t, r)
	ours, theirs := r.All().Find(Match{Payload: []byte("in both")}), plain.All().Find(Match{Payload: []byte("in both")})
	require.Len(t, ours, 2)
	require.Len(t, theirs, 2)
	for i := range ours {
		assert.Equal(t, theirs[i].Data, ours[i].Data)
		assert.Equal(t, theirs[i].Where(), ours[i].Where())
		assert.Equal(t, theirs[i].Direction, ours[i].Direction)
		assert.Equal(t, theirs[i].Time, ours[i].Time, "the kernel's own stamp")
		assert.Equal(t, theirs[i].unfinished, ours[i].unfinished)
	}
}

// What is kept of a long frame is told, as through a socket; a VLAN tag is put
// back.
func TestRingKeeps(t *testing.T) {
	a, b := pair(t)
	r := ringed(t, 1<<20, a, b)
	long := make([]byte, 1200)
	copy(long, []byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x88, 0xb5})
	for i := range long[14:] {
		long[14+i] = byte(i)
	}
	tagged := samples(t)["udp in vlan"]
	a.inject("veth0", long)
	a.inject("veth0", tagged)
	settle(t, r)
	w := r.All()
	require.Equal(t, 4, w.Len(), "%s", w)
	for _, p := range w.Packets() {
		if p.Length == len(tagged) {
			assert.Equal(t, tagged, p.Data, "%s", p)
			assert.Equal(t, uint16(42), p.VLAN, "%s", p)
			continue
		}
		assert.Equal(t, len(long), p.Length, "%s", p)
		assert.Equal(t, long[:256], p.Data, "%s", p)
		assert.True(t, p.Cut())
	}
}

// Packets for which there is no room are counted.
func TestRingFull(t *testing.T) {
	a, b := pair(t)
	b.listenUDP("10.0.0.2:9")
	conn := a.udp("10.0.0.2:9")
	r := ringed(t, ringBlock, a)
	places := r.taps[0].ring.count
	release := hold(r.taps[0])
	for range places + 25 {
		send(t, conn, "x")
	}
	release()
	dropped := r.Dropped()
	require.Len(t, dropped, 1)
	assert.Equal(t, 25, dropped[0].Packets)
	assert.Contains(t, dropped[0].String(), "the ring of 65536 bytes was full")
	assert.Equal(t, places, r.All().Len())
}

// A Drain has what its caller has sent, also while other CPUs write into the
// same ring.
func TestRingDrain(t *testing.T) {
	a, b := pair(t)
	b.listenUDP("10.0.0.2:9")
	r := ringed(t, 4<<20, a, b)
	var senders sync.WaitGroup
	for sender := range 4 {
		conn := a.udp("10.0.0.2:9")
		senders.Add(1)
		go func() {
			defer senders.Done()
			for i := range 300 {
				payload := []byte{byte(sender), byte(i >> 8), byte(i), 'x'}
				if _, err := conn.Write(payload); err != nil {
					t.Error(err)
					return
				}
				from := r.store.len() - 4*400 // what is further back is not this one
				w := r.Window(Mark{position: max(0, from)}, r.Mark())
				if w.First(Match{Node: "a", Payload: payload}) == nil {
					t.Errorf("sender %d: packet %d is not there after a drain", sender, i)
					return
				}
			}
		}()
	}
	senders.Wait()
	require.Empty(t, r.Dropped())
}

// A ring's memory goes with the recording, or with its tap, and with it the
// socket and the namespace.
func TestRingGoes(t *testing.T) {
	mapped := func() (n int) {
		maps, err := os.ReadFile("/proc/self/maps")
		require.NoError(t, err)
		return strings.Count(string(maps), "socket:[")
	}
	before := mapped()
	a, b := pair(t)
	r := New(Ring(1 << 20))
	tap, err := r.Attach("a", a.ns)
	require.NoError(t, err)
	attach(t, r, b)
	require.Equal(t, before+2, mapped())
	tap.Close()
	require.Equal(t, before+1, mapped())
	r.Close()
	require.Equal(t, before, mapped())
}

// A ring that can't be is told, before the kernel is asked for the memory.
func TestRingTooLarge(t *testing.T) {
	r := New(Ring(1 << 50))
	_, err := r.Attach("a", newHost(t, "a").ns)
	require.ErrorContains(t, err, "record a: a ring of 1125899906842624 bytes is larger than the 4294967296 that can be")
}
