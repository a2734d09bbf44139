package explain

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/capture"
)

// FuzzExplain explains exchanges of garbage in networks that contradict
// themselves: whatever a node inside sends, and whatever the kernel answers, the
// explanation names a packet, and there is no panic and no endless loop.
func FuzzExplain(f *testing.F) {
	facts, err := json.Marshal(network())
	if err != nil {
		f.Fatal(err)
	}
	echo := []byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00E\x00\x00\x1c\x00\x01\x00\x00@\x01\x00\x00\x0a\x00\x01\x02\x0a\x00\x02\x02\x08\x00\x00\x00\x00\x01\x00\x01")
	arp := []byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x03\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\x03\x0a\x00\x02\x01\x00\x00\x00\x00\x00\x00\x0a\x00\x02\x02")
	failed := append([]byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00E\x00\x00\x38\x00\x01\x00\x00@\x01\x00\x00\x0a\x00\x01\x01\x0a\x00\x01\x02\x03\x01\x00\x00\x00\x00\x00\x00"), echo[14:]...)
	record := func(where byte, frame []byte) []byte { return append([]byte{where, byte(len(frame))}, frame...) }
	way := append(record(0x10, echo), record(0x01, echo)...)
	f.Add(way, facts, "icmp", "")
	f.Add(append(way, record(0x12, arp)...), facts, "tcp", "EHOSTUNREACH")
	f.Add(append(append(way, record(0x11, failed)...), record(0x00, failed)...), facts, "udp", "ECONNREFUSED")
	f.Add([]byte{}, []byte(`{}`), "", "ENETUNREACH")
	f.Add(way, []byte(`{"Nodes":[{"Name":"client","Links":[{"Name":"eth0","Master":"eth0","Peer":"client:eth0","MAC":"02:00:00:00:00:01"}]}]}`), "icmp", "")
	f.Add(way, []byte(`{"Nodes":[{"Name":"router","Policy":[{"Text":"1: fwmark 2 lookup 9","Mark":2,"Mask":2},{"Ports":{"First":1,"Last":2}}],"Moved":{"XfrmInPolBlock":1,"IpReasmFails":1},
		"IPsec":[{"Direction":"fwd","Wraps":true}],"Rules":[{"Text":"meta mark set ","Hooks":["prerouting"]},{"Text":"meta mark set meta mark & 1 |","Hooks":["prerouting"],"Moved":1,"Counted":true},
		{"Text":"ip daddr set 10.0.2.9","Hooks":["prerouting","postrouting"]},{"Text":"xt target \"dnat\" to x fwd to \"right\" dup to \"right\" vmap queue ","Moved":3}]}]}`), "icmp", "")
	f.Fuzz(func(t *testing.T, frames, known []byte, network, errno string) {
		facts := &Facts{}
		if json.Unmarshal(known, facts) != nil {
			return
		}
		for _, n := range facts.Nodes {
			if n == nil {
				return // the harness makes none
			}
		}
		routes := facts.Lookups
		facts.Ask = func(node string, q Query) Route {
			for _, l := range routes {
				if l.Node == node {
					return l.Route
				}
			}
			return Route{Type: "unicast", Device: "eth0"}
		}
		places := []string{"client:eth0", "router:left", "router:right", "server:eth0"}
		var packets []*capture.Packet
		for len(frames) >= 2 && len(packets) < 50 {
			length := min(int(frames[1]), len(frames)-2)
			place, way := places[frames[0]&3], capture.In
			if frames[0]&0x10 != 0 {
				way = capture.Out
			}
			node, name, _ := strings.Cut(place, ":")
			packets = append(packets, capture.NewPacket(node, name, way, time.Unix(0, int64(len(packets))), frames[2:2+length]))
			frames = frames[2+length:]
		}
		w := capture.NewWindow(packets...)
		c := Case{From: "client", Target: netip.MustParseAddr("10.0.2.2"), Port: 80, Network: network, Errno: errno, Window: w, Request: &capture.Flight{}, Reply: &capture.Flight{}}
		flights := w.Flights()
		if len(flights) > 0 {
			c.Request = flights[0]
		}
		if len(flights) > 1 {
			c.Reply, c.Answered = flights[len(flights)-1], len(flights)%2 == 0
		}
		v := Explain(c, facts)
		if len(v.Lines()) == 0 || v.All() == "" {
			t.Fatalf("nothing is said of it: %+v", v)
		}
	})
}
