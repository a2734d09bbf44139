package capture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
)

// After Settle a packet has come to the end of its way, on whatever CPU it was
// sent, with every CPU busy.
func TestSettleUnderLoad(t *testing.T) {
	for _, load := range []struct {
		name      string
		processes bool
		rounds    int
	}{{"processes", true, 500}, {"goroutines", false, 20}} {
		t.Run(load.name, func(t *testing.T) {
			hosts, last := chain(t)
			r := recording(t, hosts...)
			hosts[4].listenUDP(last + ":9")
			conn := hosts[0].udp(last + ":9")
			burn(t, load.processes)
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			for i := range load.rounds {
				from := r.Mark()
				send(t, conn, "packet %d", i)
				require.NoError(t, r.Settle(ctx))
				w := r.Window(from, Mark{position: r.store.len()}) // without a drain: Settle has done it
				require.Equal(t, 8, w.Len(), "round %d: %s", i, w)
				require.Equal(t, "b:left", w.Packets()[7].Where())
				require.Equal(t, 61, w.Packets()[7].TTL)
			}
		})
	}
}

// Receive packet steering (Documentation/networking/scaling.rst) has each node
// of the chain take packets in on another CPU. The sender then goes on while
// they are on their way: without Settle some are missed.
func TestSettleAcrossCPUs(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Skip("one CPU has no other")
	}
	hosts, last := chain(t, func(i int, h *host) {
		err := h.ns.Do(func() error {
			return os.WriteFile("/proc/sys/net/core/rps_default_mask", fmt.Appendf(nil, "%x", 1+i%2), 0)
		})
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			t.Skip("no net.core.rps_default_mask in a namespace: needs Linux 6.3 and CONFIG_RPS")
		}
		require.NoError(t, err)
	})
	r := recording(t, hosts...)
	hosts[4].listenUDP(last + ":9")
	conn := hosts[0].udp(last + ":9")
	missed := 0
	for i := range 300 {
		from := r.Mark()
		send(t, conn, "packet %d", i)
		if r.Window(from, r.Mark()).Len() < 8 {
			missed++
		}
		settle(t, r)
		w := r.Window(from, Mark{position: r.store.len()})
		require.Equal(t, 8, w.Len(), "round %d: %s", i, w)
	}
	t.Logf("a drain alone missed some in %d of 300 rounds", missed)
}

// A packet between two interfaces is in no recording; it is what Settle is
// for. Here it waits in a queue of the test's own, which empties by one hop
// when Settle flushes, as in a CPU's queue under load.
func TestSettleRepeats(t *testing.T) {
	a, b := pair(t)
	r := recording(t, a, b)
	b.listenUDP("10.0.0.2:9")
	conn := a.udp("10.0.0.2:9")
	left := 5
	hop := func(context.Context) error {
		if left > 0 {
			left--
			send(t, conn, "hop")
		}
		return nil
	}
	settled := func(flush func(context.Context) error) int {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, r.settle(ctx, flush))
		return r.store.len()
	}
	assert.Equal(t, 0, settled(func(context.Context) error { return nil }), "with the step stopped it ends before the packets have come")
	assert.Equal(t, 10, settled(hop), "with it, not before the last one")

	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := r.settle(ctx, func(context.Context) error { send(t, conn, "forever"); return ctx.Err() })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "did not settle in")
	require.ErrorContains(t, err, "UDP 7 bytes")

	broken := errors.New("broken")
	require.ErrorIs(t, r.settle(context.Background(), func(context.Context) error { return broken }), broken)
}

// Settle waits for queueing disciplines that the harness knows of.
func TestSettlePending(t *testing.T) {
	a, b := pair(t)
	r := New()
	defer r.Close()
	attach(t, r, a, b)
	b.listenUDP("10.0.0.2:9")
	conn := a.udp("10.0.0.2:9")
	asked := 0
	r.Pending = func() (string, bool) {
		asked++
		if asked == 3 {
			send(t, conn, "released")
		}
		return "netem at a:veth0", asked < 3
	}
	settle(t, r)
	assert.Equal(t, 2, r.All().Len())

	// What stops waiting while Pending is being asked is on its way then, and
	// Settle is not at its end: here it comes with the next flush.
	waits, released := true, false
	r.Pending = func() (string, bool) { waits = false; return "", false }
	before := r.store.len()
	require.NoError(t, r.settle(context.Background(), func(context.Context) error {
		if !waits && !released {
			released = true
			send(t, conn, "released")
		}
		return nil
	}))
	assert.Equal(t, before+2, r.store.len())

	r.Pending = func() (string, bool) { return "netem at a:veth0", true }
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	err := r.Settle(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "packets still wait in netem at a:veth0")
}

// A flood is copied to every port of a bridge; after Settle all copies are
// there, and they are one flight.
func TestSettleFlood(t *testing.T) {
	bridge := newHost(t, "bridge")
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	require.NoError(t, bridge.link.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}))
	hosts := []*host{bridge}
	for i := range 8 {
		h := newHost(t, fmt.Sprint("h", i))
		connect(h, "eth0", fmt.Sprintf("10.0.0.%d/24", i+1), bridge, fmt.Sprint("port", i), "")
		require.NoError(t, bridge.link.LinkSetMaster(bridge.byName(fmt.Sprint("port", i)), bridge.byName("br0")))
		hosts = append(hosts, h)
	}
	bridge.up("br0")
	r := recording(t, hosts...)
	request := samples(t)["arp request"]
	copy(request, net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	copy(request[38:], netip.MustParseAddr("10.9.9.9").AsSlice()) // nobody
	for i := range 100 {
		from := r.Mark()
		hosts[1].inject("eth0", request)
		settle(t, r)
		w := r.Window(from, r.Mark())
		// Out of h0, into port0, up to br0, out of seven ports, into seven hosts.
		found := w.Find(Match{Kind: ARPRequest}) // the bridge has something of its own to say
		require.Len(t, found, 1+1+1+7+7, "round %d: %s", i, w)
		flight := w.Follow(found[0])
		require.Equal(t, found, flight.Hops)
		for _, h := range hosts[2:] {
			require.True(t, flight.Reached(h.name), h.name)
		}
		require.False(t, flight.Reached("h0"))
	}
}
