package scenarios

import (
	"fmt"
	"strings"
	"time"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/require"
)

// faultsOf are all faults, in the words of one family.
func faultsOf(f family) []*fault {
	var all []*fault
	for _, list := range []func(family) []*fault{linkFaults, bridgeFaults, neighborFaults, routeFaults, filterFaults, controlFaults, natFaults, listenerFaults, sizeFaults, portFaults, wayFaults, passFaults, classFaults, addressFaults, markFaults, detourFaults, errorFaults, keptFaults, ipsecFaults} {
		all = append(all, list(f)...)
	}
	return all
}

// ask and tell are what a neighbour's question and answer are called.
func (f family) ask() string  { return f.either("ARP request", "neighbour solicitation") }
func (f family) tell() string { return f.either("ARP reply", "neighbour advertisement") }

// at is a last sighting: "entering router:veth1", with a TTL unless it is 0.
// ARP packets have none, those of neighbour discovery 255.
func entering(where, ttl string) string { return "last seen entering " + where + ttl }
func leaving(where, ttl string) string  { return "last seen leaving " + where + ttl }

func (f family) neighborTTL() string { return f.either("", " (ttl 255)") }

const (
	ttl64 = " (ttl 64)"
	ttl63 = " (ttl 63)"
)

// never is where a packet was seen that never left its node, of the answer to
// one that came there.
func never(node, request, where, ttl string) string {
	return "it never left " + node + ", where the " + request + " was last seen entering " + where + ttl
}

// linkFaults are about cables and interfaces.
func linkFaults(f family) []*fault {
	return []*fault{
		{
			name: "the far end of the cable is down", in: "VethPair", at: "built",
			plant:  func(l *planted) { l.down("ns1", "veth1", "ns0", "veth0") },
			packet: "echo request", node: "ns0", end: "link down", seen: "it never left ns0", cause: "the other end, ns1:veth1, is down", about: []string{"ns1"},
		},
		{
			name: "the near end of the cable is down", in: "VethPair", at: "built",
			plant:  func(l *planted) { l.down("ns0", "veth0", "ns1", "veth1") },
			packet: "echo request", node: "ns0", end: "link down", seen: "it never left ns0", cause: "ns0:veth0 is down",
		},
		{
			name: "the router's far interface is down", in: "Router", at: "forwarding",
			plant:  func(l *planted) { l.down("router", "veth3", "ns1", "veth2") },
			packet: "echo request", node: "router", end: "link down", seen: entering("router:veth1", ttl64), cause: "router:veth3 is down",
		},
		{
			name: "the target's interface is down", in: "Router", at: "forwarding",
			plant:  func(l *planted) { l.down("ns1", "veth2", "router", "veth3") },
			packet: "echo request", node: "router", end: "link down", seen: entering("router:veth1", ttl64), cause: "the other end, ns1:veth2, is down", about: []string{"ns1"},
		},
		{
			name: "lo is down", in: "VethPair", at: "built",
			plant:  func(l *planted) { l.run("ns1", "ip", "link", "set", "lo", "down") },
			passes: "lo carries only what a node sends to itself",
		},
		{
			name: "lo is down, and the host calls itself", in: "PortForward", at: "forward",
			plant:  func(l *planted) { l.run("host", "ip", "link", "set", "lo", "down") },
			packet: "TCP SYN", node: "host", end: "link down", seen: "it never left host", cause: "host:lo is down",
		},
		{
			name: "a small MTU for small packets", in: "Router", at: "forwarding",
			plant:  func(l *planted) { l.run("router", "ip", "link", "set", "veth3", "mtu", "1280") },
			passes: "an echo of 56 bytes fits",
		},
		{
			name: "the web server's interface is down", in: "PortForward", at: "forward",
			plant: func(l *planted) {
				l.down("web", "eth0", "host", "veth1")
				require.NoError(l, deadline.Poll(5*time.Second, "br0 keeps its carrier", func() (bool, error) {
					return l.node("host").Interface("br0").OperState != "up", nil
				}))
			},
			packet: "TCP SYN", node: "host", end: "link down", seen: entering("host:eth0", ttl64), cause: "host:br0 has no carrier", about: []string{"web"},
		},
	}
}

