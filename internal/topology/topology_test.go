package topology

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/internal/explain"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lab puts facts together.
type lab struct{ explain.Facts }

func (l *lab) node(name string) *explain.Node {
	for _, n := range l.Nodes {
		if n.Name == name {
			return n
		}
	}
	n := &explain.Node{Name: name, Links: []explain.Link{{Name: "lo", Kind: "device", Up: true, MTU: 65536,
		Addresses: []explain.Address{{Prefix: netip.MustParsePrefix("127.0.0.1/8"), LinkOnly: true}}}}}
	l.Nodes = append(l.Nodes, n)
	return n
}

func (l *lab) link(node, name, peer string, addresses ...string) *explain.Link {
	n := l.node(node)
	number := len(n.Links)
	e := explain.Link{Name: name, Kind: "veth", MTU: 1500, Up: true, Peer: peer, MAC: net.HardwareAddr{2, 0, byte(len(l.Nodes)), 0, 0, byte(number)}.String()}
	for _, a := range addresses {
		e.Addresses = append(e.Addresses, explain.Address{Prefix: netip.MustParsePrefix(a)})
	}
	n.Links = append(n.Links, e)
	return &n.Links[len(n.Links)-1]
}

func (l *lab) cable(a, b string, addresses ...string) {
	for i, end := range []string{a, b} {
		node, name, _ := strings.Cut(end, ":")
		l.link(node, name, []string{b, a}[i], addresses[min(i, len(addresses)):min(i+1, len(addresses))]...)
	}
}

// star is a bridge with leaves.
func star(leaves int) *lab {
	l := &lab{}
	l.link("host", "br0", "", "10.1.0.1/16").Kind = "bridge"
	for i := range leaves {
		port := fmt.Sprintf("veth%d", i)
		l.cable(fmt.Sprintf("ns%d:eth0", i), "host:"+port, fmt.Sprintf("10.1.1.%d/16", i+2))
		host := l.node("host")
		host.Links[len(host.Links)-1].Master = "br0"
		host.Links[len(host.Links)-1].Port = &explain.Port{State: "forwarding"}
	}
	return l
}

// chain is a row of routers.
func chain(nodes int) *lab {
	l := &lab{}
	l.node("r0")
	for i := 1; i < nodes; i++ {
		l.cable(fmt.Sprintf("r%d:right", i-1), fmt.Sprintf("r%d:left", i), fmt.Sprintf("10.0.%d.1/24", i), fmt.Sprintf("10.0.%d.2/24", i))
	}
	return l
}

// mesh is a network without any order.
func mesh(nodes, cables int, seed uint64) *lab {
	l := &lab{}
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range nodes {
		l.node(fmt.Sprintf("n%d", i))
	}
	for i := range cables {
		a, b := random.IntN(nodes), random.IntN(nodes)
		l.cable(fmt.Sprintf("n%d:a%d", a, i), fmt.Sprintf("n%d:b%d", b, i), "fd00::1/64")
	}
	return l
}

type element struct {
	name, class, text string
	at                map[string]float64
	path              string
}

// read parses a picture as XML, and so finds out whether it is any.
func read(t *testing.T, picture string) (all []element) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(picture))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err, "%s", picture)
		switch e := token.(type) {
		case xml.StartElement:
			x := element{name: e.Name.Local, at: map[string]float64{}}
			for _, a := range e.Attr {
				switch a.Name.Local {
				case "class":
					x.class = a.Value
				case "d":
					x.path = a.Value
				default:
					x.at[a.Name.Local], _ = strconv.ParseFloat(a.Value, 64)
				}
			}
			all = append(all, x)
		case xml.CharData:
			if len(all) > 0 {
				all[len(all)-1].text += string(e)
			}
		}
	}
}

