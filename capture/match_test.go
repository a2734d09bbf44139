package capture

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMatch(t *testing.T) {
	p := decoded(t, "echo request")
	assert.True(t, Match{}.Matches(p))
	assert.Equal(t, "any packet", Match{}.String())

	m := Match{Node: "ns0", Interface: "veth0", Direction: In, Kind: EchoRequest, Src: addr("10.0.0.1"), TTL: 64, ICMPCode: new(uint8(0)),
		Payload: []byte("world"), Func: func(p *Packet) bool { return p.IPID == 7 }}
	assert.True(t, m.Matches(p))
	assert.Empty(t, m.Diff(p))
	assert.Equal(t, `echo request, node ns0, interface veth0, direction in, src 10.0.0.1, ttl 64, icmp code 0, payload containing "world", a Func`, m.String())
}

func TestMatchDiff(t *testing.T) {
	for _, test := range []struct {
		sample string
		want   Match
		diff   []string
	}{
		{"echo request", Match{TTL: 63}, []string{"ttl 64, want 63"}},
		{"echo request", Match{Kind: EchoReply, Node: "ns1"}, []string{"kind echo request, want echo reply", "node ns0, want ns1"}},
		{"echo request", Match{Direction: Out, Interface: "eth0"}, []string{"interface veth0, want eth0", "direction in, want out"}},
		{"echo request", Match{SrcMAC: macC}, []string{"source MAC 02:00:00:00:00:0a, want 02:00:00:00:00:0c"}},
		{"echo request", Match{ICMPID: new(uint16(0)), ICMPSeq: new(uint16(5))}, []string{"id 3, want 0", "seq 4, want 5"}},
		{"echo request", Match{VLAN: 5, EtherType: 0x806}, []string{"ethertype 0x0800, want 0x0806", "vlan 0, want 5"}},
		{"echo request", Match{ARPTargetIP: addr("10.0.0.9")}, []string{"arp target none, want 10.0.0.9"}},
		{"echo request", Match{Payload: []byte("xyz")}, []string{`payload "hello, world", want it to contain "xyz"`}},
		{"echo request", Match{Payload: []byte{0xff}}, []string{`payload "hello, world", want it to contain ff`}},
		{"echo request", Match{Func: func(*Packet) bool { return false }}, []string{"the match's Func says no"}},
		{"tcp over ipv6", Match{TCPFlags: SYN, DstPort: 443, Dst: addr("fd00::3")},
			[]string{"dst fd00::2, want fd00::3", "destination port 80, want 443", "flags SYN|ACK, want SYN"}},
		{"arp request", Match{Src: addr("10.0.0.1"), Dst: addr("10.0.0.3")}, []string{"dst 10.0.0.2, want 10.0.0.3"}},
		{"spanning tree", Match{Src: addr("10.0.0.1")}, []string{"src none, want 10.0.0.1"}},
		{"packet too big", Match{MTU: 1500, Length: 1}, []string{"mtu 1400, want 1500", "length 70, want 1"}},
		{"neighbor solicitation", Match{NDTarget: addr("fd00::3")}, []string{"nd target fd00::2, want fd00::3"}},
	} {
		p := decoded(t, test.sample)
		assert.Equal(t, test.diff, test.want.Diff(p), "%s, %s", test.sample, test.want)
		assert.False(t, test.want.Matches(p), "%s, %s", test.sample, test.want)
	}
}

func TestWindow(t *testing.T) {
	all := samples(t)
	late := sighting("b", "veth1", In, 20, all["echo request"])
	early := sighting("a", "veth0", Out, 10, all["echo request"])
	alike := sighting("c", "veth2", Out, 10, all["arp request"])
	w := NewWindow(late, early, alike)
	assert.Equal(t, []*Packet{early, alike, late}, w.Packets(), "in order of time, then as given")
	assert.Equal(t, 3, w.Len())
	assert.Equal(t, []*Packet{early, late}, w.Find(Match{Kind: EchoRequest}))
	assert.Equal(t, []*Packet{early, alike}, w.Find(Match{Node: "a"}, Match{Node: "c"}))
	assert.Equal(t, w.Packets(), w.Find())
	assert.Same(t, late, w.First(Match{Direction: In}))
	assert.Nil(t, w.First(Match{TTL: 1}))

	var empty Window
	assert.Zero(t, empty.Len())
	assert.Empty(t, empty.Packets())
	assert.Empty(t, empty.String())
	assert.Equal(t, "nothing was recorded", empty.Compare(Match{}))
	assert.Equal(t, []*Packet{late}, empty.Follow(late).Hops)
	assert.Nil(t, empty.Follow(nil).First())
	assert.Empty(t, empty.Flights())
}

