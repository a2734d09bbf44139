package document

import (
	"strings"
	"testing"

	"github.com/netrig/netrig/internal/explain"
	"github.com/netrig/netrig/internal/journal"
	"github.com/stretchr/testify/assert"
)

// bridged is ns1 and ns2 on the bridge br0 of host, whose eth0 leads outside.
func bridged() *explain.Facts {
	link := func(name, peer, master string) explain.Link {
		return explain.Link{Name: name, Peer: peer, Master: master}
	}
	return &explain.Facts{Nodes: []*explain.Node{
		{Name: "host", Links: []explain.Link{link("lo", "", ""), link("br0", "", ""), link("veth1", "ns1:eth0", "br0"), link("veth2", "ns2:eth0", "br0"), link("eth0", "outside:eth0", "")}},
		{Name: "ns1", Links: []explain.Link{link("eth0", "host:veth1", "")}},
		{Name: "ns2", Links: []explain.Link{link("eth0", "host:veth2", "")}},
		{Name: "outside", Links: []explain.Link{link("eth0", "host:eth0", "")}},
	}}
}

// sighted are sightings of one packet: "out ns1:eth0 64".
func sighted(flight int, kind, src, dst string, at ...string) (all []journal.Packet) {
	for _, a := range at {
		words := strings.Fields(a)
		p := journal.Packet{At: words[1], Direction: words[0], Flight: flight, During: 1, Kind: kind, Src: src, Dst: dst, Detail: "98 bytes, don't fragment"}
		if len(words) > 2 {
			p.TTL = map[string]int{"64": 64, "63": 63}[words[2]]
		}
		all = append(all, p)
	}
	return all
}

func steps(s *journal.Step) string {
	return Steps(&journal.Lab{Steps: []*journal.Step{{Name: "nothing happens here"}, s}}, bridged())
}

// Whatever the order in which branches of a flood are seen, the text is the same.
func TestWay(t *testing.T) {
	s := &journal.Step{Name: "a *step*", Verbs: []journal.Verb{{Verb: "Reachable", From: "ns1", To: "10.0.0.9", Line: "x_test.go:1", Saw: map[string]string{"outcome": "reached", "ttl": "63"}}}}
	s.Packets = sighted(2, "echo request", "10.0.0.1", "192.168.9.9", "out ns1:eth0 64", "in host:veth1 64", "in host:br0 64", "out host:eth0 63", "in outside:eth0 63")
	for i := range s.Packets[3:] {
		s.Packets[3+i].Src = "192.168.9.1"
	}
	text := steps(s)
	assert.Contains(t, text, "\n**a \\*step\\***\n\n- does ns1 reach 10.0.0.9? reached, ttl 63\n")
	assert.Contains(t, text, "  - echo request `10.0.0.1 > 192.168.9.9`: out of ns1:eth0 ttl 64 into host:veth1 into host:br0 out of host:eth0 ttl 63 as `192.168.9.1 > 192.168.9.9` into outside:eth0\n")
	assert.NotContains(t, text, "nothing happens here")

	s.Packets = sighted(1, "arp request", "10.0.0.1", "10.0.0.254", "out ns1:eth0", "in host:veth1", "in host:br0", "out host:veth2", "in ns2:eth0")
	one := steps(s)
	assert.Contains(t, one, "out of ns1:eth0 into host:veth1 into host:br0; out of host:veth2 into ns2:eth0\n")
	s.Packets = sighted(1, "arp request", "10.0.0.1", "10.0.0.254", "out ns1:eth0", "in host:veth1", "out host:veth2", "in ns2:eth0", "in host:br0")
	assert.Equal(t, one, steps(s))
}

// What depends on time is not told.
func TestTimeIsLeftOut(t *testing.T) {
	ask := journal.Verb{Verb: "Reachable", From: "ns1", To: "tcp:10.0.0.2:80", Line: "x_test.go:1", Saw: map[string]string{"outcome": "host unreachable", "said by": "local"}}
	got := ask
	got.Saw = map[string]string{"outcome": "reached"}
	segment := func(flight int, kind, src, dst string) journal.Packet {
		return sighted(flight, kind, src, dst, "out ns1:eth0")[0]
	}
	a, b := "10.0.0.1:ephemeral", "10.0.0.2:80"
	handshake := []journal.Packet{segment(1, "TCP SYN", a, b), segment(2, "TCP SYN|ACK", b, a), segment(3, "TCP ACK", a, b)}
	want := steps(&journal.Step{Verbs: []journal.Verb{ask, got}, Packets: handshake})
	assert.Contains(t, want, "**at first**\n\n- does ns1 reach tcp:10.0.0.2:80? host unreachable, said by its own kernel, then reached\n  - TCP SYN `")
	assert.NotContains(t, want, "TCP ACK")

	later := append(handshake, segment(4, "TCP SYN", a, b), segment(5, "TCP PSH|ACK", b, a), segment(6, "TCP RST", a, b))
	group := segment(7, "mld report", "::", "ff02::16")
	group.Housekeeping = true
	asked, told := segment(8, "arp request", "10.0.0.1", "10.0.0.2"), segment(9, "arp reply", "10.0.0.2", "10.0.0.1")
	asked.MACs = "ns1:eth0 > ns2:eth0" // the kernel has its address, and looks whether it is there still
	for i := range later[3:] {
		later[3+i].After = true
	}
	assert.Equal(t, want, steps(&journal.Step{Verbs: []journal.Verb{ask, ask, got}, Packets: append(later, group, asked, told)}))

	// A question for an address that is not known is another matter, and so is an
	// echo that is sent twice.
	asked.MACs = "ns1:eth0 > broadcast"
	echo := segment(10, "echo request", "10.0.0.1", "10.0.0.2")
	again := echo
	again.Flight = 11
	text := steps(&journal.Step{Verbs: []journal.Verb{got}, Packets: []journal.Packet{asked, told, echo, again}})
	assert.Contains(t, text, "arp request")
	assert.Contains(t, text, "arp reply")
	assert.Contains(t, text, "out of ns1:eth0 × 2\n")
}