// TestNothingOverlaps: boxes of nodes are apart, and everything is in the
// picture, at 2 nodes and at 60, whatever their shape.
func TestNothingOverlaps(t *testing.T) {
	for name, l := range map[string]*lab{
		"one":      chain(1),
		"two":      chain(2),
		"chain 9":  chain(9),
		"chain 60": chain(60),
		"star 3":   star(3),
		"star 12":  star(12),
		"star 59":  star(59),
		"mesh 10":  mesh(10, 20, 1),
		"mesh 60":  mesh(60, 90, 2),
		"sparse":   mesh(30, 15, 3),
		"none":     {},
	} {
		t.Run(name, func(t *testing.T) {
			all := read(t, New(name, &l.Facts).SVG())
			width, height := all[0].at["width"], all[0].at["height"]
			var boxes []element
			for _, e := range all {
				if e.name == "rect" && e.class != "paper" {
					assert.GreaterOrEqual(t, e.at["x"], 0.0, "%v", e)
					assert.GreaterOrEqual(t, e.at["y"], 0.0, "%v", e)
					assert.LessOrEqual(t, e.at["x"]+e.at["width"], width, "%v", e)
					assert.LessOrEqual(t, e.at["y"]+e.at["height"], height, "%v", e)
				}
				if e.class == "box" {
					boxes = append(boxes, e)
				}
				for _, point := range strings.FieldsFunc(e.path, func(r rune) bool { return r == 'M' || r == 'L' || r == 'Z' }) {
					x, y, _ := strings.Cut(point, ",")
					for i, text := range []string{x, y} {
						f, err := strconv.ParseFloat(text, 64)
						require.NoError(t, err, "%s", e.path)
						assert.True(t, f >= 0 && f <= []float64{width, height}[i], "%s is outside", e.path)
					}
				}
			}
			assert.Len(t, boxes, len(l.Nodes))
			for i, a := range boxes {
				for _, b := range boxes[:i] {
					apart := a.at["x"]+a.at["width"] <= b.at["x"] || b.at["x"]+b.at["width"] <= a.at["x"] ||
						a.at["y"]+a.at["height"] <= b.at["y"] || b.at["y"]+b.at["height"] <= a.at["y"]
					assert.True(t, apart, "two boxes overlap: %v and %v", a.at, b.at)
				}
			}
		})
	}
}

// TestSixtyNodesFitAScreen: a large network is folded, not a strip.
func TestSixtyNodesFitAScreen(t *testing.T) {
	for name, l := range map[string]*lab{"chain": chain(60), "star": star(59)} {
		all := read(t, New(name, &l.Facts).SVG())
		ratio := all[0].at["width"] / all[0].at["height"]
		assert.True(t, ratio > 0.8 && ratio < 2.5, "%s: %v x %v", name, all[0].at["width"], all[0].at["height"])
		assert.Less(t, all[0].at["width"], 3000.0, name)
	}
}

// TestEverythingIsThere: names, addresses, MACs, states, and cables by their
// ends.
func TestEverythingIsThere(t *testing.T) {
	l := star(3)
	host := l.node("host")
	host.Links[2].NoCarrier, host.Links[2].Port.State = true, "disabled"
	l.node("ns0").Links[1].Up = false
	host.Links[3].MTU, host.Links[3].Port.Isolated = 1400, true
	vlan := l.link("ns2", "eth0.7", "", "10.7.0.1/24")
	vlan.Kind, vlan.Parent = "vlan", "eth0"
	g := New("TestX", &l.Facts)
	picture := g.SVG()
	var texts []string
	bad, cables := 0, 0
	for _, e := range read(t, picture) {
		if e.name != "style" {
			texts = append(texts, e.text)
		}
		if e.class == "cable-bad" {
			bad++
		}
		if e.class == "cable" || e.class == "cable-bad" {
			cables++
		}
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{"TestX", "host", "br0", "veth2", "10.1.0.1/16", "10.1.1.3/16", "02:00:02:00:00:01", "DOWN", "NO-CARRIER disabled",
		"mtu 1400", "isolated", "vlan, on eth0", "10.7.0.1/24", "host:veth0 to ns0:eth0 (down)", "host:veth1 to ns1:eth0"} {
		assert.Contains(t, all, want)
	}
	assert.NotContains(t, all, "127.0.0.1", "lo is as in every node")
	assert.Equal(t, 3, cables)
	assert.Equal(t, 1, bad, "the cable with an end that is down")
	assert.Contains(t, picture, "prefers-color-scheme:dark")
	assert.NotContains(t, picture, "id=", "several pictures may stand in one page")
	for _, text := range []string{g.Mermaid(), g.DOT()} {
		for _, want := range []string{"veth2", "10.1.1.3/16", "02:00:02:00:00:01", "DOWN", "10.7.0.1/24"} {
			assert.Contains(t, text, want)
		}
	}
	assert.Contains(t, g.Mermaid(), "-. down .-")
	assert.Contains(t, g.DOT(), "style=dashed")
}

// wicked are names that the kernel takes for an interface.
var wicked = []string{`<b>`, `"quoted"`, `back\slash`, `a&amp;b`, "\x01\xff", `it's`, `]]>`, "`x`", "%%x;#", "end", "ñ漢", `\N\l`, "{|}"}

func TestNamesAreEscaped(t *testing.T) {
	l := &lab{}
	for i, name := range wicked {
		l.cable("n"+name+":"+name, fmt.Sprintf("hub:p%d", i))
	}
	// A bridge and a title of such names as well.
	l.link("hub", `br"<\`, "").Kind = "bridge"
	g := New(`Test/<script>alert("1")</script>`, &l.Facts)
	picture := g.SVG()
	var all strings.Builder
	for _, e := range read(t, picture) {
		assert.Contains(t, []string{"svg", "title", "desc", "style", "rect", "text", "tspan", "path", "g"}, e.name)
		all.WriteString(e.text)
	}
	for _, name := range wicked {
		if name != "\x01\xff" {
			assert.Contains(t, all.String(), name)
		}
	}
	assert.Contains(t, all.String(), `\x01\xff`)
	assert.NotContains(t, picture, "<script>")

	mermaid := g.Mermaid()
	depth := 0
	for _, line := range strings.Split(strings.TrimSpace(mermaid), "\n")[1:] {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "subgraph ") {
			depth++
		}
		if line == "end" {
			depth--
		}
		if strings.Contains(line, `"`) {
			assert.Equal(t, 2, strings.Count(line, `"`), "%s", line)
			_, inside, _ := strings.Cut(line, `"`)
			assert.NotContains(t, strings.ReplaceAll(inside, "<br>", ""), "<", "%s", line)
		}
	}
	assert.Zero(t, depth, "%s", mermaid)
	assert.NotContains(t, mermaid, "<script>")
}

