package capture

import "bytes"

// Follow finds the sightings of one packet across the nodes: those of the same
// flight as p, although bridges, routers and NAT have rewritten it meanwhile
// (see identity). If p is not in the window, its flight is p alone; of nil it
// is empty.
//
// Packets may be alike: a retransmission, two pings of the same content. One
// that is seen at the same place a second time (same node, interface and
// direction) is another packet, unless its TTL is lower than before: then it
// is the same one, in a routing loop. A sighting elsewhere belongs to the
// flight that it continues best; of equally good ones to the one seen last.
func (w Window) Follow(p *Packet) *Flight {
	if p == nil {
		return &Flight{}
	}
	if w.view != nil {
		w.once.Do(func() { w.view.flights = flights(w.packets) })
		if f := w.view.flights[p]; f != nil {
			return f
		}
	}
	return &Flight{Hops: []*Packet{p}}
}

// Flights are all flights of the window, in order of their first sighting.
func (w Window) Flights() []*Flight {
	var list []*Flight
	for _, p := range w.all() {
		if f := w.Follow(p); f.Hops[0] == p {
			list = append(list, f)
		}
	}
	return list
}

// flights sorts packets, which are in order of time, into flights.
func flights(packets []*Packet) map[*Packet]*Flight {
	of := make(map[*Packet]*Flight, len(packets))
	alike := map[string][]*Flight{}
	for _, p := range packets {
		id := p.identity()
		f := choose(alike[id], p)
		if f == nil {
			f = &Flight{}
			alike[id] = append(alike[id], f)
		}
		f.Hops = append(f.Hops, p)
		of[p] = f
	}
	return of
}

// choose picks the flight that the sighting belongs to, nil for a new one.
func choose(candidates []*Flight, p *Packet) *Flight {
	// Flights that are long over are not looked at: a window of nothing but
	// alike packets would take quadratic time.
	const most = 64
	var best *Flight
	score := 0
	for _, f := range candidates[max(0, len(candidates)-most):] {
		s, fits := f.fits(p)
		if fits && (best == nil || s > score || s == score && !f.Last().Time.Before(best.Last().Time)) {
			best, score = f, s
		}
	}
	return best
}

// fits tells whether the packet can be a further sighting of the flight, and
// how well it continues it. What goes out of a node where it has not been
// before was made there, and so is another packet.
func (f *Flight) fits(p *Packet) (score int, fits bool) {
	here, been := p.place(), p.Direction == In
	for _, hop := range f.Hops {
		if apart(hop, p) || answers(p, hop) {
			return 0, false
		}
		if hop.place() == here && (p.TTL == 0 || p.TTL >= hop.TTL) {
			return 0, false
		}
		score = max(score, continues(hop, p))
		been = been || hop.Node == p.Node
	}
	return score, been
}

// answers tells whether p goes out of a node to where the hop came in from,
// both ends exchanged: an echo server of UDP sends back the very same payload.
// No translation exchanges both addresses and both ports.
func answers(p, hop *Packet) bool {
	return p.Direction == Out && hop.Direction == In && p.Node == hop.Node && p.Src != p.Dst &&
		p.Src == hop.Dst && p.Dst == hop.Src && p.SrcPort == hop.DstPort && p.DstPort == hop.SrcPort
}

// continues rates how likely p comes after the hop: out of the node that it
// went into, or across the cable, where a frame keeps its MAC addresses; and
// with the same addresses, unless there was NAT.
func continues(hop, p *Packet) (score int) {
	switch {
	case hop.Node == p.Node && hop.Direction == In:
		score += 4
	case hop.Node != p.Node && hop.Direction == Out && p.Direction == In &&
		bytes.Equal(hop.SrcMAC, p.SrcMAC) && bytes.Equal(hop.DstMAC, p.DstMAC):
		score += 4
	}
	if hop.Src == p.Src {
		score++
	}
	if hop.Dst == p.Dst {
		score++
	}
	if hop.SrcPort == p.SrcPort && hop.DstPort == p.DstPort && hop.ICMPID == p.ICMPID {
		score++
	}
	return score
}
