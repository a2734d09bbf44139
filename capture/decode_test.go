package capture

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func decoded(t testing.TB, sample string) *Packet {
	t.Helper()
	data, ok := samples(t)[sample]
	require.True(t, ok, "no sample %q", sample)
	return NewPacket("ns0", "veth0", In, epoch, data)
}

func TestDecodeKinds(t *testing.T) {
	for sample, want := range map[string]Kind{
		"arp request": ARPRequest, "arp reply": ARPReply, "echo request": EchoRequest, "echo reply": EchoReply,
		"udp": UDP, "udp in vlan": UDP, "tcp over ipv6": TCP, "port unreachable": DestinationUnreachable,
		"packet too big": PacketTooBig, "packet too big, ipv6": PacketTooBig, "time exceeded, ipv6": TimeExceeded,
		"neighbor solicitation": NeighborSolicitation, "neighbor advertisement": NeighborAdvertisement,
		"router solicitation": RouterSolicitation, "redirect, ipv6": Redirect, "first fragment": EchoRequest,
		"last fragment": IPFragment, "igmp": IGMP, "mld report in hop-by-hop": MLDReport, "fragment over ipv6": IPFragment,
		"spanning tree": Other, "vxlan": UDP, "vxlan, cut": UDP, "vxlan, other port": UDP,
	} {
		assert.Equal(t, want, decoded(t, sample).Kind, sample)
	}
}

func TestDecodeFields(t *testing.T) {
	for _, test := range []struct {
		sample string
		want   Match
	}{
		{"arp request", Match{SrcMAC: macA, DstMAC: macB, EtherType: 0x806, ARPSenderIP: addr("10.0.0.1"), ARPTargetIP: addr("10.0.0.2"), Length: 60}},
		{"echo request", Match{Src: addr("10.0.0.1"), Dst: addr("10.0.0.2"), TTL: 64, Protocol: 1, ICMPType: new(uint8(8)), ICMPCode: new(uint8(0)),
			ICMPID: new(uint16(3)), ICMPSeq: new(uint16(4)), Payload: []byte("hello, world")}},
		{"udp in vlan", Match{VLAN: 42, EtherType: 0x800, SrcPort: 1000, DstPort: 53, Payload: []byte("hello, world")}},
		{"tcp over ipv6", Match{Src: addr("fd00::1"), TTL: 64, Protocol: 6, SrcPort: 40000, DstPort: 80, TCPFlags: SYN | ACK, Payload: []byte("hello, world")}},
		{"packet too big", Match{MTU: 1400, ICMPType: new(uint8(3)), ICMPCode: new(uint8(4))}},
		{"packet too big, ipv6", Match{MTU: 1300, ICMPType: new(uint8(2))}},
		{"neighbor solicitation", Match{NDTarget: addr("fd00::2"), ICMPType: new(uint8(135))}},
		{"mld report in hop-by-hop", Match{Protocol: 58, ICMPType: new(uint8(143))}},
		{"last fragment", Match{Protocol: 1, Payload: []byte("hello, world")}},
	} {
		assert.Empty(t, test.want.Diff(decoded(t, test.sample)), test.sample)
	}
	tcp := decoded(t, "tcp over ipv6")
	assert.Equal(t, uint32(0x01020304), tcp.Seq)
	assert.Equal(t, uint32(0x0a0b0c0d), tcp.Ack)
	assert.Equal(t, "hello, world", string(tcp.Payload))
	assert.Equal(t, Fragment{More: true}, decoded(t, "first fragment").Fragment)
	assert.Equal(t, Fragment{Offset: 16}, decoded(t, "last fragment").Fragment)
	six := decoded(t, "fragment over ipv6")
	assert.Equal(t, Fragment{Offset: 16, More: true}, six.Fragment)
	assert.Equal(t, uint32(0x00010203), six.IPID)
	assert.Equal(t, "data", string(six.Payload))
	assert.Equal(t, macA, decoded(t, "neighbor solicitation").ND.LinkLayer)
	assert.Equal(t, &ND{Target: addr("fd00::2"), LinkLayer: macB, Solicited: true, Override: true}, decoded(t, "neighbor advertisement").ND)
}

