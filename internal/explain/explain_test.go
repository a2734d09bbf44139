package explain

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/capture"
	"github.com/stretchr/testify/assert"
)

var (
	clientMAC, leftMAC = mac(1), mac(2)
	clientAddr         = netip.MustParseAddr("10.0.1.2")
	serverAddr         = netip.MustParseAddr("10.0.2.2")
)

func mac(n byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, n} }

// network is client eth0 - left router right - eth0 server, as the kernel would
// tell of it.
func network() *Facts {
	link := func(name, peer string, n byte, prefix string) Link {
		return Link{Name: name, Kind: "veth", Peer: peer, MAC: mac(n).String(), MTU: 1500, Up: true, Addresses: []Address{{Prefix: netip.MustParsePrefix(prefix)}}}
	}
	f := &Facts{Repeated: true, Nodes: []*Node{
		{Name: "client", Links: []Link{link("eth0", "router:left", 1, "10.0.1.2/24")}},
		{Name: "router", Links: []Link{link("left", "client:eth0", 2, "10.0.1.1/24"), link("right", "server:eth0", 3, "10.0.2.1/24")}},
		{Name: "server", Links: []Link{link("eth0", "router:right", 4, "10.0.2.2/24")}},
	}}
	for _, n := range f.Nodes {
		n.Sysctls = map[string]string{"net.ipv4.ip_forward": "1"}
		n.Moved = map[string]uint64{}
	}
	f.Nodes[1].Neighbors = []Neighbor{{serverAddr, "right", mac(4).String(), "REACHABLE"}}
	f.Ask = func(node string, q Query) Route {
		if node == "router" && q.To == serverAddr {
			return Route{Type: "unicast", Device: "right", Text: "10.0.2.2 dev right"}
		}
		return Route{Type: "unicast", Device: "left", Text: "10.0.1.2 dev left"}
	}
	return f
}

// request is an echo request from the client, seen at the places given.
func request(places ...string) *capture.Flight {
	f := &capture.Flight{}
	for i, place := range places {
		way := capture.Out
		if place[0] == '<' {
			way = capture.In
		}
		node, name, _ := strings.Cut(place[1:], ":")
		f.Hops = append(f.Hops, &capture.Packet{
			Node: node, Interface: name, Direction: way, Time: time.Unix(0, int64(i)), Length: 98, SrcMAC: clientMAC, DstMAC: leftMAC,
			Src: clientAddr, Dst: serverAddr, TTL: 64, Protocol: 1, ICMPType: 8, Fragment: capture.Fragment{DontFragment: true}, Kind: capture.EchoRequest,
		})
	}
	return f
}

func explain(f *Facts, r *capture.Flight) Verdict {
	return Explain(Case{From: "client", Target: serverAddr, Network: "icmp", Request: r, Window: capture.NewWindow(r.Hops...)}, f)
}

// TestLastSeenEntering: what came in and never came out ended there, and the
// next cable is not blamed.
func TestLastSeenEntering(t *testing.T) {
	for name, c := range map[string]struct {
		change func(router *Node)
		end    End
		cause  string
	}{
		"a rule": {func(n *Node) {
			n.Rules = []Rule{{Text: "-t filter -A FORWARD -j DROP", Hooks: []string{"forward"}, Counted: true, Packets: 9, Moved: 1}}
		}, FilteredOut, "DROP counted 1"},
		"no forwarding":   {func(n *Node) { n.Sysctls["net.ipv4.ip_forward"] = "0" }, NotForwarded, "ip_forward = 0"},
		"traffic control": {func(n *Node) { n.Moved["left clsact dropped"] = 1 }, FilteredIn, "clsact (tc) dropped 1"},
		"egress control":  {func(n *Node) { n.Moved["right clsact dropped"] = 1 }, FilteredOut, "router:right: clsact (tc) dropped 1"},
		"no room to track": {func(n *Node) {
			n.Moved[ConntrackDrop], n.ConntrackLimit = 2, 1
			n.Conntrack = []Connection{{Text: "tcp 10.0.1.9:1 > 10.0.2.2:80"}}
		}, DroppedByStack, "router: it tracks 1 connections, and net.netfilter.nf_conntrack_max = 1: packets of new ones are dropped (nf_conntrack drop +2 when asked once more)"},
		"a clash in tracking": {func(n *Node) { n.Moved[ConntrackDrop], n.ConntrackLimit = 1, 9 }, DroppedByStack, "the counter nf_conntrack drop moved by 1"},
		"a small MTU":         {func(n *Node) { n.Links[1].MTU = 68 }, TooBig, "an MTU of 68, the packet has 84"},
		"a counter":           {func(n *Node) { n.Moved["IpInDiscards"] = 1 }, DroppedByStack, "IpInDiscards moved by 1"},
		"nothing":             {func(*Node) {}, DroppedByStack, "nothing that could be asked stands in its way"},
		"a dead neighbour": {func(n *Node) { n.Neighbors[0].State = "FAILED" },
			NeighborMissing, "10.0.2.2 dev right lladdr 02:00:00:00:00:04 FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			f := network()
			c.change(f.Nodes[1])
			v := explain(f, request(">client:eth0", "<router:left"))
			assert.Equal(t, c.end, v.End, v.All())
			assert.Equal(t, "router", v.Node)
			assert.Contains(t, v.Lines()[0], "last seen entering router:left (ttl 64)")
			assert.Contains(t, strings.Join(v.Cause, "\n"), c.cause)
			assert.NotContains(t, strings.Join(v.Cause, "\n"), "server: ")
		})
	}
}

