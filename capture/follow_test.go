package capture

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rewrite is an IPv4 UDP datagram or echo as NAT and routers leave it.
type rewrite struct {
	src, dst         string
	srcPort, dstPort layers.UDPPort
	ttl              uint8
	id               uint16
	payload          string
}

func (r rewrite) frame(t testing.TB) []byte {
	t.Helper()
	ip := ip4(r.src, r.dst, layers.IPProtocolUDP)
	ip.TTL, ip.Id = r.ttl, r.id
	udp := &layers.UDP{SrcPort: r.srcPort, DstPort: r.dstPort}
	require.NoError(t, udp.SetNetworkLayerForChecksum(ip))
	return frame(t, eth(layers.EthernetTypeIPv4), ip, udp, gopacket.Payload(r.payload))
}

func TestFollowThroughNAT(t *testing.T) {
	before := rewrite{"10.0.0.1", "10.0.0.254", 4000, 80, 64, 7, "question"}
	between := rewrite{"10.0.0.1", "10.0.1.2", 4000, 8080, 63, 7, "question"} // DNAT
	after := rewrite{"10.0.1.1", "10.0.1.2", 60000, 8080, 63, 7, "question"}  // masqueraded too
	other := before
	other.payload = "answer, perhaps"
	packets := []*Packet{
		sighting("a", "veth0", Out, 0, before.frame(t)),
		sighting("router", "veth1", In, 1, before.frame(t)),
		sighting("a", "veth0", Out, 2, other.frame(t)),
		sighting("router", "br0", Out, 3, between.frame(t)),
		sighting("router", "veth2", Out, 4, after.frame(t)),
		sighting("b", "veth3", In, 5, after.frame(t)),
	}
	w := NewWindow(packets...)
	flight := w.Follow(packets[4])
	assert.Equal(t, slices.Delete(slices.Clone(packets), 2, 3), flight.Hops)
	assert.Same(t, flight, w.Follow(packets[0]), "whichever sighting one asks about")
	assert.Same(t, packets[0], flight.First())
	assert.Same(t, packets[5], flight.Last())
	assert.True(t, flight.Reached("b"))
	assert.False(t, flight.Reached("a"), "it went out there")
	assert.Len(t, w.Flights(), 2)
	assert.Contains(t, flight.String(), "0.005 ms  b:veth3       <  10.0.1.1:60000 > 10.0.1.2:8080  UDP 8 bytes  ttl 63\n")
}

// A retransmission is a packet of its own: its sightings are not taken for
// those that the first one, which was lost, did not have.
func TestFollowRetransmission(t *testing.T) {
	for _, ids := range [][2]uint16{{7, 8}, {7, 7}, {0, 0}} {
		first := rewrite{"10.0.0.1", "10.0.1.2", 4000, 80, 64, ids[0], "question"}
		again := first
		again.id = ids[1]
		routed := again
		routed.ttl--
		packets := []*Packet{
			sighting("a", "veth0", Out, 0, first.frame(t)), // lost at once
			sighting("a", "veth0", Out, 1000, again.frame(t)),
			sighting("router", "veth1", In, 1001, again.frame(t)),
			sighting("router", "veth2", Out, 1002, routed.frame(t)), // lost there
			sighting("a", "veth0", Out, 2000, again.frame(t)),
			sighting("router", "veth1", In, 2001, again.frame(t)),
			sighting("router", "veth2", Out, 2002, routed.frame(t)),
			sighting("b", "veth3", In, 2003, routed.frame(t)),
		}
		w := NewWindow(packets...)
		assert.Equal(t, packets[:1], w.Follow(packets[0]).Hops, "ids %v", ids)
		assert.Equal(t, packets[1:4], w.Follow(packets[1]).Hops, "ids %v", ids)
		assert.Equal(t, packets[4:], w.Follow(packets[7]).Hops, "ids %v", ids)
	}
}