// TestGraphvizTakesIt: with names of all sorts, and what it prints has them.
func TestGraphvizTakesIt(t *testing.T) {
	dot, err := exec.LookPath("dot")
	if err != nil {
		t.Skip("install the Debian package graphviz: ", err)
	}
	l := star(3)
	for i, name := range wicked {
		l.cable("n"+strconv.Itoa(i)+":"+name, fmt.Sprintf("hub:p%d", i))
	}
	cmd := exec.Command(dot, "-Tplain")
	cmd.Stdin = strings.NewReader(New(`a "title" \N`, &l.Facts).DOT())
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	require.NoError(t, err, "%s", complaint.String())
	assert.Empty(t, complaint.String())
	for _, want := range []string{"<b>", `back\\slash`, "veth2", "10.1.1.3/16"} {
		assert.Contains(t, string(out), want)
	}
}

// router is a client, a router and a server, and a packet of the client's at the
// places given.
func router(places ...string) (*lab, *capture.Flight) {
	l := &lab{}
	l.cable("client:eth0", "router:left", "10.0.1.2/24", "10.0.1.1/24")
	l.cable("router:right", "server:eth0", "10.0.2.1/24", "10.0.2.2/24")
	f := &capture.Flight{}
	for i, place := range places {
		way := capture.Out
		if place[0] == '<' {
			way = capture.In
		}
		node, name, _ := strings.Cut(place[1:], ":")
		f.Hops = append(f.Hops, &capture.Packet{
			Node: node, Interface: name, Direction: way, Time: time.Unix(0, int64(i)), Length: 98, TTL: 64 - i/2, Kind: capture.EchoRequest,
			Src: netip.MustParseAddr("10.0.1.2"), Dst: netip.MustParseAddr("10.0.2.2"),
		})
	}
	return l, f
}

