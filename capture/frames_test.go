package capture

import (
	"net"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"
)

// Frames are made with gopacket, which is somebody else's idea of what the
// protocols look like.

var epoch = time.Unix(1_700_000_000, 0)

var (
	macA = net.HardwareAddr{2, 0, 0, 0, 0, 0xa}
	macB = net.HardwareAddr{2, 0, 0, 0, 0, 0xb}
	macC = net.HardwareAddr{2, 0, 0, 0, 0, 0xc}
)

func frame(t testing.TB, l ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buffer := gopacket.NewSerializeBuffer()
	require.NoError(t, gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, l...))
	return buffer.Bytes()
}

func eth(kind layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: kind}
}

func ip4(src, dst string, protocol layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Id: 7, Protocol: protocol, SrcIP: net.ParseIP(src).To4(), DstIP: net.ParseIP(dst).To4()}
}

func ip6(src, dst string, next layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: next, SrcIP: net.ParseIP(src), DstIP: net.ParseIP(dst)}
}

func echo(kind uint8, id, seq uint16) *layers.ICMPv4 {
	return &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(kind, 0), Id: id, Seq: seq}
}

func arp(op uint16, sender, target string) []gopacket.SerializableLayer {
	return []gopacket.SerializableLayer{eth(layers.EthernetTypeARP), &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: op,
		SourceHwAddress: macA, SourceProtAddress: net.ParseIP(sender).To4(),
		DstHwAddress: make([]byte, 6), DstProtAddress: net.ParseIP(target).To4(),
	}}
}

