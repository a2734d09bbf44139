package scenarios

import (
	"slices"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestBridgeVLANs: a bridge that is aware of VLANs keeps them apart. Two ports are
// of VLAN 10 and one is of VLAN 20, without tags; the fourth carries both, with
// tags; the host itself is in VLAN 10.
//
//	ns1 eth0 --- veth1 | 10      |
//	ns2 eth0 --- veth2 | 10  br0 | host br0.10
//	ns3 eth0 --- veth3 | 20      |
//	ns4 eth0 --- veth4 | 10, 20  |
//	    eth0.10, eth0.20
func TestBridgeVLANs(t *testing.T) { bothFamilies(t, bridgeVLANs) }

func bridgeVLANs(t testing.TB, f family) *harness.Lab {
	harness.RequireVLANs(t)
	lab := harness.New(t)
	host, ns := lab.Node("host", f.here()...), lab.Nodes("ns%d", 4, f.here()...)
	br0 := host.Bridge("br0", harness.VLANFiltering())
	var ports []*harness.Port
	for i, n := range ns {
		ports = append(ports, br0.Port([]string{"veth1", "veth2", "veth3", "veth4"}[i]))
		var addresses []string
		if i < 3 { // the fourth has them on interfaces of their own
			addresses = append(addresses, f.with(1, i+1))
		}
		lab.Connect(n.Port("eth0", addresses...), ports[i])
	}
	ask, _ := f.resolution()
	from1 := ns[0].MAC("eth0")

	// At first all are of VLAN 1, without tags, and the bridge is as any other.
	require.Equal(lab, []string{"veth1 1 PVID Egress Untagged", "veth2 1 PVID Egress Untagged", "veth3 1 PVID Egress Untagged",
		"veth4 1 PVID Egress Untagged", "br0 1 PVID Egress Untagged"}, vlansOf(host))
	assert.TTL(t, assert.Reachable(t, ns[0], f.addr(1, 3)), 64)

	lab.Step("ports of VLANs")
	for i, id := range []int{10, 10, 20} {
		ports[i].AddVLAN(id, harness.PVID(), harness.Untagged())
		ports[i].DelVLAN(1)
	}
	ports[3].DelVLAN(1)
	ports[3].AddVLAN(10)
	ports[3].AddVLAN(20)
	for _, n := range ns {
		n.FlushNeighbors()
	}
	echo := assert.Reachable(t, ns[0], f.addr(1, 2))
	assert.TTL(t, echo, 64)
	for _, at := range []string{"ns1", "ns2", "host"} {
		assert.NotSeen(t, echo.Window, capture.Match{Node: at, Func: func(p *capture.Packet) bool { return p.VLAN != 0 && p.Interface != "veth4" }})
	}
	// The question went to who is of the VLAN, with a tag where it is carried so.
	assert.Seen(t, echo.Window, capture.Match{Node: "host", Interface: "veth4", Direction: capture.Out, Kind: ask, VLAN: 10})
	assert.Seen(t, echo.Window, capture.Match{Node: "ns4", Interface: "eth0", Direction: capture.In, Kind: ask, VLAN: 10})
	assert.NotSeen(t, echo.Window, capture.Match{Node: "host", Interface: "veth3", SrcMAC: from1})
	require.Equal(lab, []int{10}, learnedIn(host, from1))

	lab.Step("of another VLAN")
	apart := assert.Unreachable(t, ns[0], f.addr(1, 3), assert.HostUnreachable.By("ns1"))
	assert.Seen(t, apart.Window, capture.Match{Node: "host", Interface: "veth1", Direction: capture.In, Kind: ask})
	assert.NotSeen(t, apart.Window, capture.Match{Node: "ns3", SrcMAC: from1})
	assert.NoNeighbor(t, ns[0], f.addr(1, 3))

	lab.Step("with a tag")
	// ns4 is in both VLANs, by an interface for each.
	ten, twenty := ns[3].VLAN("eth0.10", "eth0", 10, f.with(1, 4)), ns[3].VLAN("eth0.20", "eth0", 20, f.with(2, 4))
	tagged := assert.Reachable(t, ns[0], f.addr(1, 4))
	assert.Path(t, tagged.Request, "ns1:eth0 out", "host:veth1 in", "host:veth4 out", "ns4:eth0 in", "ns4:eth0.10 in ttl 64")
	assert.Path(t, tagged.Reply, "ns4:eth0.10 out", "ns4:eth0 out", "host:veth4 in", "host:veth1 out", "ns1:eth0 in ttl 64")
	for _, where := range []capture.Match{
		{Node: "host", Interface: "veth4", Direction: capture.Out}, {Node: "ns4", Interface: "eth0", Direction: capture.In},
	} {
		where.Kind, where.VLAN = capture.EchoRequest, 10
		assert.Seen(t, tagged.Window, where)
	}
	for _, p := range tagged.Request.Hops {
		require.Equal(lab, p.Interface == "veth4" || p.Where() == "ns4:eth0", p.VLAN == 10, "%s", p)
	}
	assert.Neighbor(t, ns[0], f.addr(1, 4), ten.MAC())
	ns[2].AddAddress("eth0", f.with(2, 3))
	other := assert.Reachable(t, ns[2], f.addr(2, 4))
	assert.Seen(t, other.Window, capture.Match{Node: "ns4", Interface: "eth0", Direction: capture.In, Kind: capture.EchoRequest, VLAN: 20})
	assert.Neighbor(t, ns[2], f.addr(2, 4), twenty.MAC())
	require.Equal(lab, []int{20}, learnedIn(host, ns[2].MAC("eth0")))

	lab.Step("a tag that the port does not have")
	// ns1 would be in VLAN 20 by a tag of its own: the bridge takes no such frame.
	frame := assert.Seen(t, echo.Window, capture.Match{Node: "ns1", Direction: capture.Out, Kind: capture.EchoRequest}).Data
	strange := slices.Concat(frame[:12], []byte{0x81, 0, 0, 20}, frame[12:])
	window := lab.Record(func() { ports[0].Peer().Inject(strange) })
	taken := assert.Seen(t, window, capture.Match{Node: "ns1", Direction: capture.Out, Kind: capture.EchoRequest, VLAN: 20})
	assert.Path(t, window.Follow(taken), "ns1:eth0 out ttl 64", "host:veth1 in ttl 64")

	lab.Step("the host in a VLAN")
	host.VLAN("br0.10", "br0", 10, f.with(1, 254))
	assert.Unreachable(t, ns[0], f.addr(1, 254), assert.HostUnreachable.By("ns1"))
	br0.AddVLAN(10)
	own := assert.Reachable(t, ns[0], f.addr(1, 254))
	assert.TTL(t, own, 64)
	assert.Path(t, own.Request, "ns1:eth0 out ttl 64", "host:veth1 in", "host:br0 in", "host:br0.10 in ttl 64")
	assert.NotSeen(t, own.Window, capture.Match{Node: "ns3", SrcMAC: from1})

	lab.Step("without a PVID")
	// What comes without a tag is of no VLAN then, and goes nowhere.
	ports[0].AddVLAN(10, harness.Untagged())
	lost := assert.Unreachable(t, ns[0], f.addr(1, 2), assert.Silence)
	assert.Path(t, lost.Request, "ns1:eth0 out ttl 64", "host:veth1 in ttl 64")
	ports[0].AddVLAN(10, harness.PVID(), harness.Untagged())
	assert.Reachable(t, ns[0], f.addr(1, 2))
	require.Equal(lab, []string{"veth1 10 PVID Egress Untagged", "veth2 10 PVID Egress Untagged", "veth3 20 PVID Egress Untagged",
		"veth4 10", "veth4 20", "br0 1 PVID Egress Untagged", "br0 10"}, vlansOf(host))
	return lab
}

// vlansOf are the VLANs of the ports of a node's bridge, and of the bridge.
func vlansOf(n *harness.Node) (all []string) {
	var bridges []string
	for _, v := range n.BridgeVLANs() {
		if n.Interface(v.Interface).Kind == "bridge" {
			bridges = append(bridges, v.String())
		} else {
			all = append(all, v.String())
		}
	}
	return append(all, bridges...)
}

// learnedIn are the VLANs in which a node's bridges have heard of a hardware
// address.
func learnedIn(n *harness.Node, mac []byte) (vlans []int) {
	for _, e := range n.ForwardingDatabase() {
		if !e.Permanent && slices.Equal(e.MAC, mac) && e.VLAN != 1 {
			vlans = append(vlans, e.VLAN)
		}
	}
	slices.Sort(vlans)
	return vlans
}