// TestWay: the packet is drawn at each hop with number, TTL and addresses, as
// far as it came, and where it ended is marked.
func TestWay(t *testing.T) {
	for name, c := range map[string]struct {
		places  []string
		node    string
		legs    int // cables and nodes that it passed, half a cable included
		says    []string
		saysNot string
	}{
		"in the router": {[]string{">client:eth0", "<router:left"}, "router", 2,
			[]string{"1 out ttl 64  10.0.1.2 > 10.0.2.2", "2 in ttl 64  10.0.1.2", "1 to 2: echo request, ended in router: not forwarded; last seen entering router:left (ttl 64)"}, "3 out"},
		"on the cable": {[]string{">client:eth0", "<router:left", ">router:right"}, "server", 3,
			[]string{"3 out ttl 63", "last seen leaving router:right (ttl 63)"}, "4 in"},
		"never left": {nil, "client", 0, []string{"echo request ended in client: not forwarded"}, "1 out"},
	} {
		t.Run(name, func(t *testing.T) {
			l, f := router(c.places...)
			g := New("TestWay", &l.Facts)
			v := explain.Verdict{Packet: "echo request", End: explain.NotForwarded, Node: c.node, Seen: f.Last(), Cause: []string{"the reason of it"}}
			g.Trace(explain.Case{From: "client", Request: f, Window: capture.NewWindow(f.Hops...)}, v)
			var texts []string
			legs, crosses, dead := 0, 0, 0
			for _, e := range read(t, g.SVG()) {
				texts = append(texts, e.text)
				switch e.class {
				case "way0":
					legs++
				case "cross":
					crosses++
				case "dead":
					dead++
				}
			}
			all := strings.Join(texts, "\n")
			for _, want := range append(c.says, "✕ echo request: not forwarded", "the reason of it") {
				assert.Contains(t, all, want)
			}
			assert.NotContains(t, all, c.saysNot)
			if len(c.places) > 0 {
				legs-- // of the legend
				assert.Equal(t, 1, crosses)
			}
			assert.Equal(t, c.legs, legs)
			assert.Equal(t, 1, dead, "the node where it ended")
			assert.Contains(t, g.Mermaid(), "✕ echo request: not forwarded")
			if len(c.places) > 1 {
				assert.Contains(t, g.Mermaid(), "==>")
			}
		})
	}
}

// TestFlood: between the ports of a bridge a packet does not pass the bridge's
// own interface, and it branches.
func TestFlood(t *testing.T) {
	l := star(3)
	var hops []*capture.Packet
	for i, place := range []string{">ns0:eth0", "<host:veth0", "<host:br0", ">host:veth1", "<ns1:eth0", ">host:veth2", "<ns2:eth0"} {
		way := capture.Out
		if place[0] == '<' {
			way = capture.In
		}
		node, name, _ := strings.Cut(place[1:], ":")
		hops = append(hops, &capture.Packet{Node: node, Interface: name, Direction: way, Time: time.Unix(0, int64(i)), SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}})
	}
	g := New("TestFlood", &l.Facts)
	var legs []string
	for _, leg := range g.legs(hops, nil) {
		legs = append(legs, leg.from.where()+" "+leg.to.where())
	}
	assert.Equal(t, []string{"ns0:eth0 host:veth0", "host:veth0 host:br0", "host:veth0 host:veth1", "host:veth1 ns1:eth0", "host:veth0 host:veth2", "host:veth2 ns2:eth0"}, legs)
}

// TestLoop: a packet that comes by again and again does not fill the picture.
func TestLoop(t *testing.T) {
	var places []string
	for range 30 {
		places = append(places, ">client:eth0", "<router:left", ">router:left", "<client:eth0")
	}
	l, f := router(places...)
	g := New("TestLoop", &l.Facts)
	g.Trace(explain.Case{Request: f, Window: capture.NewWindow(f.Hops...)}, explain.Verdict{Packet: "echo request", End: explain.Loop, Node: "router", Seen: f.Last()})
	picture := g.SVG()
	assert.Contains(t, picture, "and 53 sightings more")
	assert.Less(t, read(t, picture)[0].at["height"], 500.0)
}

// TestOrderOfDrawing: what was drawn before changes nothing.
func TestOrderOfDrawing(t *testing.T) {
	l := mesh(12, 20, 4)
	first := New("x", &l.Facts)
	mermaid, dot := first.Mermaid(), first.DOT()
	second := New("x", &l.Facts)
	picture := second.SVG()
	assert.Equal(t, mermaid, second.Mermaid())
	assert.Equal(t, dot, second.DOT())
	assert.Equal(t, picture, second.SVG())
	assert.Equal(t, picture, first.SVG())
}

func BenchmarkSixtyNodes(b *testing.B) {
	l := star(59)
	for b.Loop() {
		New("star", &l.Facts).SVG()
	}
}