// bridgeFaults are about what a bridge does with frames.
func bridgeFaults(f family) []*fault {
	multicast := "mcast_flood is off on port veth2"
	all := []*fault{
		{
			name: "the bridge is down", in: "Bridge", at: "built",
			plant:  func(l *planted) { l.run("host", "ip", "link", "set", "br0", "down") },
			packet: f.ask(), node: "host", end: "link down", seen: entering("host:veth1", f.neighborTTL()), cause: "host:br0, the bridge, is down", about: []string{"ns1"},
		},
		{
			name: "the target's port is down", in: "Bridge", at: "built",
			plant:  func(l *planted) { l.down("host", "veth2", "ns2", "eth0") },
			packet: f.ask(), node: "host", end: "link down", seen: entering("host:veth1", f.neighborTTL()), cause: "host:veth2 is down", about: []string{"ns1"},
		},
		{
			name: "both ports are isolated", in: "Bridge", at: "built", programs: []string{"bridge"},
			plant: func(l *planted) {
				l.run("host", "bridge", "link", "set", "dev", "veth1", "isolated", "on")
				l.run("host", "bridge", "link", "set", "dev", "veth2", "isolated", "on")
			},
			packet: f.ask(), node: "host", end: "blocked in bridge", seen: entering("host:veth1", f.neighborTTL()), cause: "ports veth1 and veth2 of br0 are both isolated", about: []string{"ns1"},
		},
		{
			name: "one port is isolated", in: "Bridge", at: "built", programs: []string{"bridge"},
			plant:  func(l *planted) { l.run("host", "bridge", "link", "set", "dev", "veth1", "isolated", "on") },
			passes: "isolated ports do not talk to each other; there is one only",
		},
		{
			name: "the target's port is listening", in: "Bridge", at: "built", programs: []string{"bridge"},
			plant:  func(l *planted) { l.run("host", "bridge", "link", "set", "dev", "veth2", "state", "1") },
			packet: f.ask(), node: "host", end: "blocked in bridge", seen: entering("host:veth1", f.neighborTTL()), cause: "port veth2 of br0 is listening", about: []string{"ns1"},
		},
		{
			name: "the sender's port is disabled", in: "Bridge", at: "built", programs: []string{"bridge"},
			plant:  func(l *planted) { l.run("host", "bridge", "link", "set", "dev", "veth1", "state", "0") },
			packet: f.ask(), node: "host", end: "blocked in bridge", seen: entering("host:veth1", f.neighborTTL()), cause: "port veth1 of br0 is disabled", about: []string{"ns1"},
		},
		{
			name: "a port neither learns nor is flooded", in: "Bridge", at: "built", programs: []string{"bridge"},
			plant: func(l *planted) {
				l.run("host", "bridge", "link", "set", "dev", "veth2", "learning", "off", "flood", "off")
				l.run("host", "ip", "link", "set", "dev", "veth2", "type", "bridge_slave", "fdb_flush")
			},
			packet: "echo request", node: "host", end: "blocked in bridge", seen: entering("host:veth1", ttl64), cause: "flood is off on port veth2",
		},
		{
			name: "the target's address is stuck to another port", in: "Bridge", at: "built", programs: []string{"bridge"},
			plant: func(l *planted) {
				l.run("host", "bridge", "fdb", "replace", l.node("ns2").MAC("eth0").String(), "dev", "veth3", "master", "static", "sticky")
			},
			packet: "echo request", node: "ns3", end: "wrong host", seen: entering("ns3:eth0", ttl64), cause: "behind veth3; it is behind veth2", about: []string{"host"},
		},
		{
			name: "the sender's address is stuck to another port", in: "Bridge", at: "built", reply: true, programs: []string{"bridge"},
			plant: func(l *planted) {
				l.run("host", "bridge", "fdb", "replace", l.node("ns1").MAC("eth0").String(), "dev", "veth3", "master", "static", "sticky")
			},
			packet: f.tell(), node: "ns3", end: "wrong host", seen: entering("ns3:eth0", f.neighborTTL()), cause: "behind veth3; it is behind veth1", about: []string{"host", "ns1"},
		},
		{
			name: "bridged packets are dropped in FORWARD", in: "Bridge", at: "built",
			sysctls: []string{"net.bridge.bridge-nf-call-iptables"},
			plant: func(l *planted) {
				l.node("host").SetSysctl("net.bridge.bridge-nf-call-iptables", 1)
				l.node("host").SetSysctl("net.bridge.bridge-nf-call-ip6tables", 1)
				l.node("host").Drop(harness.Filter{Protocol: f.either("icmp", "icmpv6"), ICMPType: harness.ICMPType(f.echo())})
			},
			packet: "echo request", node: "host", end: "blocked in bridge (forward)", seen: entering("host:veth1", ttl64), cause: "bridged packets pass the packet filter",
		},
		{
			name: "bridged answers are dropped in FORWARD", in: "Bridge", at: "built", reply: true,
			sysctls: []string{"net.bridge.bridge-nf-call-iptables"},
			plant: func(l *planted) {
				l.node("host").SetSysctl("net.bridge.bridge-nf-call-iptables", 1)
				l.node("host").SetSysctl("net.bridge.bridge-nf-call-ip6tables", 1)
				l.node("host").Drop(harness.Filter{Protocol: f.either("icmp", "icmpv6"), ICMPType: harness.ICMPType(f.echoReply())})
			},
			packet: "echo reply", node: "host", end: "blocked in bridge (forward)", seen: entering("host:veth2", ttl64), cause: "counted 1",
		},
	}
	all = append(all, &fault{
		name: "the ports are of two VLANs", in: "Bridge", at: "built", programs: []string{"bridge"},
		plant: func(l *planted) {
			out, _ := l.node("host").Command("ip", "link", "set", "br0", "type", "bridge", "vlan_filtering", "1").CombinedOutput()
			if strings.Contains(string(out), "not supported") {
				l.Skip("this kernel's bridges do not filter by VLAN")
			}
			l.run("host", "bridge", "vlan", "del", "dev", "veth2", "vid", "1")
			l.run("host", "bridge", "vlan", "add", "dev", "veth2", "vid", "2", "pvid", "untagged")
		},
		packet: f.ask(), node: "host", end: "blocked in bridge", seen: entering("host:veth1", f.neighborTTL()), cause: "have none in common", about: []string{"ns1"},
	}, &fault{
		name: "the bridge's own packet filter drops", in: "Bridge", at: "built", programs: []string{"nft"},
		plant: func(l *planted) {
			l.run("host", "nft", "add table bridge faults; add chain bridge faults forward { type filter hook forward priority 0; }; add rule bridge faults forward iifname veth1 ether type "+f.either("ip", "ip6")+" meta l4proto "+f.either("icmp", "ipv6-icmp")+" @th,0,8 "+fmt.Sprint(f.echo())+" counter drop")
		},
		packet: "echo request", node: "host", end: "blocked in bridge (forward)", seen: entering("host:veth1", ttl64), cause: "counted 1",
	}, &fault{
		name: "the answer is dropped at the device's ingress hook", in: "VethPair", at: "built", reply: true, programs: []string{"nft"},
		plant: func(l *planted) {
			l.run("ns0", "nft", "add table netdev faults; add chain netdev faults ingress { type filter hook ingress device veth0 priority 0; }; add rule netdev faults ingress meta l4proto "+f.either("icmp", "ipv6-icmp")+" @th,0,8 "+fmt.Sprint(f.echoReply())+" counter drop")
		},
		packet: "echo reply", node: "ns0", end: "filtered in (ingress)", seen: entering("ns0:veth0", ttl64), cause: "counted 1",
	}, &fault{
		name: "another node has the target's address too", in: "Bridge", at: "built",
		plant: func(l *planted) {
			l.node("ns3").AddAddress("eth0", f.addr(1, 2)+f.either("/32", "/128"))
			l.node("ns1").AddNeighbor("eth0", f.addr(1, 2), l.node("ns3").MAC("eth0"))
		},
		packet: "echo reply", node: "ns1", end: "wrong host", seen: entering("ns1:eth0", ttl64), cause: "ns3:eth0 has " + f.addr(1, 2) + ", and so has ns2:eth0", about: []string{"ns3"},
	})
	if !f.v6 {
		all = append(all, &fault{
			name: "ARP is switched off at the target", in: "VethPair", at: "built",
			plant:  func(l *planted) { l.run("ns1", "ip", "link", "set", "veth1", "arp", "off") },
			packet: f.ask(), node: "ns1", end: "dropped by the stack (NOARP)", seen: entering("ns1:veth1", ""), cause: "NOARP", about: []string{"ns0"},
		})
	}
	flood := &fault{
		name: "multicast is not flooded to the target's port", in: "Bridge", at: "built", programs: []string{"bridge"},
		plant: func(l *planted) {
			l.run("host", "bridge", "link", "set", "dev", "veth2", "mcast_flood", "off")
		},
	}
	if f.v6 {
		flood.packet, flood.node, flood.end, flood.seen = f.ask(), "host", "blocked in bridge", entering("host:veth1", f.neighborTTL())
		flood.cause, flood.about = multicast, []string{"ns1"}
	} else {
		flood.passes = "ARP asks by broadcast, which is no multicast to a bridge"
	}
	return append(all, flood)
}

// echo and echoReply are the ICMP types.
func (f family) echo() uint8 {
	if f.v6 {
		return 128
	}
	return 8
}

func (f family) echoReply() uint8 {
	if f.v6 {
		return 129
	}
	return 0
}
