package explain

import "github.com/netrig/netrig/capture"

// Way is the way of one packet of an exchange, for pictures of it.
type Way struct {
	Packet string // what it is: "echo request", "ARP request", ...
	Hops   []*capture.Packet
	Died   bool // it is the one that the verdict is about
}

// Ways are the ways of the exchange's packets that were seen, in this order:
// the request, the reply, the ICMP error about either, and where it is none of
// these the packet that died.
func (c Case) Ways(v Verdict) []Way {
	r := &reasoner{Case: c, Facts: &Facts{}}
	flights := []*capture.Flight{c.Request, c.Reply}
	for _, f := range []*capture.Flight{c.Request, c.Reply} {
		if f.First() != nil {
			flights = append(flights, r.errorAbout(f))
		}
	}
	if v.Seen != nil {
		flights = append(flights, c.Window.Follow(v.Seen))
	}
	var ways []Way
	told := map[*capture.Packet]bool{}
	for _, f := range flights {
		first := f.First()
		if first == nil || told[first] {
			continue
		}
		told[first] = true
		w := Way{Packet: name(first), Hops: f.Hops}
		for _, p := range f.Hops {
			w.Died = w.Died || p == v.Seen
		}
		ways = append(ways, w)
	}
	return ways
}