// What a tunnel carries is a packet of its own.
func TestDecodeInner(t *testing.T) {
	p := decoded(t, "vxlan")
	assert.Equal(t, uint32(0xabcdef), p.VNI)
	inner, ok := p.Inner()
	require.True(t, ok)
	assert.Equal(t, samples(t)["vxlan"][14+20+8+8:], inner.Data)
	assert.Equal(t, len(inner.Data), inner.Length)
	assert.Equal(t, EchoRequest, inner.Kind)
	assert.Equal(t, addr("10.1.0.2"), inner.Dst)
	assert.Equal(t, "ns0:veth0", inner.Where())
	_, ok = inner.Inner()
	assert.False(t, ok, "an echo carries nothing")
	assert.Contains(t, p.String(), "VXLAN 11259375, 68 bytes  ttl 64  carrying (10.1.0.1 > 10.1.0.2  echo request id 3 seq 4  ttl 64)")

	wanted := Match{VNI: new(uint32(0xabcdef)), Inner: &Match{Kind: EchoRequest, TTL: 64}}
	assert.True(t, wanted.Matches(p))
	assert.Equal(t, "vni 11259375, carrying (echo request, ttl 64)", wanted.String())
	wanted.Inner.TTL = 63
	assert.Equal(t, []string{"of what it carries: ttl 64, want 63"}, wanted.Diff(p))
	assert.Equal(t, []string{"vni 0, want 11259375", "it carries no frame, want one: echo request, ttl 63"}, wanted.Diff(decoded(t, "udp")))

	cut := decoded(t, "vxlan, cut")
	assert.Equal(t, uint32(0xabcdef), cut.VNI)
	_, ok = cut.Inner()
	assert.False(t, ok, "it has less than a header")
	other := decoded(t, "vxlan, other port")
	_, ok = other.Inner()
	assert.False(t, ok, "not the port of a tunnel")
	assert.Zero(t, other.VNI)
}

// Fragments are told apart by where they belong.
func TestMatchFragment(t *testing.T) {
	first, last := decoded(t, "first fragment"), decoded(t, "last fragment")
	assert.True(t, Match{Fragment: &Fragment{More: true}}.Matches(first))
	assert.Equal(t, []string{"fragment at 16, the last, want at 0, more follow"}, Match{Fragment: &Fragment{More: true}}.Diff(last))
	assert.Equal(t, []string{"fragment none, want at 0, more follow"}, Match{Fragment: &Fragment{More: true}}.Diff(decoded(t, "echo request")))
	assert.Equal(t, "fragment none, don't fragment", Match{Fragment: &Fragment{DontFragment: true}}.String())
}

// What gopacket decodes, this package decodes the same.
func TestDecodeAgreesWithGopacket(t *testing.T) {
	for sample, data := range samples(t) {
		p := NewPacket("ns0", "veth0", In, epoch, data)
		other := p.Decoded()
		require.Equal(t, len(data), other.Metadata().Length)
		if eth, ok := other.LinkLayer().(*layers.Ethernet); assert.True(t, ok, sample) {
			assert.Equal(t, eth.SrcMAC, p.SrcMAC, sample)
			assert.Equal(t, eth.DstMAC, p.DstMAC, sample)
		}
		if ip, ok := other.NetworkLayer().(*layers.IPv4); ok {
			assert.True(t, ip.SrcIP.Equal(net.IP(p.Src.AsSlice())), sample)
			assert.True(t, ip.DstIP.Equal(net.IP(p.Dst.AsSlice())), sample)
			assert.Equal(t, int(ip.TTL), p.TTL, sample)
			assert.Equal(t, uint32(ip.Id), p.IPID, sample)
			assert.Equal(t, uint8(ip.Protocol), p.Protocol, sample)
		}
		if ip, ok := other.NetworkLayer().(*layers.IPv6); ok {
			assert.True(t, ip.SrcIP.Equal(net.IP(p.Src.AsSlice())), sample)
			assert.Equal(t, int(ip.HopLimit), p.TTL, sample)
		}
		if tcp, ok := other.TransportLayer().(*layers.TCP); ok {
			assert.Equal(t, []any{uint16(tcp.SrcPort), uint16(tcp.DstPort), tcp.Seq, tcp.Ack}, []any{p.SrcPort, p.DstPort, p.Seq, p.Ack}, sample)
			assert.Equal(t, tcp.Payload, p.Payload, sample)
		}
		if udp, ok := other.TransportLayer().(*layers.UDP); ok {
			assert.Equal(t, []any{uint16(udp.SrcPort), uint16(udp.DstPort)}, []any{p.SrcPort, p.DstPort}, sample)
			assert.Equal(t, udp.Payload, p.Payload, sample)
		}
	}
}

