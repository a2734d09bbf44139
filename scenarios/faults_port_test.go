package scenarios

import (
	"fmt"
	"strings"
)

// portFaults are about single ports of a bridge, and about who is behind them.
func portFaults(f family) []*fault {
	all := []*fault{
		{
			name: "the target's port is blocking", in: "Bridge", at: "built", programs: []string{"bridge"},
			plant:  func(l *planted) { l.run("host", "bridge", "link", "set", "dev", "veth2", "state", "4") },
			passes: "without a spanning tree the kernel lets a blocking port forward again",
		},
		{
			name: "the target's port is learning", in: "Bridge", at: "built", programs: []string{"bridge"},
			plant:  func(l *planted) { l.run("host", "bridge", "link", "set", "dev", "veth2", "state", "2") },
			packet: f.ask(), node: "host", end: "blocked in bridge", seen: entering("host:veth1", f.neighborTTL()), cause: "port veth2 of br0 is learning", about: []string{"ns1"},
		},
		{
			name: "the sender's port is locked", in: "Bridge", at: "built", programs: []string{"bridge"},
			plant: func(l *planted) {
				out, err := l.node("host").Command("bridge", "link", "set", "dev", "veth1", "locked", "on").CombinedOutput()
				if err != nil {
					l.Skipf("this kernel's bridges lock no ports: %s", out)
				}
				l.run("host", "ip", "link", "set", "dev", "veth1", "type", "bridge_slave", "fdb_flush")
			},
			packet: f.ask(), node: "host", end: "blocked in bridge", seen: entering("host:veth1", f.neighborTTL()), cause: "port veth1 of br0 is locked", about: []string{"ns1"},
		},
		{
			name: "the host's address is on a port", in: "Bridge", at: "learned",
			plant: func(l *planted) {
				l.run("host", "ip", "address", "del", f.with(1, 254), "dev", "br0")
				if f.v6 {
					l.node("host").SetSysctl("net.ipv6.conf.veth3.disable_ipv6", 0)
				}
				l.node("host").AddAddress("veth3", f.with(1, 254))
				l.run("host", "ip", "neighbour", "flush", "all")
				l.run("ns1", "ip", "neighbour", "flush", "all")
			},
			packet: f.ask(), node: f.either("ns3", "host"), end: "neighbour unreachable", seen: f.either(entering("ns3:eth0", ""), entering("host:br0", " (ttl 255)")),
			cause: f.either("host:veth3 is a port of br0", "host has "+f.addr(1, 254)+" on veth3, not on br0"), about: []string{"host", "ns1"},
		},
		{
			name: "two nodes have one hardware address", in: "Bridge", at: "learned", programs: []string{"bridge"},
			plant: func(l *planted) {
				mac := l.node("ns2").MAC("eth0").String()
				// Else it is behind whoever was heard last.
				l.run("host", "bridge", "fdb", "replace", mac, "dev", "veth2", "master", "static", "sticky")
				l.run("ns3", "ip", "link", "set", "eth0", "address", mac)
			},
			packet: "echo request", node: "ns2", end: "wrong host", seen: entering("ns2:eth0", ttl64), cause: "ns2:eth0 and ns3:eth0 have the same hardware address", about: []string{"ns3"},
		},
		{
			name: "the bridge's own packet filter drops the answers", in: "Bridge", at: "built", reply: true, programs: []string{"nft"},
			plant: func(l *planted) {
				l.run("host", "nft", "add table bridge faults; add chain bridge faults gate { type filter hook forward priority 0; }; add rule bridge faults gate iifname veth2 ether type "+f.either("ip", "ip6")+" meta l4proto "+f.either("icmp", "ipv6-icmp")+" @th,0,8 "+fmt.Sprint(f.echoReply())+" counter drop")
			},
			packet: "echo reply", node: "host", end: "blocked in bridge (forward)", seen: entering("host:veth2", ttl64), cause: "counted 1",
		},
		{
			name: "the bridge's own packet filter drops what enters a port", in: "Bridge", at: "built", programs: []string{"nft"},
			plant: func(l *planted) {
				l.run("host", "nft", "add table bridge faults; add chain bridge faults gate { type filter hook prerouting priority 0; }; add rule bridge faults gate iifname veth1 ether type "+f.either("arp", "ip6")+" counter drop")
			},
			packet: f.ask(), node: "host", end: "blocked in bridge (prerouting)", seen: entering("host:veth1", f.neighborTTL()), cause: "counted", about: []string{"ns1"},
		},
		{
			name: "two of three ports are isolated", in: "Bridge", at: "learned", programs: []string{"bridge"},
			plant: func(l *planted) {
				for _, port := range []string{"veth2", "veth3"} {
					l.run("host", "bridge", "link", "set", "dev", port, "isolated", "on")
				}
				l.run("ns2", "ip", "neighbour", "flush", "all")
			},
			packet: f.ask(), node: "host", end: "blocked in bridge", seen: entering("host:veth2", f.neighborTTL()), cause: "ports veth2 and veth3 of br0 are both isolated", about: []string{"ns2"},
		},
	}
	snooping := &fault{
		name: "multicast is snooped and not flooded", in: "Bridge", at: "built", programs: []string{"bridge"},
		plant: func(l *planted) {
			out, err := l.node("host").Command("ip", "link", "set", "br0", "type", "bridge", "mcast_snooping", "1").CombinedOutput()
			if err != nil && strings.Contains(string(out), "not supported") {
				l.Skip("this kernel's bridges do not snoop")
			}
			l.run("host", "bridge", "link", "set", "dev", "veth2", "mcast_flood", "off")
		},
	}
	broadcast := &fault{
		name: "broadcasts are not flooded to the target's port", in: "Bridge", at: "built", programs: []string{"bridge"},
		plant: func(l *planted) { l.run("host", "bridge", "link", "set", "dev", "veth2", "bcast_flood", "off") },
	}
	blocked := func(b *fault, cause string) {
		b.packet, b.node, b.end, b.seen = f.ask(), "host", "blocked in bridge", entering("host:veth1", f.neighborTTL())
		b.cause, b.about = cause, []string{"ns1"}
	}
	if f.v6 {
		blocked(snooping, "mcast_flood is off on port veth2")
		broadcast.passes = "IPv6 has no broadcasts"
	} else {
		snooping.passes = "ARP asks by broadcast, which is no multicast to a bridge"
		blocked(broadcast, "bcast_flood is off on port veth2")
	}
	return append(all, snooping, broadcast)
}
