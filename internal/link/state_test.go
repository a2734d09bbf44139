package link

import (
	"fmt"
	"testing"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What is said of one port is what the list of all ports says of it.
func TestState(t *testing.T) {
	sw, host := newPlace(t), newPlace(t)
	const bridge, port, far = 100, 101, 201
	require.NoError(t, sw.route.CreateBridge(Bridge{Name: "br0", Index: bridge, MAC: []byte{2, 0, 0, 0, 0, 100}, Ageing: 30000}))
	a := sw.end(port)
	a.Master = bridge
	require.NoError(t, sw.route.CreateVeth(a, host.end(far), true))

	check := func(master int, state uint8, up bool) {
		t.Helper()
		var got State
		err := deadline.Poll(5*time.Second, "the port has another state", func() (_ bool, err error) {
			got, err = sw.route.State(port)
			return got.Master == master && got.PortState == state && got.Up() == up, err
		})
		require.NoError(t, err, "want master %d, state %d, up %t; the kernel says %+v", master, state, up, got)
		ports, err := sw.route.BridgePorts()
		require.NoError(t, err)
		if master == 0 {
			require.Empty(t, ports)
			return
		}
		require.Len(t, ports, 1)
		require.Equal(t, Port{Index: port, Master: master, State: state}, Port{Index: ports[0].Index, Master: ports[0].Master, State: ports[0].State})
	}
	const disabled, forwarding = 0, 3
	check(bridge, disabled, true) // the bridge is down
	require.NoError(t, host.route.Up(far, 0))
	require.NoError(t, sw.route.Up(bridge, 0))
	check(bridge, forwarding, true)
	own, err := sw.route.State(bridge)
	require.NoError(t, err)
	require.Zero(t, own.Master)
	require.Zero(t, own.PortState)

	other, err := host.route.State(far)
	require.NoError(t, err)
	require.True(t, other.Carrying())
	require.Equal(t, uint8(OperUp), other.OperState)

	_, err = sw.route.State(999)
	require.ErrorIs(t, err, unix.ENODEV)
	require.ErrorContains(t, err, "link 999")
}

// BenchmarkState is one question to a bridge of so many ports.
func BenchmarkState(b *testing.B) {
	for _, ports := range []int{2, 100} {
		b.Run(fmt.Sprint(ports), func(b *testing.B) {
			sw, host := newPlace(b), newPlace(b)
			require.NoError(b, sw.route.CreateBridge(Bridge{Name: "br0", Index: 100, MAC: []byte{2, 0, 0, 0, 0, 100}, Ageing: 30000}))
			for i := range ports {
				a := sw.end(101 + i)
				a.Master = 100
				require.NoError(b, sw.route.CreateVeth(a, host.end(1001+i), true))
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sw.route.State(101); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
