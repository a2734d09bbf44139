package report

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/internal/explain"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/result"
	"github.com/stretchr/testify/require"
)

// attack would run, or break the page, were it put in as HTML.
const attack = `</pre></template><script>window.owned=1</script><img src=x onerror="window.owned=1">`

var epoch = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func mac(n byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, n} }

// datagram is a frame with a UDP datagram from 10.0.1.2 to 10.0.2.2.
func datagram(t testing.TB, id uint16, ttl uint8, from, to net.HardwareAddr, payload string) []byte {
	ip := &layers.IPv4{Version: 4, TTL: ttl, Id: id, Protocol: layers.IPProtocolUDP, SrcIP: net.IP{10, 0, 1, 2}, DstIP: net.IP{10, 0, 2, 2}}
	udp := &layers.UDP{SrcPort: 40000, DstPort: 9}
	require.NoError(t, udp.SetNetworkLayerForChecksum(ip))
	buffer := gopacket.NewSerializeBuffer()
	require.NoError(t, gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: from, DstMAC: to, EthernetType: layers.EthernetTypeIPv4}, ip, udp, gopacket.Payload(payload)))
	return buffer.Bytes()
}

// routed are the four sightings of a datagram that passes a router, n times.
func routed(t testing.TB, n int, payload string) capture.Window {
	return routedEach(t, n, func(i int) string { return fmt.Sprint(payload, i) })
}

func routedEach(t testing.TB, n int, payload func(i int) string) capture.Window {
	var all []*capture.Packet
	for i := range n {
		at := epoch.Add(time.Duration(i) * time.Millisecond)
		first := datagram(t, uint16(i), 64, mac(1), mac(2), payload(i))
		second := datagram(t, uint16(i), 63, mac(3), mac(4), payload(i))
		all = append(all,
			capture.NewPacket("client", "eth0", capture.Out, at.Add(1000), first),
			capture.NewPacket("router", "left", capture.In, at.Add(2000), first),
			capture.NewPacket("router", "right", capture.Out, at.Add(3000), second),
			capture.NewPacket("server", "eth0", capture.In, at.Add(4000), second))
	}
	return capture.NewWindow(all...)
}

// facts are the state of the three nodes.
func facts(forwarding string) *explain.Facts {
	node := func(name string, links ...explain.Link) *explain.Node {
		return &explain.Node{Name: name, Links: links, Sysctls: map[string]string{"net.ipv4.ip_forward": forwarding}, Counters: map[string]uint64{"UdpOutDatagrams": 7}}
	}
	link := func(name string, n byte, address, peer string) explain.Link {
		return explain.Link{Name: name, Kind: "veth", MAC: mac(n).String(), MTU: 1500, Up: true, Peer: peer, Addresses: []explain.Address{{Prefix: netip.MustParsePrefix(address)}}}
	}
	return &explain.Facts{Nodes: []*explain.Node{
		node("client", link("eth0", 1, "10.0.1.2/24", "router:left")),
		node("router", link("left", 2, "10.0.1.1/24", "client:eth0"), link("right", 3, "10.0.2.1/24", "server:eth0")),
		node("server", link("eth0", 4, "10.0.2.2/24", "router:right")),
	}}
}

// sample is the files of one test.
type sample struct {
	test    result.Test
	packets capture.Window
	before  []result.At
	facts   *explain.Facts
	more    map[string]string // other files
}

// save writes the files into a folder below dir.
func (s sample) save(t testing.TB, dir string) result.Place {
	t.Helper()
	folder := filepath.Join(dir, fmt.Sprintf("%x", s.test.Name))
	require.NoError(t, os.MkdirAll(folder, 0o755))
	p, err := result.NewPlace(folder)
	require.NoError(t, err)
	s.test.Version, s.test.Kernel, s.test.Machine, s.test.User = result.Version, "6.18.0", "x86_64", "root"
	if s.test.Package == "" {
		s.test.Package = "example.com/lan"
	}
	require.NoError(t, p.Write(result.StoryFile, []byte(s.test.Package+" "+s.test.Name+"\n"+s.packets.String())))
	var file bytes.Buffer
	require.NoError(t, s.packets.WritePcapng(&file))
	require.NoError(t, p.Write(result.PacketsFile, file.Bytes()))
	if s.facts == nil {
		s.facts = &explain.Facts{}
	}
	require.NoError(t, p.WriteJSON(result.StateFile, result.State{Version: result.Version, Test: s.test.Name, Facts: s.facts}))
	if s.before != nil {
		require.NoError(t, p.WriteJSON(result.StepsFile, result.States{Version: result.Version, Test: s.test.Name, States: s.before}))
	}
	for name, text := range s.more {
		require.NoError(t, p.Write(name, []byte(text)))
	}
	require.NoError(t, p.Finish(&s.test))
	return p
}

// three are a failure, a pass and a skip; the failure has the attack in all
// that can hold one.
func three(t testing.TB) (dir string) {
	dir = t.TempDir()
	sample{
		test: result.Test{
			Name: "TestHostile/" + attack, Outcome: journal.Failed, Began: epoch, Took: 12.5, Timers: "fast", Backend: "nftables",
			Failures: []result.Failure{{Line: "lan_test.go:9", Code: attack, Text: "client cannot reach 10.0.2.2: " + attack}},
			Steps: []result.Step{{Began: epoch}, {Name: attack, Began: epoch.Add(1500), Asked: []result.Asked{{
				Verb: journal.Verb{Verb: "Reachable", From: "client", To: attack, Line: attack, Saw: map[string]string{"outcome": attack}}, Began: epoch.Add(500 * time.Microsecond), Took: 1,
			}}}},
			Drops: []string{attack},
		},
		packets: routed(t, 3, attack),
		facts: &explain.Facts{Nodes: []*explain.Node{{Name: attack, Routes: []string{attack}, Sysctls: map[string]string{attack: attack},
			Links: []explain.Link{{Name: attack, Kind: attack}}}}},
		more: map[string]string{
			result.ExplanationFile: attack,
			result.TopologyFile: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10" onload="window.owned=1"><script>window.owned=1</script>` +
				`<style>text{fill:rgb(1,2,3)}</style><foreignObject><img xmlns="http://www.w3.org/1999/xhtml" src="x" onerror="window.owned=1"/></foreignObject><text id="drawn" onclick="window.owned=1">client</text></svg>`,
		},
	}.save(t, dir)
	sample{
		test: result.Test{Name: "TestPass", Outcome: journal.Passed, Began: epoch, Took: 3,
			Steps: []result.Step{{Began: epoch}, {Name: "built", Began: epoch}, {Name: "forwarding", Began: epoch.Add(time.Millisecond)}}},
		packets: routed(t, 200, "hello"),
		before:  []result.At{{Step: "built", Facts: facts("0")}}, facts: facts("1"),
	}.save(t, dir)
	sample{test: result.Test{Header: journal.Header{Package: "example.com/wan"}, Name: "TestSkip", Outcome: journal.Skipped, Reason: "the program wg is not installed"}}.save(t, dir)
	return dir
}
