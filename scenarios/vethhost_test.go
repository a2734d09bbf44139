package scenarios

import (
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/require"
)

// TestVethHostAndNamespace: the host and a namespace on one cable, each pinging
// the other by its interface. What one end has sent the other has received.
// Network 3 in the README's table.
//
//	host veth0 ------------ veth1 ns0
func TestVethHostAndNamespace(t *testing.T) { bothFamilies(t, vethHostAndNamespace) }

func vethHostAndNamespace(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host, ns0 := lab.Node("host"), lab.Node("ns0")
	cable := lab.Connect(host.Port("veth0", f.with(1, 1)), ns0.Port("veth1", f.with(1, 2)))
	assert.NoNeighbor(t, host, f.addr(1, 2))
	assert.NoNeighbor(t, ns0, f.addr(1, 1))

	there := assert.Reachable(t, host, f.addr(1, 2), assert.Interface("veth0"))
	assert.TTL(t, there, 64)
	assert.Path(t, there.Request,
		f.hop("host:veth0", f.addr(1, 1), f.addr(1, 2), "out ttl 64"), f.hop("ns0:veth1", f.addr(1, 1), f.addr(1, 2), "in ttl 64"))
	assert.Neighbor(t, host, f.addr(1, 2), cable.B.MAC())

	back := assert.Reachable(t, ns0, f.addr(1, 1), assert.Interface("veth1"))
	assert.TTL(t, back, 64)
	assert.Path(t, back.Request,
		f.hop("ns0:veth1", f.addr(1, 2), f.addr(1, 1), "out ttl 64"), f.hop("host:veth0", f.addr(1, 2), f.addr(1, 1), "in ttl 64"))
	assert.Neighbor(t, ns0, f.addr(1, 1), cable.A.MAC())

	// A question for the neighbour or its answer, a request and a reply each
	// way. IPv6 has housekeeping besides.
	a := assertCountedAlike(lab, cable)
	require.GreaterOrEqual(lab, a.sent.Packets, uint64(3), "sent by %s", cable.A)
	if !f.v6 {
		require.Equal(lab, harness.Traffic{Packets: 3, Bytes: 42 + 2*98}, a.sent, "sent by %s", cable.A)
		require.Equal(lab, a.sent, a.received, "sent and received by %s", cable.A)
	}
	return lab
}

// traffic is what has passed one end of a cable, in packets and bytes.
type traffic struct{ sent, received harness.Traffic }

// turned is the same as the other end has it.
func (t traffic) turned() traffic { return traffic{sent: t.received, received: t.sent} }

// assertCountedAlike demands that both ends of a cable have counted the same,
// and what was recorded at the first end, whose counts it returns.
func assertCountedAlike(lab *harness.Lab, c *harness.Cable) traffic {
	lab.Helper()
	for end := time.Now().Add(deadline.Of(5 * time.Second)); ; {
		a := counted(c.A)
		lab.Settle()
		b, seen := counted(c.B), recorded(c.A)
		if counted(c.A) != a {
			require.True(lab, time.Now().Before(end), "%s does not come to rest: it has counted %+v, and goes on", c.A, a)
			continue // something passed meanwhile: multicast reports of IPv6 come at times of their own
		}
		require.Equal(lab, a, b.turned(), "counted by %s, and by %s", c.A, c.B)
		require.Equal(lab, a, seen, "counted by %s, and recorded there", c.A)
		return a
	}
}

// counted is what the kernel has counted at an interface.
func counted(p *harness.Port) traffic {
	i := p.Node().Interface(p.Name())
	return traffic{
		sent:     harness.Traffic{Packets: i.Sent.Packets, Bytes: i.Sent.Bytes},
		received: harness.Traffic{Packets: i.Received.Packets, Bytes: i.Received.Bytes},
	}
}

// recorded is what the lab has recorded there.
func recorded(p *harness.Port) (t traffic) {
	for _, seen := range p.Node().Lab().Recording().All().Find(capture.Match{Node: p.Node().Name(), Interface: p.Name()}) {
		way := &t.sent
		if seen.Direction == capture.In {
			way = &t.received
		}
		way.Packets++
		way.Bytes += uint64(seen.Length)
	}
	return t
}