// TestRuleThatDidNotMove is not blamed, though it would drop.
func TestRuleThatDidNotMove(t *testing.T) {
	f := network()
	f.Nodes[1].Rules = []Rule{{Text: "-t filter -A FORWARD -s 10.9.0.0/16 -j DROP", Hooks: []string{"forward"}, Counted: true, Packets: 9, Moved: 0}}
	v := explain(f, request(">client:eth0", "<router:left"))
	assert.Equal(t, DroppedByStack, v.End)
	assert.NotContains(t, v.All(), "10.9.0.0")
}

// TestVLANs: ports of a bridge that have no VLAN in common.
func TestVLANs(t *testing.T) {
	f := &Facts{Nodes: []*Node{
		{Name: "client", Links: []Link{{Name: "eth0", Peer: "host:veth1", MAC: clientMAC.String(), Up: true}}},
		{Name: "server", Links: []Link{{Name: "eth0", Peer: "host:veth2", MAC: leftMAC.String(), Up: true}}},
		{Name: "host", Links: []Link{
			{Name: "br0", Kind: "bridge", Up: true, VLANs: true},
			{Name: "veth1", Kind: "veth", Master: "br0", Peer: "client:eth0", Up: true, Port: &Port{State: "forwarding", Flood: true, VLANs: []int{1}}},
			{Name: "veth2", Kind: "veth", Master: "br0", Peer: "server:eth0", Up: true, Port: &Port{State: "forwarding", Flood: true, VLANs: []int{2}}},
		}},
	}}
	v := explain(f, request(">client:eth0", "<host:veth1"))
	assert.Equal(t, BlockedInBridge, v.End, v.All())
	assert.Contains(t, v.All(), "ports veth1 ([1]) and veth2 ([2]) have none in common")
}

// TestTwentyLines: a node with a hundred rules does not bury the reason.
func TestTwentyLines(t *testing.T) {
	f := network()
	f.Nodes[1].Sysctls["net.ipv4.ip_forward"] = "0"
	for i := range 100 {
		f.Nodes[1].Rules = append(f.Nodes[1].Rules, Rule{Text: fmt.Sprintf("-t filter -A INPUT -m comment --comment %d", i), Counted: true, Packets: 9, Moved: 1})
	}
	lines := explain(f, request(">client:eth0", "<router:left")).Lines()
	assert.Len(t, lines, 20)
	assert.Contains(t, lines[1], "ip_forward = 0")
	assert.Contains(t, lines[19], "lines more, in explain.txt")
}

// TestNoFacts: what the kernel did not answer makes no panic, and no lie.
func TestNoFacts(t *testing.T) {
	v := explain(&Facts{}, request(">client:eth0", "<router:left"))
	assert.Contains(t, v.Lines()[0], "last seen entering router:left")
	v = Explain(Case{From: "client", Target: serverAddr, Network: "tcp"}, &Facts{})
	assert.Contains(t, v.Lines()[0], "the TCP SYN ended in client")
}

