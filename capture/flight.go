package capture

// Flight is one packet on its way: every sighting of it, in order of time. A
// packet that a bridge floods is seen on several branches; they are all here.
type Flight struct {
	Hops []*Packet
}

// First is where the packet was seen first, nil if it never was.
func (f *Flight) First() *Packet {
	if f == nil || len(f.Hops) == 0 {
		return nil
	}
	return f.Hops[0]
}

// Last is where the packet was seen last, nil if it never was.
func (f *Flight) Last() *Packet {
	if f == nil || len(f.Hops) == 0 {
		return nil
	}
	return f.Hops[len(f.Hops)-1]
}

// Reached tells whether the packet came in at the node.
func (f *Flight) Reached(node string) bool {
	if f == nil {
		return false
	}
	for _, p := range f.Hops {
		if p.Node == node && p.Direction == In {
			return true
		}
	}
	return false
}

// String is the story of the flight, one line a sighting.
func (f *Flight) String() string {
	if f == nil {
		return ""
	}
	return story(f.Hops, Names{})
}