func TestStory(t *testing.T) {
	all := samples(t)
	var packets []*Packet
	for i, sample := range []string{"arp request", "arp reply", "echo request", "first fragment", "last fragment", "udp in vlan", "tcp over ipv6",
		"port unreachable", "packet too big", "time exceeded, ipv6", "neighbor solicitation", "neighbor advertisement", "mld report in hop-by-hop", "spanning tree"} {
		packets = append(packets, sighting([]string{"ns0", "router"}[i%2], "veth0", In+Direction(i%2), i*1004, all[sample]))
	}
	cut := *packets[2]
	cut.Length, cut.Data = 1500, cut.Data[:42]
	packets = append(packets, &cut)
	assert.Equal(t, ` 0.000 ms  ns0:veth0     <  ARP who has 10.0.0.2, tell 10.0.0.1
 1.004 ms  router:veth0  >  ARP 10.0.0.1 is at 02:00:00:00:00:0a
 2.008 ms  ns0:veth0     <  10.0.0.1 > 10.0.0.2  echo request id 3 seq 4  ttl 64
 2.008 ms  ns0:veth0     <  10.0.0.1 > 10.0.0.2  echo request id 3 seq 4  ttl 64  (1500 bytes, of which 42 were kept)
 3.012 ms  router:veth0  >  10.0.0.1 > 10.0.0.2  echo request id 3 seq 4, fragment of 7 at 0  ttl 64
 4.016 ms  ns0:veth0     <  10.0.0.1 > 10.0.0.2  protocol 1, 12 bytes, fragment of 7 at 16 (the last)  ttl 64
 5.020 ms  router:veth0  >  vlan 42 10.0.0.1:1000 > 10.0.0.2:53  UDP 12 bytes  ttl 64
 6.024 ms  ns0:veth0     <  [fd00::1]:40000 > [fd00::2]:80  TCP SYN|ACK seq 16909060 ack 168496141, 12 bytes  ttl 64
 7.028 ms  router:veth0  >  10.9.0.2 > 10.0.0.1  destination unreachable (port unreachable)  ttl 64  about (10.0.0.1:4 > 10.9.0.2:5  UDP 12 bytes  ttl 64)
 8.032 ms  ns0:veth0     <  10.0.0.254 > 10.0.0.1  packet too big (mtu 1400)  ttl 64  about (10.0.0.1:4 > 10.9.0.2:5  UDP 12 bytes  ttl 64)
 9.036 ms  router:veth0  >  fd00::1 > fd00::2  time exceeded (in transit)  ttl 64  about ([fd00::1]:4 > [fd00::9]:5  UDP 12 bytes  ttl 64)
10.040 ms  ns0:veth0     <  fd00::1 > fd00::2  neighbor solicitation who has fd00::2  ttl 64
11.044 ms  router:veth0  >  fd00::1 > fd00::2  neighbor advertisement fd00::2 is at 02:00:00:00:00:0b  ttl 64
12.048 ms  ns0:veth0     <  fe80::1 > ff02::16  mld report  ttl 64
13.052 ms  router:veth0  >  02:00:00:00:00:0a > 01:80:c2:00:00:00  60 bytes
`, NewWindow(packets...).String())
	assert.Equal(t, "router:veth0  >  ARP 10.0.0.1 is at 02:00:00:00:00:0a", packets[1].String())
}

// TestStoryByNames: an address stands behind the name of who has it, two of one
// that two have; unknown ones stay as they are, and a hardware address that one
// interface has gives way to its name.
func TestStoryByNames(t *testing.T) {
	names := Names{
		Address: func(a netip.Addr) []string {
			return map[string][]string{"10.0.0.1": {"ns0"}, "10.0.0.2": {"ns1", "ns2"}, "fd00::1": {"ns0"}}[a.String()]
		},
		MAC: func(a net.HardwareAddr) []string {
			return map[string][]string{"02:00:00:00:00:0a": {"ns0:veth0"}, "02:00:00:00:00:0b": {"ns1:eth0", "ns2:eth0"}}[a.String()]
		},
	}
	all := samples(t)
	for sample, want := range map[string]string{
		"arp request":            "ARP who has ns1|ns2 (10.0.0.2), tell ns0 (10.0.0.1)",
		"arp reply":              "ARP ns0 (10.0.0.1) is at ns0:veth0",
		"echo request":           "ns0 (10.0.0.1) > ns1|ns2 (10.0.0.2)  echo request id 3 seq 4  ttl 64",
		"udp in vlan":            "vlan 42 ns0 (10.0.0.1:1000) > ns1|ns2 (10.0.0.2:53)  UDP 12 bytes  ttl 64",
		"tcp over ipv6":          "ns0 ([fd00::1]:40000) > [fd00::2]:80  TCP SYN|ACK seq 16909060 ack 168496141, 12 bytes  ttl 64",
		"port unreachable":       "10.9.0.2 > ns0 (10.0.0.1)  destination unreachable (port unreachable)  ttl 64  about (ns0 (10.0.0.1:4) > 10.9.0.2:5  UDP 12 bytes  ttl 64)",
		"neighbor advertisement": "ns0 (fd00::1) > fd00::2  neighbor advertisement fd00::2 is at ns1:eth0|ns2:eth0 (02:00:00:00:00:0b)  ttl 64",
		"spanning tree":          "ns0:veth0 > 01:80:c2:00:00:00  60 bytes",
	} {
		assert.Equal(t, want, sighting("ns0", "veth0", In, 0, all[sample]).Summary(names), sample)
	}
}