// In a loop a packet comes by again and again, older each time.
func TestFollowLoop(t *testing.T) {
	var packets []*Packet
	for i := range 10 {
		r := rewrite{"10.0.0.1", "10.0.1.2", 4000, 80, uint8(10 - i), 7, "question"}
		packets = append(packets,
			sighting([]string{"r1", "r2"}[i%2], "left", In, 10*i, r.frame(t)),
			sighting([]string{"r1", "r2"}[i%2], "left", Out, 10*i+1, r.frame(t)))
	}
	assert.Equal(t, packets, NewWindow(packets...).Follow(packets[0]).Hops)
}

// Two hosts send what is alike at the same time: addresses and the cables
// tell their packets apart.
func TestFollowAlike(t *testing.T) {
	ping := func(src string, ttl uint8) []byte {
		ip := ip4(src, "10.0.9.9", layers.IPProtocolICMPv4)
		ip.TTL, ip.Id = ttl, 0
		return frame(t, eth(layers.EthernetTypeIPv4), ip, echo(8, 1, 1), gopacket.Payload("abcdefgh"))
	}
	one, two := "10.0.0.1", "10.0.1.1"
	packets := []*Packet{
		sighting("one", "eth0", Out, 0, ping(one, 64)),
		sighting("two", "eth0", Out, 1, ping(two, 64)),
		sighting("router", "left", In, 2, ping(one, 64)),
		sighting("router", "right", In, 3, ping(two, 64)),
		sighting("router", "up", Out, 4, ping(one, 63)),
		sighting("router", "up", Out, 5, ping(two, 63)),
	}
	w := NewWindow(packets...)
	assert.Equal(t, []*Packet{packets[0], packets[2], packets[4]}, w.Follow(packets[0]).Hops)
	assert.Equal(t, []*Packet{packets[1], packets[3], packets[5]}, w.Follow(packets[1]).Hops)

	// The same host twice, close behind each other: two whole flights.
	packets = nil
	for i, place := range []string{"a", "a", "b", "b", "c", "c"} {
		packets = append(packets, sighting(place, "eth0", []Direction{Out, In}[min(i/2, 1)], i, ping(one, 64)))
	}
	w = NewWindow(packets...)
	require.Len(t, w.Flights(), 2)
	assert.Len(t, w.Flights()[0].Hops, 3)
	assert.Len(t, w.Flights()[1].Hops, 3)
}

// An ICMP error's quote is translated by NAT like the error itself.
func TestFollowError(t *testing.T) {
	failure := func(router, to string, about rewrite, quote int) []byte {
		inner := about.frame(t)[14:]
		return frame(t, eth(layers.EthernetTypeIPv4), ip4(router, to, layers.IPProtocolICMPv4),
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(11, 0)}, gopacket.Payload(inner[:min(quote, len(inner))]))
	}
	for _, quote := range []int{28, 548} {
		natted := rewrite{"10.0.1.1", "10.0.9.9", 60000, 80, 1, 7, "question"}
		original := rewrite{"10.0.0.1", "10.0.9.9", 4000, 80, 1, 7, "question"}
		later := rewrite{"10.0.0.1", "10.0.9.9", 4000, 80, 1, 8, "question"}
		packets := []*Packet{
			sighting("r2", "left", Out, 0, failure("10.0.1.2", "10.0.1.1", natted, quote)),
			sighting("r1", "right", In, 1, failure("10.0.1.2", "10.0.1.1", natted, quote)),
			sighting("r1", "left", Out, 2, failure("10.0.1.2", "10.0.0.1", original, quote)),
			sighting("a", "eth0", In, 3, failure("10.0.1.2", "10.0.0.1", original, quote)),
			sighting("r1", "left", Out, 4, failure("10.0.1.2", "10.0.0.1", later, quote)),
		}
		w := NewWindow(packets...)
		assert.Equal(t, packets[:4], w.Follow(packets[3]).Hops, "quote of %d bytes", quote)
		assert.Len(t, w.Follow(packets[4]).Hops, 1, "about another packet")
	}
}