// Ethernet fills short frames up to 60 bytes: that is no payload.
func TestDecodePadding(t *testing.T) {
	data := samples(t)["udp"]
	padded := NewPacket("ns0", "veth0", In, epoch, append(slices.Clone(data), make([]byte, 30)...))
	assert.Equal(t, "hello, world", string(padded.Payload))
	assert.Empty(t, padded.BadChecksums())
	assert.Equal(t, NewPacket("ns0", "veth0", In, epoch, data).identity(), padded.identity())
}

func TestQuoted(t *testing.T) {
	for sample, want := range map[string]Match{
		"port unreachable":     {Kind: UDP, Src: addr("10.0.0.1"), Dst: addr("10.9.0.2"), SrcPort: 4, DstPort: 5, Payload: []byte("hello, world")},
		"packet too big":       {Kind: UDP, Src: addr("10.0.0.1"), Dst: addr("10.9.0.2"), SrcPort: 4, DstPort: 5, Length: 40},
		"packet too big, ipv6": {Kind: UDP, Dst: addr("fd00::9"), DstPort: 5, Payload: []byte("hello, world")},
		"time exceeded, ipv6":  {Kind: UDP, Dst: addr("fd00::9"), DstPort: 5, Payload: []byte("hello, world")},
		"redirect, ipv6":       {Kind: UDP, Dst: addr("fd00::9"), DstPort: 5},
	} {
		quoted, ok := decoded(t, sample).Quoted()
		if assert.True(t, ok, sample) {
			assert.Empty(t, want.Diff(quoted), sample)
		}
	}
	quoted, _ := decoded(t, "packet too big").Quoted()
	assert.True(t, quoted.Cut(), "28 of 40 bytes are quoted")
	assert.Empty(t, quoted.Payload)

	for _, sample := range []string{"arp request", "echo request", "udp", "neighbor solicitation"} {
		_, ok := decoded(t, sample).Quoted()
		assert.False(t, ok, sample)
	}
	data := samples(t)["port unreachable"]
	for n := range 14 + 20 + 8 + 20 {
		_, ok := NewPacket("ns0", "veth0", In, epoch, data[:n]).Quoted()
		assert.False(t, ok, "%d bytes", n)
	}
}

// What follows the quote by RFC 4884 is not quoted.
func TestQuotedBeforeExtensions(t *testing.T) {
	data := slices.Clone(samples(t)["port unreachable"])
	data[14+20+5] = 28 / 4 // the original datagram's length, in words
	quoted, ok := NewPacket("ns0", "veth0", In, epoch, data).Quoted()
	require.True(t, ok)
	assert.Len(t, quoted.Data, 28)
	assert.Empty(t, quoted.Payload)
}

func TestHousekeeping(t *testing.T) {
	for sample, want := range map[string]bool{"igmp": true, "mld report in hop-by-hop": true, "router solicitation": true,
		"neighbor solicitation": false, "arp request": false, "udp": false} {
		assert.Equal(t, want, decoded(t, sample).Housekeeping(), sample)
	}
	dad := slices.Clone(samples(t)["neighbor solicitation"])
	clear(dad[14+8:][:16])
	assert.True(t, NewPacket("ns0", "veth0", Out, epoch, dad).Housekeeping())
}

