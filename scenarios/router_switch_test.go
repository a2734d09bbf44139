package scenarios

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestRouterSwitch: a router of both families has a switch for each. That of
// the other family forwards nothing of this one. (Network 10 in the README's
// table.)
//
//	ns0 veth0 --- veth1 router veth3 --- veth2 ns1
func TestRouterSwitch(t *testing.T) { bothFamilies(t, routerSwitch) }

func routerSwitch(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	ns0, router, ns1 := lab.Node("ns0"), lab.Node("router"), lab.Node("ns1")
	other := f.other()
	lab.Connect(ns0.Port("veth0", f.with(1, 2), other.with(1, 2)), router.Port("veth1", f.with(1, 1), other.with(1, 1)))
	lab.Connect(ns1.Port("veth2", f.with(2, 2), other.with(2, 2)), router.Port("veth3", f.with(2, 1), other.with(2, 1)))
	for _, g := range []family{f, other} {
		ns0.AddDefaultRoute(g.addr(1, 1))
		ns1.AddDefaultRoute(g.addr(2, 1))
		assert.Unreachable(t, ns0, g.addr(2, 2), assert.Silence)
	}

	router.SetSysctl(other.forwarding(), 1)
	assert.TTL(t, assert.Reachable(t, ns0, other.addr(2, 2)), 63)
	before := router.Counters()
	lost := assert.Unreachable(t, ns0, f.addr(2, 2), assert.Silence)
	assert.Path(t, lost.Request, "ns0:veth0 out ttl 64", "router:veth1 in ttl 64")
	assert.NotSeen(t, lost.Window, capture.Match{Node: "ns1"})
	require.EqualValues(lab, 1, router.Counters().Since(before)[f.counter("IpInAddrErrors")])

	router.SetSysctl(f.forwarding(), 1)
	echo := assert.Reachable(t, ns0, f.addr(2, 2))
	assert.TTL(t, echo, 63)
	assert.Path(t, echo.Request, "ns0:veth0 out ttl 64", "router:veth1 in ttl 64", "router:veth3 out ttl 63", "ns1:veth2 in ttl 63")

	// And off again, for this family alone.
	router.SetSysctl(f.forwarding(), 0)
	lost = assert.Unreachable(t, ns0, f.addr(2, 2), assert.Silence)
	assert.Path(t, lost.Request, "ns0:veth0 out ttl 64", "router:veth1 in ttl 64")
	assert.TTL(t, assert.Reachable(t, ns0, other.addr(2, 2)), 63)
	return lab
}

// forwarding is the sysctl that makes a node a router of the family.
func (f family) forwarding() string {
	if f.v6 {
		return "net.ipv6.conf.all.forwarding"
	}
	return "net.ipv4.ip_forward"
}
