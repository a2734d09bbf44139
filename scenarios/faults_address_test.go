package scenarios

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// addressFaults are about addresses that are there and not in use, and about
// who told whom to go elsewhere.
func addressFaults(f family) []*fault {
	if f.v6 {
		return []*fault{{
			name: "duplicate address detection has failed", in: "VethPair", at: "built",
			plant:  func(l *planted) { l.duplicate("ns1", "veth1", "ns0", "veth0", f.addr(1, 2)) },
			packet: f.ask(), node: "ns1", end: "dropped by the stack (the address is not in use)", seen: entering("ns1:veth1", f.neighborTTL()), cause: "has failed duplicate address detection", about: []string{"ns0"},
		}, {
			name: "duplicate address detection of the gateway has failed", in: "Router", at: "forwarding",
			plant: func(l *planted) {
				l.duplicate("router", "veth1", "ns0", "veth0", f.addr(1, 1))
				l.run("ns0", "ip", "neighbour", "flush", "all")
			},
			packet: f.ask(), node: "router", end: "dropped by the stack (the address is not in use)", seen: entering("router:veth1", f.neighborTTL()), cause: "has failed duplicate address detection", about: []string{"ns0"},
		}}
	}
	return []*fault{{
		name: "a redirect was accepted", in: "HostGateway", at: "each reached",
		plant: func(l *planted) {
			l.node("ns1").SetSysctl("net.ipv4.conf.eth0.accept_redirects", 1)
			l.node("ns1").SetSysctl("net.ipv4.conf.eth0.secure_redirects", 0)
			l.redirect("host", "br0", "ns1", "eth0", f.addr(1, 254), f.addr(1, 1), f.addr(9, 1), f.addr(1, 2))
		},
		packet: "echo request", node: "ns2", end: "not forwarded", seen: entering("ns2:eth0", ttl64), cause: "ns1: the route to " + f.addr(9, 1) + " was changed by a redirect", about: []string{"ns1"},
	}, {
		name: "the question is filtered as it leaves", in: "VethPair", at: "built", programs: []string{"nft"},
		plant:  func(l *planted) { l.arpDrop("ns0", "output", "request") },
		packet: "ARP request", node: "ns0", end: "filtered out (output)", seen: "it never left ns0", cause: "counted",
	}, {
		name: "the router asks nobody", in: "Router", at: "forwarding", programs: []string{"nft"},
		plant:  func(l *planted) { l.arpDrop("router", "output", "request") },
		packet: "ARP request", node: "router", end: "filtered out (output)", seen: "it never left router", cause: "counted",
	}}
}

// duplicate has a node detect that another one has its address: it announces it
// once more, and the other one answers.
func (p *planted) duplicate(node, name, other, otherName, address string) {
	n := p.node(node)
	n.SetSysctl("net.ipv6.conf."+name+".accept_dad", 1)
	n.SetSysctl("net.ipv6.conf."+name+".dad_transmits", 500) // 20 ms apart by the fast timers: long enough to be answered
	p.run(node, "ip", "address", "del", address+"/64", "dev", name)
	p.run(node, "ip", "address", "add", address+"/64", "dev", name)
	mac := p.node(other).MAC(otherName)
	advertisement := frameOf(p, mac, net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1},
		&layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6, SrcIP: net.ParseIP(address), DstIP: net.ParseIP("ff02::1")},
		&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(136, 0)},
		&layers.ICMPv6NeighborAdvertisement{Flags: 0x20, TargetAddress: net.ParseIP(address), Options: layers.ICMPv6Options{{Type: layers.ICMPv6OptTargetAddress, Data: mac}}})
	require.NoError(p, deadline.Poll(5*time.Second, "the address stays in use", func() (bool, error) {
		p.inject(other, otherName, advertisement)
		out, err := n.Command("ip", "-6", "address", "show", "dev", name).CombinedOutput()
		return strings.Contains(string(out), "dadfailed"), err
	}))
}

// redirect has a gateway tell a node that another one knows a better way, as if
// it had seen an answer of the node's kernel: redirects about what programs send
// are for their sockets.
func (p *planted) redirect(gateway, out, node, in, from, to, target, better string) {
	quote := gopacket.NewSerializeBuffer()
	asked := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: net.ParseIP(to), DstIP: net.ParseIP(target)}
	require.NoError(p, gopacket.SerializeLayers(quote, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, asked, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(0, 0)}))
	gw := netip.MustParseAddr(better).As4()
	p.inject(gateway, out, frameOf(p, p.node(gateway).MAC(out), p.node(node).MAC(in),
		&layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: net.ParseIP(from), DstIP: net.ParseIP(to)},
		// The second word of the header is the better gateway.
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(5, 1), Id: binary.BigEndian.Uint16(gw[:]), Seq: binary.BigEndian.Uint16(gw[2:])},
		gopacket.Payload(quote.Bytes())))
	p.Settle()
}

// frameOf is an Ethernet frame of layers.
func frameOf(p *planted, from, to net.HardwareAddr, inner ...gopacket.SerializableLayer) []byte {
	kind := layers.EthernetTypeIPv4
	for _, l := range inner {
		if six, ok := l.(*layers.IPv6); ok {
			kind = layers.EthernetTypeIPv6
			for _, l := range inner {
				if c, ok := l.(*layers.ICMPv6); ok {
					require.NoError(p, c.SetNetworkLayerForChecksum(six))
				}
			}
		}
	}
	b := gopacket.NewSerializeBuffer()
	require.NoError(p, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		append([]gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: from, DstMAC: to, EthernetType: kind}}, inner...)...))
	return b.Bytes()
}

// inject sends a frame out of an interface.
func (p *planted) inject(node, name string, frame []byte) {
	index := p.node(node).Interface(name).Index
	require.NoError(p, p.node(node).Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: index})
	}))
}