func TestFollowFragments(t *testing.T) {
	piece := func(offset uint16, more bool, id uint16, src string) []byte {
		ip := ip4(src, "10.0.1.2", layers.IPProtocolUDP)
		ip.FragOffset, ip.Id = offset, id
		if more {
			ip.Flags = layers.IPv4MoreFragments
		}
		return frame(t, eth(layers.EthernetTypeIPv4), ip, gopacket.Payload("01234567"))
	}
	var packets []*Packet
	for i, place := range []string{"a", "router"} {
		src := []string{"10.0.0.1", "10.0.1.1"}[i]
		packets = append(packets,
			sighting(place, "veth0", Out-Direction(i), 10*i, piece(0, true, 7, src)),
			sighting(place, "veth0", Out-Direction(i), 10*i+1, piece(1, true, 7, src)),
			sighting(place, "veth0", Out-Direction(i), 10*i+2, piece(2, false, 7, src)),
			sighting(place, "veth0", Out-Direction(i), 10*i+3, piece(1, true, 8, src)))
	}
	w := NewWindow(packets...)
	assert.Len(t, w.Flights(), 4)
	for i := range 4 {
		assert.Equal(t, []*Packet{packets[i], packets[i+4]}, w.Follow(packets[i]).Hops)
	}
}

// Every kind of packet is followed over one hop, and none is taken for another.
func TestFollowKinds(t *testing.T) {
	var packets []*Packet
	for _, data := range samples(t) {
		packets = append(packets,
			sighting("a", "veth0", Out, len(packets), data),
			sighting("b", "veth1", In, len(packets)+1, data))
	}
	w := NewWindow(packets...)
	for i := 0; i < len(packets); i += 2 {
		assert.Equal(t, packets[i:i+2], w.Follow(packets[i]).Hops)
	}
}

// window is n packets of a few flows on their way over five places.
func window(t testing.TB, n int) Window {
	var packets []*Packet
	for i := range n {
		hop := i % 5
		r := rewrite{"10.0.0.1", "10.0.1.2", 4000, 80, uint8(64 - hop/2), uint16(1 + i/5), fmt.Sprint("packet ", i/50)}
		packets = append(packets, sighting(fmt.Sprint("n", (hop+1)/2), fmt.Sprint("veth", hop), In+Direction(hop+1)%2, i, r.frame(t)))
	}
	return NewWindow(packets...)
}

func TestFollowMany(t *testing.T) {
	w := window(t, 1000)
	flights := w.Flights()
	assert.Len(t, flights, 200)
	for _, f := range flights {
		assert.Len(t, f.Hops, 5)
	}
}

func BenchmarkFollow1000(b *testing.B) {
	packets := window(b, 1000).Packets()
	for b.Loop() {
		w := NewWindow(packets...)
		w.Follow(packets[500])
	}
}

var benchmarked *Packet // keeps the compiler from leaving the work out

func BenchmarkDecode(b *testing.B) {
	data := samples(b)["tcp over ipv6"]
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		benchmarked = NewPacket("ns0", "veth0", In, epoch, data)
	}
}

// Real routers, and a real NAT of the kernel's: see TestFollowKernelNAT. Here
// the packet passes three routers.
func TestFollowRouters(t *testing.T) {
	hosts, last := chain(t)
	r := recording(t, hosts...)
	server := hosts[4].listenUDP(last + ":9")
	conn := hosts[0].udp(last + ":9")
	send(t, conn, "there")
	buf := make([]byte, 100)
	require.NoError(t, server.SetDeadline(time.Now().Add(10*time.Second)))
	_, from, err := server.ReadFrom(buf)
	require.NoError(t, err)
	_, err = server.WriteTo([]byte("and back"), from)
	require.NoError(t, err)
	require.NoError(t, conn.(*net.UDPConn).SetDeadline(time.Now().Add(10*time.Second)))
	_, err = conn.Read(buf)
	require.NoError(t, err)

	all := r.All()
	var route []string
	for _, p := range all.Follow(all.First(Match{Payload: []byte("there")})).Hops {
		route = append(route, fmt.Sprintf("%s ttl %d", p.Where(), p.TTL))
	}
	assert.Equal(t, []string{"a:right ttl 64", "r1:left ttl 64", "r1:right ttl 63", "r2:left ttl 63", "r2:right ttl 62",
		"r3:left ttl 62", "r3:right ttl 61", "b:left ttl 61"}, route)
	assert.Len(t, all.Follow(all.First(Match{Payload: []byte("and back")})).Hops, 8)
}