// TestKernelsReason: what the kernel itself says of the packet is told, and of
// others not; where nothing else is known it is the end's detail.
func TestKernelsReason(t *testing.T) {
	f := network()
	mine, other, answer := *request("<router:left").First(), *request("<router:left").First(), *request("<router:left").First()
	other.Src, other.Dst = netip.MustParseAddr("10.0.9.9"), netip.MustParseAddr("10.0.9.8")
	answer.Kind = capture.EchoReply
	f.Drops = []Drop{
		{Node: "router", Reason: "IP_CSUM", Function: "ip_rcv", Packet: &other},
		{Node: "router", Reason: "XDP", Function: "veth", Packet: &answer},
		{Node: "server", Reason: "OTHERHOST", Function: "ip_rcv_core", Packet: &mine},
		{Node: "router", Reason: "IP_INHDR", Function: "ip_forward", Packet: &mine},
	}
	v := explain(f, request(">client:eth0", "<router:left"))
	assert.Equal(t, DroppedByStack, v.End, v.All())
	assert.Equal(t, "the kernel says IP_INHDR", v.Detail)
	assert.Contains(t, v.All(), "router: the kernel dropped it in ip_forward: IP_INHDR")
	for _, no := range []string{"IP_CSUM", "XDP", "OTHERHOST"} {
		assert.NotContains(t, v.All(), no)
	}
	// A cause that can be asked for goes first; the kernel's word is added.
	f.Nodes[1].Sysctls["net.ipv4.ip_forward"] = "0"
	v = explain(f, request(">client:eth0", "<router:left"))
	assert.Equal(t, NotForwarded, v.End)
	assert.Empty(t, v.Detail)
	assert.Contains(t, v.All(), "the kernel dropped it in ip_forward: IP_INHDR")
	f.Drops = []Drop{{Node: "router", Reason: "NOT_SPECIFIED", Function: "ip_forward", Packet: &mine}}
	assert.Contains(t, explain(f, request(">client:eth0", "<router:left")).All(), "the kernel dropped it in ip_forward, and gives no reason")
}

// TestNames: an address that two nodes have names both; loopback addresses are
// nobody's, and a bridge that borrows a port's hardware address adds nothing.
func TestNames(t *testing.T) {
	both, lo := Address{Prefix: netip.MustParsePrefix("10.0.0.1/24")}, Address{Prefix: netip.MustParsePrefix("127.0.0.1/8")}
	f := &Facts{Nodes: []*Node{
		{Name: "a", Links: []Link{{Name: "lo", Addresses: []Address{lo}}, {Name: "eth0", MAC: mac(1).String(), Addresses: []Address{both}}}},
		{Name: "b", Links: []Link{
			{Name: "lo", Addresses: []Address{lo}},
			{Name: "br0", Kind: "bridge", MAC: mac(2).String(), Addresses: []Address{both}},
			{Name: "veth1", MAC: mac(2).String(), Master: "br0"},
		}},
		{Name: "c", Links: []Link{{Name: "eth0", MAC: mac(1).String()}}},
	}}
	n := f.Names()
	assert.Equal(t, "a|b (10.0.0.1)", n.Of(both.Prefix.Addr()))
	assert.Equal(t, "127.0.0.1", n.Of(lo.Prefix.Addr()))
	assert.Equal(t, "10.0.0.9", n.Of(netip.MustParseAddr("10.0.0.9")))
	assert.Equal(t, "b:veth1", n.OfMAC(mac(2)))
	assert.Equal(t, "a:eth0|c:eth0 (02:00:00:00:00:01)", n.OfMAC(mac(1)))
	assert.Equal(t, "02:00:00:00:00:09", n.OfMAC(mac(9)))
}

// TestRuleApplies: a rule about another port or interface is not the reason of a
// packet's way, in the words of iptables and of nft.
func TestRuleApplies(t *testing.T) {
	p := &capture.Packet{Interface: "eth0", DstPort: 8088}
	for text, applies := range map[string]bool{
		"-t nat -A PREROUTING -i eth0 -p tcp -m tcp --dport 8088 -j DNAT --to-destination 10.0.0.1:80":   true,
		"-t nat -A PREROUTING -p tcp -m tcp --dport 8089 -j DNAT --to-destination 10.0.0.1:80":           false,
		"-t nat -A PREROUTING ! -i eth0 -p tcp -m tcp --dport 8088 -j DNAT --to-destination 10.0.0.1:80": false,
		"-t nat -A PREROUTING ! -i br0 -j DNAT --to-destination 10.0.0.1":                                true,
		"-t nat -A PREROUTING -i eth+ -j DNAT --to-destination 10.0.0.1":                                 true,
		`ip nat pre: iifname "eth0" tcp dport 8088 dnat to 10.0.0.1:80`:                                  true,
		`ip nat pre: iifname != "eth0" tcp dport 8088 dnat to 10.0.0.1:80`:                               false,
		`ip nat pre: tcp dport != 8088 dnat to 10.0.0.1:80`:                                              false,
	} {
		assert.Equal(t, applies, Rule{Text: text}.applies(p), text)
	}
}