// samples are frames of every kind.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	udp := &layers.UDP{SrcPort: 1000, DstPort: 53}
	udp4 := ip4("10.0.0.1", "10.0.0.2", layers.IPProtocolUDP)
	require.NoError(t, udp.SetNetworkLayerForChecksum(udp4))
	tcp := &layers.TCP{SrcPort: 40000, DstPort: 80, Seq: 0x01020304, Ack: 0x0a0b0c0d, SYN: true, ACK: true, Window: 100,
		Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 0xb4}}}}
	tcp6 := ip6("fd00::1", "fd00::2", layers.IPProtocolTCP)
	require.NoError(t, tcp.SetNetworkLayerForChecksum(tcp6))
	payload := gopacket.Payload("hello, world")
	about := func(ip interface {
		gopacket.NetworkLayer
		gopacket.SerializableLayer
	}) []byte {
		udp := &layers.UDP{SrcPort: 4, DstPort: 5}
		require.NoError(t, udp.SetNetworkLayerForChecksum(ip))
		return frame(t, ip, udp, payload)
	}
	quoted := about(ip4("10.0.0.1", "10.9.0.2", layers.IPProtocolUDP))
	icmp6 := func(kind uint8, ip *layers.IPv6) *layers.ICMPv6 {
		i := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(kind, 0)}
		require.NoError(t, i.SetNetworkLayerForChecksum(ip))
		return i
	}
	six := ip6("fd00::1", "fd00::2", layers.IPProtocolICMPv6)
	quoted6 := about(ip6("fd00::1", "fd00::9", layers.IPProtocolUDP))
	fragment := func(offset uint16, more layers.IPv4Flag) *layers.IPv4 {
		ip := ip4("10.0.0.1", "10.0.0.2", layers.IPProtocolICMPv4)
		ip.FragOffset, ip.Flags = offset, more
		return ip
	}
	igmp := ip4("10.0.0.1", "224.0.0.22", layers.IPProtocolIGMP)
	igmp.Options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}
	solicited := frame(t, eth(layers.EthernetTypeIPv6), six, icmp6(135, six), &layers.ICMPv6NeighborSolicitation{
		TargetAddress: net.ParseIP("fd00::2"),
		Options:       layers.ICMPv6Options{{Type: layers.ICMPv6OptSourceAddress, Data: macA}}})
	carried := frame(t, eth(layers.EthernetTypeIPv4), ip4("10.1.0.1", "10.1.0.2", layers.IPProtocolICMPv4), echo(8, 3, 4), payload)
	vxlan := func(port layers.UDPPort, frame []byte) []gopacket.SerializableLayer {
		ip := ip4("10.0.0.1", "10.0.0.2", layers.IPProtocolUDP)
		udp := &layers.UDP{SrcPort: 50000, DstPort: port}
		require.NoError(t, udp.SetNetworkLayerForChecksum(ip))
		return []gopacket.SerializableLayer{eth(layers.EthernetTypeIPv4), ip, udp, &layers.VXLAN{ValidIDFlag: true, VNI: 0xabcdef}, gopacket.Payload(frame)}
	}
	return map[string][]byte{
		"vxlan":             frame(t, vxlan(4789, carried)...),
		"vxlan, cut":        frame(t, vxlan(8472, carried[:10])...),
		"vxlan, other port": frame(t, vxlan(4790, carried)...),
		"arp request":       frame(t, arp(1, "10.0.0.1", "10.0.0.2")...),
		"arp reply":         frame(t, arp(2, "10.0.0.1", "10.0.0.2")...),
		"echo request":      frame(t, eth(layers.EthernetTypeIPv4), ip4("10.0.0.1", "10.0.0.2", layers.IPProtocolICMPv4), echo(8, 3, 4), payload),
		"echo reply":        frame(t, eth(layers.EthernetTypeIPv4), ip4("10.0.0.2", "10.0.0.1", layers.IPProtocolICMPv4), echo(0, 3, 4), payload),
		"udp":               frame(t, eth(layers.EthernetTypeIPv4), udp4, udp, payload),
		"udp in vlan": frame(t, eth(layers.EthernetTypeDot1Q), &layers.Dot1Q{VLANIdentifier: 42, Priority: 3, Type: layers.EthernetTypeIPv4},
			udp4, udp, payload),
		"tcp over ipv6": frame(t, eth(layers.EthernetTypeIPv6), tcp6, tcp, payload),
		"port unreachable": frame(t, eth(layers.EthernetTypeIPv4), ip4("10.9.0.2", "10.0.0.1", layers.IPProtocolICMPv4),
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}, gopacket.Payload(quoted)),
		"packet too big": frame(t, eth(layers.EthernetTypeIPv4), ip4("10.0.0.254", "10.0.0.1", layers.IPProtocolICMPv4),
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 4), Seq: 1400}, gopacket.Payload(quoted[:28])),
		"packet too big, ipv6": frame(t, eth(layers.EthernetTypeIPv6), six, icmp6(2, six),
			gopacket.Payload(append([]byte{0, 0, 5, 0x14}, quoted6...))),
		"time exceeded, ipv6":   frame(t, eth(layers.EthernetTypeIPv6), six, icmp6(3, six), gopacket.Payload(append(make([]byte, 4), quoted6...))),
		"neighbor solicitation": solicited,
		"neighbor advertisement": frame(t, eth(layers.EthernetTypeIPv6), six, icmp6(136, six), &layers.ICMPv6NeighborAdvertisement{
			Flags: 0x60, TargetAddress: net.ParseIP("fd00::2"),
			Options: layers.ICMPv6Options{{Type: layers.ICMPv6OptTargetAddress, Data: macB}}}),
		"router solicitation": frame(t, eth(layers.EthernetTypeIPv6), six, icmp6(133, six), &layers.ICMPv6RouterSolicitation{}),
		"redirect, ipv6": frame(t, eth(layers.EthernetTypeIPv6), six, icmp6(137, six), &layers.ICMPv6Redirect{
			TargetAddress: net.ParseIP("fd00::5"), DestinationAddress: net.ParseIP("fd00::9"),
			Options: layers.ICMPv6Options{{Type: layers.ICMPv6OptRedirectedHeader, Data: append(make([]byte, 6), quoted6[:56]...)}}}),
		"first fragment": frame(t, eth(layers.EthernetTypeIPv4), fragment(0, layers.IPv4MoreFragments), echo(8, 3, 4), gopacket.Payload("12345678")),
		"last fragment":  frame(t, eth(layers.EthernetTypeIPv4), fragment(2, 0), payload),
		"igmp":           frame(t, eth(layers.EthernetTypeIPv4), igmp, gopacket.Payload{0x22, 0, 0xf9, 2, 0, 0, 0, 1, 4, 0, 0, 0, 224, 0, 0, 1}),
		"mld report in hop-by-hop": frame(t, eth(layers.EthernetTypeIPv6), ip6("fe80::1", "ff02::16", layers.IPProtocolIPv6HopByHop),
			gopacket.Payload([]byte{58, 0, 5, 2, 0, 0, 1, 0, 143, 0, 0, 0, 0, 0, 0, 0})),
		"fragment over ipv6": frame(t, eth(layers.EthernetTypeIPv6), ip6("fd00::1", "fd00::2", layers.IPProtocolIPv6Fragment),
			gopacket.Payload([]byte{17, 0, 0, 0x11, 0, 1, 2, 3, 'd', 'a', 't', 'a'})),
		"spanning tree": frame(t, &layers.Ethernet{SrcMAC: macA, DstMAC: net.HardwareAddr{1, 0x80, 0xc2, 0, 0, 0}, Length: 3}, gopacket.Payload{0x42, 0x42, 3}),
	}
}

// sighting is a packet at node:interface, so many microseconds into the test.
func sighting(node, iface string, direction Direction, micros int, data []byte) *Packet {
	return NewPacket(node, iface, direction, epoch.Add(time.Duration(micros)*time.Microsecond), data)
}
