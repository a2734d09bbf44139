package capture

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the kernel drops is counted and told.
func TestDropped(t *testing.T) {
	a, b := pair(t)
	r := New(Buffer(1))
	defer r.Close()
	attach(t, r, a)
	b.listenUDP("10.0.0.2:9")
	conn := a.udp("10.0.0.2:9")
	tap := r.taps[0]
	const flood = 500
	release := hold(tap)
	for range flood {
		send(t, conn, "%01000d", 0)
	}
	release()
	dropped := r.Dropped()
	require.Len(t, dropped, 1)
	assert.Equal(t, "a", dropped[0].Node)
	assert.Equal(t, flood, dropped[0].Packets+r.All().Len(), "each packet is either recorded or counted")
	assert.Contains(t, dropped[0].String(), "rmem_max")
	assert.Equal(t, dropped, r.Dropped(), "looking does not forget")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := r.Wait(ctx, Mark{}, Match{TTL: 1})
	assert.ErrorContains(t, err, "the recording of a lacks")
	r.Close()
	assert.Equal(t, dropped, r.Dropped(), "nor does closing")
}

func TestWait(t *testing.T) {
	a, b := pair(t)
	r := recording(t, a, b)
	server := b.listenUDP("10.0.0.2:9")
	conn := a.udp("10.0.0.2:9")
	send(t, conn, "first")
	from := r.Mark()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	var waiters sync.WaitGroup
	for range 4 {
		waiters.Go(func() {
			p, err := r.Wait(ctx, from, Match{Payload: []byte("answer"), Node: "a"})
			if assert.NoError(t, err) {
				assert.Equal(t, "a:veth0", p.Where())
			}
		})
	}
	_, err := server.WriteTo([]byte("answer"), conn.LocalAddr())
	require.NoError(t, err)
	waiters.Wait()

	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = r.Wait(short, from, Match{Payload: []byte("answer"), Node: "a", TTL: 63})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "recorded were 2:")
	require.ErrorContains(t, err, "(ttl 64, want 63)")
	require.NotContains(t, err.Error(), "5 bytes", "the first packet came before the mark")
}
