package capture

// Summary says what the packet is, without the place: its line in a story from
// the arrow on, as in "ARP who has 192.168.0.1, tell 192.168.0.2".
func (p *Packet) Summary() string { return p.summary() }