func TestBadChecksums(t *testing.T) {
	for sample, data := range samples(t) {
		if sample == "mld report in hop-by-hop" || sample == "igmp" {
			continue // made with made-up checksums
		}
		assert.Empty(t, NewPacket("ns0", "veth0", In, epoch, data).BadChecksums(), sample)
	}
	for sample, want := range map[string]string{"udp": "udp checksum 0x", "tcp over ipv6": "tcp checksum 0x", "echo request": "icmp checksum 0x",
		"neighbor solicitation": "icmpv6 checksum 0x"} {
		data := slices.Clone(samples(t)[sample])
		good := NewPacket("ns0", "veth0", In, epoch, data)
		data[good.transport] ^= 1 // ports, type
		p := NewPacket("ns0", "veth0", In, epoch, data)
		if bad := p.BadChecksums(); assert.Len(t, bad, 1, sample) {
			assert.Contains(t, bad[0], want)
			assert.Contains(t, bad[0], ", want 0x")
		}
		p.unfinished = true
		assert.Empty(t, p.BadChecksums(), "%s, left to the device", sample)
	}
	data := slices.Clone(samples(t)["udp"])
	data[14+8]-- // a router that forgets to update the header checksum
	if bad := NewPacket("ns0", "veth0", In, epoch, data).BadChecksums(); assert.Len(t, bad, 1) {
		assert.Contains(t, bad[0], "ipv4 header checksum")
	}
}

// FuzzDecode looks at frames that are malformed and cut anywhere: nothing
// panics, and a frame that is cut never tells another story than the whole.
func FuzzDecode(f *testing.F) {
	for _, data := range samples(f) {
		f.Add(data, uint16(len(data)), false)
		f.Add(data, uint16(len(data)/2), false)
		f.Add(data[14:], uint16(len(data)), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, cut uint16, raw bool) {
		decode := func(b []byte) *Packet {
			p := &Packet{Node: "ns0", Interface: "veth0", Data: b, Length: len(data), raw: raw}
			if raw && len(b) > 0 {
				p.EtherType = map[byte]uint16{4: 0x800, 6: 0x86dd}[b[0]>>4]
			}
			p.decode()
			for q, ok := p, true; ok; q, ok = q.Quoted() {
				_ = q.String()
				_ = q.BadChecksums()
				_ = q.identity()
				if len(q.Payload) > len(b) || !bytes.Contains(b, q.Payload) {
					t.Fatalf("payload %x is not in the frame %x", q.Payload, b)
				}
				if inner, ok := q.Inner(); ok && !bytes.HasSuffix(q.Payload, inner.Data) {
					t.Fatalf("what it carries, %x, is not the end of the payload %x", inner.Data, q.Payload)
				}
			}
			return p
		}
		whole, part := decode(data), decode(data[:min(int(cut), len(data))])
		_ = part.Decoded()
		for _, field := range [][2]uint64{
			{uint64(whole.SrcPort), uint64(part.SrcPort)}, {uint64(whole.DstPort), uint64(part.DstPort)},
			{uint64(whole.Seq), uint64(part.Seq)}, {uint64(whole.TTL), uint64(part.TTL)}, {uint64(whole.VLAN), uint64(part.VLAN)},
			{uint64(whole.ICMPSeq), uint64(part.ICMPSeq)}, {uint64(whole.IPID), uint64(part.IPID)}, {uint64(whole.MTU), uint64(part.MTU)},
		} {
			if field[1] != 0 && field[0] != field[1] {
				t.Fatalf("cut at %d the frame %x decodes to %v, whole to %v", cut, data, part, whole)
			}
		}
		if !bytes.HasPrefix(whole.Payload, part.Payload) && part.Kind == whole.Kind && part.Kind != Other {
			t.Fatalf("cut at %d the frame %x has the payload %x, whole %x", cut, data, part.Payload, whole.Payload)
		}
	})
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
