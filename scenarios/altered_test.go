package scenarios

import (
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/require"
)

// alterations are our packet with one field wrong, by the name that dissected
// has for it.
var alterations = map[string]func(*capture.Packet){
	"interface":        func(p *capture.Packet) { p.Interface += "x" },
	"direction":        func(p *capture.Packet) { p.Direction = capture.In + capture.Out - p.Direction },
	"time":             func(p *capture.Packet) { p.Time = p.Time.Add(time.Nanosecond) },
	"length":           func(p *capture.Packet) { p.Length++ },
	"recorded":         func(p *capture.Packet) { p.Data = p.Data[1:] },
	"source MAC":       func(p *capture.Packet) { p.SrcMAC = wrongMAC(p.SrcMAC) },
	"destination MAC":  func(p *capture.Packet) { p.DstMAC = wrongMAC(p.DstMAC) },
	"ethertype":        func(p *capture.Packet) { p.EtherType++ },
	"vlan":             func(p *capture.Packet) { p.VLAN++ },
	"arp operation":    func(p *capture.Packet) { p.ARP.Op++ },
	"arp sender":       func(p *capture.Packet) { p.ARP.SenderMAC = wrongMAC(p.ARP.SenderMAC) },
	"arp target":       func(p *capture.Packet) { p.ARP.TargetMAC = wrongMAC(p.ARP.TargetMAC) },
	"source":           func(p *capture.Packet) { p.Src = p.Src.Next() },
	"destination":      func(p *capture.Packet) { p.Dst = p.Dst.Next() },
	"ttl":              func(p *capture.Packet) { p.TTL-- },
	"tos":              func(p *capture.Packet) { p.TOS++ },
	"protocol":         func(p *capture.Packet) { p.Protocol ^= 128 },
	"identification":   func(p *capture.Packet) { p.IPID++ },
	"offset":           func(p *capture.Packet) { p.Fragment.Offset += 8 },
	"more fragments":   func(p *capture.Packet) { p.Fragment.More = !p.Fragment.More },
	"don't fragment":   func(p *capture.Packet) { p.Fragment.DontFragment = !p.Fragment.DontFragment },
	"source port":      func(p *capture.Packet) { p.SrcPort++ },
	"destination port": func(p *capture.Packet) { p.DstPort++ },
	"flags":            func(p *capture.Packet) { p.TCPFlags ^= capture.PSH },
	"sequence":         func(p *capture.Packet) { p.Seq++ },
	"acknowledged":     func(p *capture.Packet) { p.Ack++ },
	"type":             func(p *capture.Packet) { p.ICMPType++ },
	"code":             func(p *capture.Packet) { p.ICMPCode++ },
	"echo id":          func(p *capture.Packet) { p.ICMPID++ },
	"echo sequence":    func(p *capture.Packet) { p.ICMPSeq++ },
	"mtu":              func(p *capture.Packet) { p.MTU-- },
	"nd target":        func(p *capture.Packet) { p.ND.Target = p.ND.Target.Next() },
	"nd link layer":    func(p *capture.Packet) { p.ND.LinkLayer = wrongMAC(p.ND.LinkLayer) },
	"nd router":        func(p *capture.Packet) { p.ND.Router = !p.ND.Router },
	"nd solicited":     func(p *capture.Packet) { p.ND.Solicited = !p.ND.Solicited },
	"nd override":      func(p *capture.Packet) { p.ND.Override = !p.ND.Override },
	"vni":              func(p *capture.Packet) { p.VNI++ },
	"payload":          func(p *capture.Packet) { p.Payload = p.Payload[:len(p.Payload)-1] },
	"kind":             func(p *capture.Packet) { p.Kind = "another" },
}

func wrongMAC(a net.HardwareAddr) net.HardwareAddr {
	a = slices.Clone(a)
	a[5] ^= 1
	return a
}

// seeAlterations demands that the comparison with tshark notices each field
// that is wrong, on either side, and assert.Path a way that is.
func seeAlterations(t *testing.T, packets []*capture.Packet, said map[*capture.Packet]dissection) {
	for _, row := range dissected {
		i := slices.IndexFunc(packets, func(p *capture.Packet) bool {
			_, quotes := p.Quoted()
			return said[p][row.name] != "" && (!quotes || row.name == "mtu")
		})
		require.NotEqual(t, -1, i, "no packet has a value for %q", row.name)
		p := packets[i]
		tshark := maps.Clone(said[p])
		tshark["interface"] = p.Where()
		require.Empty(t, disagreements(tshark, ourDissection(p)))

		wrong := *p
		if p.ARP != nil {
			wrong.ARP = new(*p.ARP)
		}
		if p.ND != nil {
			wrong.ND = new(*p.ND)
		}
		require.Contains(t, alterations, row.name)
		alterations[row.name](&wrong)
		require.Contains(t, disagreements(tshark, ourDissection(&wrong)), row.name, "%s", p)

		tshark[row.name] += "0"
		require.Equal(t, []string{row.name}, disagreements(tshark, ourDissection(p)), "%s", p)
	}

	require.Equal(t, malformed, tsharkKind("eth:ethertype:ip:icmp:_ws.malformed", "Echo (ping) request[Malformed Packet]"))

	flights := capture.NewWindow(packets...).Flights()
	flight := flights[slices.IndexFunc(flights, func(f *capture.Flight) bool { return f.First().Kind == capture.EchoRequest && len(f.Hops) > 1 })]
	path := tsharkPath(flight, said)
	require.Empty(t, try.Run("as it was", func(tb testing.TB) { assert.Path(tb, flight, path...) }).Log())
	for name, wrong := range map[string][]string{
		"a hop less":      path[1:],
		"a hop more":      append(slices.Clone(path), path[0]),
		"another order":   append(slices.Clone(path[1:]), path[0]),
		"another TTL":     append([]string{strings.Replace(path[0], " ttl ", " ttl 1", 1)}, path[1:]...),
		"another address": append([]string{strings.Replace(path[0], " > ", "1 > ", 1)}, path[1:]...),
		"another MAC":     append([]string{strings.Replace(path[0], " mac 0", " mac 1", 1)}, path[1:]...),
	} {
		require.NotEqual(t, path, wrong)
		r := try.Run(name, func(tb testing.TB) { assert.Path(tb, flight, wrong...) })
		require.True(t, r.Failed, "assert.Path accepts %s: %s", name, wrong)
	}
}
