package ladder

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/internal/explain"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// facts are client:eth0 - left:router:right - eth0:server.
func facts() *explain.Facts {
	return &explain.Facts{Nodes: []*explain.Node{
		{Name: "server", Links: []explain.Link{{Name: "eth0", Peer: "router:right"}}},
		{Name: "router", Links: []explain.Link{{Name: "right", Peer: "server:eth0"}, {Name: "left", Peer: "client:eth0"}}},
		{Name: "client", Links: []explain.Link{{Name: "eth0", Peer: "router:left"}}},
	}}
}

// frame is an ARP request of its own number.
func frame(number int) []byte {
	b := make([]byte, 42)
	copy(b, []byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 1, 2})
	copy(b[38:], []byte{10, 9, byte(number >> 8), byte(number)})
	return b
}

// seen is the frame of a number at the places given, a microsecond apart.
func seen(number int, places ...string) (all []*capture.Packet) {
	for i, place := range places {
		way := capture.Out
		if place[0] == '<' {
			way = capture.In
		}
		node, name, _ := strings.Cut(place[1:], ":")
		all = append(all, capture.NewPacket(node, name, way, time.Unix(0, int64(1000*(100*number+i))), frame(number)))
	}
	return all
}

// texts are what can be read in a picture; it fails the test where that is no
// XML.
func texts(t *testing.T, picture string) (all []string, count map[string]int) {
	t.Helper()
	count = map[string]int{}
	d := xml.NewDecoder(strings.NewReader(picture))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all, count
		}
		require.NoError(t, err, "%s", picture)
		switch e := token.(type) {
		case xml.StartElement:
			for _, a := range e.Attr {
				if a.Name.Local == "class" {
					count[a.Value]++
				}
			}
		case xml.CharData:
			if text := strings.TrimSpace(string(e)); text != "" {
				all = append(all, text)
			}
		}
	}
}

// TestArrows: what goes out at one end of a cable and comes in at the other is
// one arrow; what comes in nowhere is lost; life lines stand in the order of the
// cables, whatever the order of the nodes.
func TestArrows(t *testing.T) {
	packets := append(seen(1, ">client:eth0", "<router:left", ">router:right", "<server:eth0"), seen(2, ">client:eth0", "<router:left", ">router:right")...)
	request := &capture.Flight{Hops: packets[4:]}
	s := Story{
		Title: "TestX", Facts: facts(), Chapters: []Chapter{{Heading: "the step", Packets: packets}},
		Case:    &explain.Case{From: "client", Request: request, Window: capture.NewWindow(packets...)},
		Verdict: &explain.Verdict{Packet: "ARP request", End: explain.LinkDown, Node: "router", Seen: packets[6]},
	}
	d := s.lay()
	var lines []string
	for _, l := range d.lines {
		lines = append(lines, l.where())
	}
	assert.Equal(t, []string{"client:eth0", "router:left", "router:right", "server:eth0"}, lines)
	var arrows []string
	for _, r := range d.rows {
		switch {
		case r.packet != nil:
			arrows = append(arrows, fmt.Sprintf("%s %s > %s lost %t way %s", r.at, r.from.where(), r.to.where(), r.lost, r.kind))
		default:
			arrows = append(arrows, r.heading+r.note)
		}
	}
	assert.Equal(t, []string{
		"the step",
		"0.000 ms client:eth0 > router:left lost false way ",
		"0.002 ms router:right > server:eth0 lost false way ",
		"0.100 ms client:eth0 > router:left lost false way 0",
		"0.102 ms router:right > server:eth0 lost true way 0",
		"ARP request ended in router: link down",
	}, arrows)

	all, count := texts(t, s.SVG())
	for _, want := range []string{"client", "server", "left", "right", "the step", "0.102 ms", "ARP who has 10.9.0.2, tell 10.0.1.2", "✕ ARP request ended in router: link down"} {
		assert.Contains(t, all, want)
	}
	assert.Equal(t, 4, count["life"])
	assert.Equal(t, 2, count["cross"], "the lost packet, and its end")

	mermaid := s.Mermaid()
	assert.Contains(t, mermaid, "n1->>n2: eth0: ARP who has 10.9.0.1, tell 10.0.1.2\n")
	assert.Contains(t, mermaid, "n2-xn3: right: ARP who has 10.9.0.2, tell 10.0.1.2\n")
	assert.Contains(t, mermaid, "Note over n2: ✕ ARP request ended in router: link down\n")
}

// TestUnrecorded: what goes to a node that is not recorded is not lost.
func TestUnrecorded(t *testing.T) {
	s := Story{Title: "x", Facts: facts(), Chapters: []Chapter{{Packets: seen(1, ">client:eth0", "<router:left", ">router:right")}}}
	s.Facts.Nodes[0].Unrecorded = true
	rows := s.lay().rows
	require.Len(t, rows, 2)
	assert.False(t, rows[1].lost)
	_, count := texts(t, s.SVG())
	assert.Zero(t, count["cross"])
}

