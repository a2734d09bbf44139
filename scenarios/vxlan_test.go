package scenarios

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestVXLAN: three nodes in three subnets share an Ethernet of their own, which a
// router carries without knowing. A frame for everybody goes to both other ends;
// one for a node that has been heard of, to its end alone. An end of another
// network identifier hears nothing.
//
//	ns1 vxlan0 . eth0 --- eth1 |        |
//	ns2 vxlan0 . eth0 --- eth2 | router | eth3 --- eth0 . vxlan0 ns3
func TestVXLAN(t *testing.T) { bothFamilies(t, vxlan) }

func vxlan(t testing.TB, f family) *harness.Lab {
	harness.RequireVXLAN(t)
	const id, other = 42, 43
	// What is put before a frame: a header of IP, UDP (8 bytes) and VXLAN (8), and of
	// the frame itself that of Ethernet (14).
	overhead := 20 + 8 + 8 + 14
	if f.v6 {
		overhead += 20
	}
	lab := harness.New(t)
	router, ns := lab.Node("router"), lab.Nodes("ns%d", 3)
	names := []string{"eth1", "eth2", "eth3"}
	for i, n := range ns {
		lab.Connect(n.Port("eth0", f.with(i+1, 2)), router.Port(names[i], f.with(i+1, 1)))
		n.AddDefaultRoute(f.addr(i+1, 1))
		assert.Reachable(t, n, f.addr(i+1, 1)) // so that each knows its router, and is known there
	}
	var ends []*harness.VirtualPort
	for i, n := range ns {
		network := map[bool]int{true: other, false: id}[i == 2]
		options := []harness.VXLANOption{harness.VXLANBy("eth0"), harness.VXLANLocal(f.addr(i+1, 2)), harness.VXLANAddress(f.with(10, i+1))}
		for j := range ns {
			if j != i {
				options = append(options, harness.VXLANRemote(f.addr(j+1, 2)))
			}
		}
		ends = append(ends, n.VXLAN("vxlan0", network, options...))
	}
	vni := func(id uint32) *uint32 { return &id }

	lab.Step("no way for the tunnel")
	// The question leaves in the tunnel's packets, which end at the router.
	ask, answer := f.resolution()
	lost := assert.Unreachable(t, ns[0], f.addr(10, 2), assert.HostUnreachable.By("ns1"))
	assert.Seen(t, lost.Window, capture.Match{Node: "router", Interface: "eth1", Direction: capture.In, VNI: vni(id), Inner: &capture.Match{Kind: ask}})
	assert.NotSeen(t, lost.Window, capture.Match{Node: "ns2", Inner: &capture.Match{Kind: ask}})

	router.EnableForwarding()
	lab.Step("the question goes to all ends")
	echo := assert.Reachable(t, ns[0], f.addr(10, 2))
	for i, remote := range []string{f.addr(2, 2), f.addr(3, 2)} {
		carried := assert.Seen(t, echo.Window, capture.Match{
			Node: "ns1", Interface: "eth0", Direction: capture.Out, Dst: netip.MustParseAddr(remote), DstPort: 4789, TTL: 64,
			VNI: vni(id), Inner: &capture.Match{Kind: ask, SrcMAC: ends[0].MAC()},
		})
		assert.Path(t, echo.Window.Follow(carried), "ns1:eth0 out ttl 64", "router:eth1 in ttl 64",
			"router:"+names[i+1]+" out ttl 63", ns[i+1].Name()+":eth0 in ttl 63")
	}
	assert.Seen(t, echo.Window, capture.Match{Node: "ns2", Interface: "vxlan0", Direction: capture.In, Kind: ask})
	assert.NotSeen(t, echo.Window, capture.Match{Node: "ns3", Interface: "vxlan0"}) // another identifier
	assert.Seen(t, echo.Window, capture.Match{Node: "ns2", Interface: "eth0", Direction: capture.Out, Inner: &capture.Match{Kind: answer}})

	// The echo itself: at the tunnel's ends as on one cable, below it in a packet of
	// its own, which the router passes on.
	assert.TTL(t, echo, 64)
	assert.Path(t, echo.Request, "ns1:vxlan0 out ttl 64", "ns2:vxlan0 in ttl 64")
	assert.Path(t, echo.Reply, "ns2:vxlan0 out ttl 64", "ns1:vxlan0 in ttl 64")
	carried := assert.Seen(t, echo.Window, capture.Match{Node: "ns1", Interface: "eth0", Inner: &capture.Match{Kind: capture.EchoRequest, TTL: 64}})
	assert.Path(t, echo.Window.Follow(carried), f.hop("ns1:eth0", f.addr(1, 2), f.addr(2, 2), "out ttl 64"), "router:eth1 in ttl 64",
		"router:eth2 out ttl 63", f.hop("ns2:eth0", f.addr(1, 2), f.addr(2, 2), "in ttl 63"))
	inner, ok := carried.Inner()
	require.True(lab, ok)
	require.Equal(lab, echo.Request.First().Data, inner.Data, "what the tunnel carries is the frame")
	require.Equal(lab, overhead, carried.Length-echo.Request.First().Length)
	assert.NotSeen(t, echo.Window, capture.Match{Node: "ns3", Inner: &capture.Match{Kind: capture.EchoRequest}})
	assert.Neighbor(t, ns[0], f.addr(10, 2), ends[1].MAC())

	lab.Step("learned")
	// Each has learned by what the other sent where that is, and asks nobody any more.
	require.Equal(lab, f.addr(2, 2), learnedEnd(ns[0], ends[1].MAC()))
	require.Equal(lab, f.addr(1, 2), learnedEnd(ns[1], ends[0].MAC()))
	require.Empty(lab, learnedEnd(ns[2], ends[0].MAC()))
	again := assert.Reachable(t, ns[0], f.addr(10, 2))
	assert.NotSeen(t, again.Window, capture.Match{Node: "ns3", Inner: &capture.Match{Kind: capture.EchoRequest}})

	lab.Step("as large as fits")
	mtu := 1500 - overhead
	require.Equal(lab, mtu, ns[0].Interface("vxlan0").MTU)
	full := assert.Reachable(t, ns[0], f.addr(10, 2), assert.Size(mtu-f.echoHeaders()), assert.DontFragment())
	assert.Seen(t, full.Window, capture.Match{Node: "router", Interface: "eth2", Direction: capture.Out, Length: 14 + 1500})
	over := assert.Unreachable(t, ns[0], f.addr(10, 2), assert.MessageTooLong.By("local"), assert.Size(mtu-f.echoHeaders()+1), assert.DontFragment())
	assert.NotSeen(t, over.Window, capture.Match{Kind: capture.EchoRequest})

	lab.Step("of another network")
	// It comes to ns3, which has no such network.
	apart := assert.Unreachable(t, ns[0], f.addr(10, 3), assert.HostUnreachable.By("ns1"))
	assert.Seen(t, apart.Window, capture.Match{Node: "ns3", Interface: "eth0", Direction: capture.In, VNI: vni(id), Inner: &capture.Match{Kind: ask}})
	assert.NotSeen(t, apart.Window, capture.Match{Node: "ns3", Interface: "vxlan0"})
	assert.NoNeighbor(t, ns[0], f.addr(10, 3))
	return lab
}

// learnedEnd is the address of the tunnel's end behind which a hardware address was
// heard; "" for none.
func learnedEnd(n *harness.Node, mac net.HardwareAddr) string {
	for _, e := range n.ForwardingDatabase() {
		if e.Interface == "vxlan0" && bytes.Equal(e.MAC, mac) && e.Remote.IsValid() {
			return e.Remote.String()
		}
	}
	return ""
}