// TestBridge: what comes in by a port is not drawn again at the bridge itself.
func TestBridge(t *testing.T) {
	f := facts()
	f.Nodes[1].Links = append(f.Nodes[1].Links, explain.Link{Name: "br0", Kind: "bridge"})
	f.Nodes[1].Links[1].Master = "br0"
	s := Story{Title: "x", Facts: f, Chapters: []Chapter{{Packets: seen(1, ">client:eth0", "<router:left", "<router:br0")}}}
	assert.Len(t, s.lay().rows, 1)
	assert.Len(t, s.lay().lines, 2)
}

// TestLongStory: the end is drawn, and what was left out is told.
func TestLongStory(t *testing.T) {
	var packets []*capture.Packet
	for i := range 20_000 {
		packets = append(packets, seen(i, ">client:eth0", "<router:left")...)
	}
	s := Story{Title: "x", Facts: facts(), Chapters: []Chapter{{Heading: "first", Packets: packets[:30_000]}, {Heading: "last", Packets: packets[30_000:]}}}
	picture := s.SVG()
	all, _ := texts(t, picture)
	assert.Contains(t, all, "15000 packets over cables are left out here; story.txt has all")
	assert.Contains(t, all, "4850 packets over cables are left out here; story.txt has all")
	assert.Contains(t, all, "ARP who has 10.9.78.31, tell 10.0.1.2", "the last packet")
	assert.Less(t, len(picture), 200_000)
	assert.LessOrEqual(t, strings.Count(s.Mermaid(), "->>"), mostRows)
}

// TestManyInterfaces: those of the exchange are drawn, and the others counted.
func TestManyInterfaces(t *testing.T) {
	f := facts()
	packets := seen(1, ">client:eth0", "<router:left")
	for i := range 60 {
		name := fmt.Sprintf("port%d", i)
		f.Nodes[1].Links = append(f.Nodes[1].Links, explain.Link{Name: name})
		packets = append(packets, seen(2+i, ">router:"+name, "<router:"+name)...)
	}
	asked := &capture.Flight{Hops: packets[:2]}
	s := Story{Title: "x", Facts: f, Chapters: []Chapter{{Packets: packets}},
		Case: &explain.Case{Request: asked, Window: capture.NewWindow(packets...)}, Verdict: &explain.Verdict{End: explain.Accepted, Seen: packets[1]}}
	d := s.lay()
	assert.Len(t, d.lines, mostLines)
	assert.Equal(t, "client:eth0", d.lines[0].where())
	hidden, drawn := 0, 0
	for _, r := range d.rows {
		var n int
		if _, err := fmt.Sscanf(r.note, "%d more at interfaces that are not drawn", &n); err == nil {
			hidden += n
		}
		if r.packet != nil {
			drawn++
		}
	}
	assert.Equal(t, 121, hidden+drawn, "120 at the ports and the one of the exchange")
	assert.Equal(t, 1+2*(mostLines-2), drawn)
}

func TestNamesAreEscaped(t *testing.T) {
	name := `<x>"\` + "\x02;#"
	s := Story{
		Title: `Test/<script>`, Facts: &explain.Facts{Nodes: []*explain.Node{{Name: "n<1>", Links: []explain.Link{{Name: name}}}}},
		Chapters: []Chapter{{Heading: `</svg><script>alert(1)</script>; end`, Packets: seen(1, ">n<1>:"+name)}},
	}
	picture := s.SVG()
	all, _ := texts(t, picture)
	assert.Contains(t, all, `<x>"\\x02;#`)
	assert.Contains(t, all, "n<1>")
	assert.NotContains(t, picture, "<script>")
	for _, line := range strings.Split(strings.TrimSpace(s.Mermaid()), "\n") {
		for _, bad := range []string{"<script>", "<x>", `"`} {
			assert.NotContains(t, line, bad)
		}
	}
}

// TestNothingSeen: an empty story is a picture too.
func TestNothingSeen(t *testing.T) {
	s := Story{Title: "x", Facts: &explain.Facts{}}
	all, _ := texts(t, s.SVG())
	assert.Contains(t, all, "no packet was seen")
	assert.Contains(t, s.Mermaid(), "no packet was seen")
}

func BenchmarkStory(b *testing.B) {
	var packets []*capture.Packet
	for i := range 10_000 {
		packets = append(packets, seen(i, ">client:eth0", "<router:left")...)
	}
	s := Story{Title: "x", Facts: facts(), Chapters: []Chapter{{Packets: packets}}}
	for b.Loop() {
		s.SVG()
	}
}
