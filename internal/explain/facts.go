package explain

import (
	"net/netip"
	"slices"
	"strings"
)

// Facts is what the kernel says of each node, after the failure.
type Facts struct {
	Nodes []*Node
	// Lookups are the routes that the reasoning asked for.
	Lookups []Lookup
	// Repeated tells that the probe was sent once more for the explanation and
	// ended at the same place, so that Moved is what it moved.
	Repeated bool
	// Drops are the packets that the kernel threw away meanwhile; NoDrops says why
	// it can't be asked for them.
	Drops   []Drop `json:",omitempty"`
	NoDrops string `json:",omitempty"`
	// Errors are the questions that the kernel did not answer.
	Errors []string `json:",omitempty"`

	// Ask looks a route up in a node.
	Ask func(node string, q Query) Route `json:"-"`
	// Listening are the sockets of a node that wait for others. It is asked for
	// one node, where a reason may be: the kernel looks through all connections of
	// the machine.
	Listening func(node string) []Listener `json:"-"`
}

// Node is what the kernel says of one node.
type Node struct {
	Name       string
	Unrecorded bool `json:",omitempty"` // its packets were not recorded, or not to the end
	Links      []Link
	Neighbors  []Neighbor
	Routes     []string
	Forwarding []Forwarding
	Rules      []Rule
	Policy     []PolicyRule      `json:",omitempty"` // rules of policy routing beyond those that every node has
	IPsec      []IPsecPolicy     `json:",omitempty"` // asked where IPsec has stopped something
	Sysctls    map[string]string // by the names of sysctl(8)
	Counters   map[string]uint64 // since the node was made
	Moved      map[string]uint64 // those that the repeated probe moved, by how much
	Conntrack  []Connection
	// ConntrackLimit is how many connections the node may track; 0 for any number.
	ConntrackLimit int        `json:",omitempty"`
	Listeners      []Listener `json:",omitempty"`
}

// Listener is a socket that takes what comes for it: of TCP one that listens, of
// UDP any.
type Listener struct {
	Network string // "tcp" or "udp"
	Addr    netip.AddrPort
	Peer    netip.AddrPort `json:",omitzero"`  // of UDP: from whom alone it takes; invalid for anybody
	Device  string         `json:",omitempty"` // that it is bound to; "" for none, or not known
	Drops   uint64         `json:",omitempty"` // of UDP: datagrams that it has thrown away
}

// Link is an interface.
type Link struct {
	Name, Kind string
	Index      int
	MAC        string
	MTU        int
	Up         bool
	NoCarrier  bool
	OperState  string
	VLANs      bool   // a bridge that filters by VLAN
	Master     string // the bridge that it is a port of
	Peer       string // the other end of a veth, "node:interface"
	PeerIndex  int    // and how the kernel names it: its index, in the namespace
	PeerNetns  int    // of this number (link-netnsid), -1 for the node's own
	Parent     string `json:",omitempty"` // what a VLAN or MACVLAN interface lies on, in the same node
	NoARP      bool   // asks for no neighbours, and answers none
	XDP        bool   // a program looks at what comes in
	// Control are the ways, "ingress" and "egress", at which filters of traffic
	// control hang.
	Control []string `json:",omitempty"`
	// Filters are those that change packets or send them elsewhere, in words.
	Filters   []string `json:",omitempty"`
	Addresses []Address
	Port      *Port `json:",omitempty"`
}

// Address is an address of an interface.
type Address struct {
	Prefix                         netip.Prefix
	Tentative, DADFailed, LinkOnly bool
}

// Port is what a bridge says of one of its ports.
type Port struct {
	State                                              string
	Hairpin, Isolated, Learning, Flood, MulticastFlood bool
	BroadcastFlood, Locked                             bool
	// VLANs are those that pass the port; nil where the bridge does not filter
	// by VLAN.
	VLANs []int `json:",omitempty"`
}

// Neighbor is an entry of a neighbour table.
type Neighbor struct {
	Addr                  netip.Addr
	Interface, MAC, State string
}

// Forwarding is an entry of a bridge's forwarding database.
type Forwarding struct {
	MAC, Interface, Bridge string
	Permanent              bool
}

// Rule is a rule of a packet filter, or a chain's policy of drop.
type Rule struct {
	Text string
	// Hooks are those from which packets reach the rule.
	Hooks   []string
	Counted bool
	Packets uint64
	Moved   uint64 // what the repeated probe added
	at      string // the hook at which it was met
}

// Connection is a tracked connection: Original and Reply from and to.
type Connection struct {
	Text                         string
	Protocol                     string
	From, To, ReplyFrom, ReplyTo netip.AddrPort
}

// Query is a question for a route.
type Query struct {
	To, From netip.Addr // From may be unset
	In       string     // the interface that the packet came in by; "" for a packet of the node's own
	Mark     uint32     `json:",omitempty"`
	// Protocol and ports are asked for where rules select by them.
	Protocol         uint8  `json:",omitempty"`
	SourcePort, Port uint16 `json:",omitempty"`
}

// Route is the answer.
type Route struct {
	Type    string     // "unicast", "local", ...; "" with Error
	Gateway netip.Addr // invalid for none
	Device  string
	Source  netip.Addr
	MTU     int
	// Redirected tells that an ICMP redirect has put it there.
	Redirected bool   `json:",omitempty"`
	Error      string // the kernel's error, by its name: "ENETUNREACH"
	Text       string
}

// Lookup is a route that was asked for, with the answer.
type Lookup struct {
	Node  string
	Query Query
	Route Route
}

// Node is the node of that name; an empty one where there is none.
func (f *Facts) Node(name string) *Node {
	for _, n := range f.Nodes {
		if n.Name == name {
			return n
		}
	}
	return &Node{Name: name}
}

// route asks for a route, once for each question.
func (f *Facts) route(node string, q Query) Route {
	q.To, q.From = q.To.WithZone(""), q.From.WithZone("")
	for _, l := range f.Lookups {
		if l.Node == node && l.Query == q {
			return l.Route
		}
	}
	var r Route
	if f.Ask != nil {
		r = f.Ask(node, q)
	}
	f.Lookups = append(f.Lookups, Lookup{node, q, r})
	return r
}

// owner is the interface that has an address, "" for none.
func (f *Facts) owner(a netip.Addr) (node string, link *Link) {
	for _, n := range f.Nodes {
		if l := n.withAddress(a); l != nil {
			return n.Name, l
		}
	}
	return "", nil
}

// ownerOfMAC is the interface that has a hardware address.
func (f *Facts) ownerOfMAC(mac string) (node string, link *Link) {
	for _, n := range f.Nodes {
		for i := range n.Links {
			if n.Links[i].MAC == mac && mac != "" {
				return n.Name, &n.Links[i]
			}
		}
	}
	return "", nil
}

func (n *Node) withAddress(a netip.Addr) *Link {
	for i := range n.Links {
		for _, own := range n.Links[i].Addresses {
			if own.Prefix.Addr() == a.WithZone("") {
				return &n.Links[i]
			}
		}
	}
	return nil
}

// link is the interface of that name; an empty one where there is none.
func (n *Node) link(name string) *Link {
	for i := range n.Links {
		if n.Links[i].Name == name {
			return &n.Links[i]
		}
	}
	return &Link{Name: name}
}

// filters tells whether filters of traffic control may hang at a way; where
// that is not known, at any.
func (l *Link) filters(way string) bool {
	return len(l.Control) == 0 || slices.Contains(l.Control, way)
}

// ports are the ports of a bridge.
func (n *Node) ports(bridge string) []*Link {
	var all []*Link
	for i := range n.Links {
		if n.Links[i].Master == bridge {
			all = append(all, &n.Links[i])
		}
	}
	return all
}

// behind is the port behind which a bridge believes a hardware address to be.
func (n *Node) behind(bridge, mac string) (Forwarding, bool) {
	for _, e := range n.Forwarding {
		if e.Bridge == bridge && e.MAC == mac && e.Interface != bridge {
			return e, true
		}
	}
	return Forwarding{}, false
}

// kept is a permanent entry by which a bridge takes frames to another's hardware
// address for itself. Those of its own addresses it has by itself.
func (n *Node) kept(bridge, mac string) (Forwarding, bool) {
	for _, e := range n.Forwarding {
		if e.Bridge == bridge && e.MAC == mac && e.Permanent && !n.own(bridge, mac) {
			return e, true
		}
	}
	return Forwarding{}, false
}

// own tells whether a bridge takes frames to a hardware address for itself.
func (n *Node) own(bridge, mac string) bool {
	if n.link(bridge).MAC == mac {
		return true
	}
	for _, p := range n.ports(bridge) {
		if p.MAC == mac {
			return true
		}
	}
	return false
}

func (n *Node) neighbor(a netip.Addr, device string) (Neighbor, bool) {
	for _, e := range n.Neighbors {
		if e.Addr == a.WithZone("") && (device == "" || e.Interface == device) {
			return e, true
		}
	}
	return Neighbor{}, false
}

// sysctl is a switch's value, "" where the kernel does not have it.
func (n *Node) sysctl(name string) string { return n.Sysctls["net."+name] }

// isOn tells whether a sysctl is there and not 0.
func (n *Node) isOn(name string) bool {
	v := n.sysctl(name)
	return v != "" && v != "0"
}

// hook is where the packet met the rule, or the first hook from which packets
// reach it: "prerouting", "input", ...; "" for none.
func (r Rule) hook() string {
	if r.at == "" && len(r.Hooks) > 0 {
		return r.Hooks[0]
	}
	return r.at
}

// met tells whether packets meet the rule at one of the hooks, and remembers at
// which.
func (r *Rule) met(hooks []string) bool {
	for _, h := range hooks {
		if slices.Contains(r.Hooks, h) {
			r.at = h
			return true
		}
	}
	return false
}

// queues tells whether the rule hands packets to a program, and has no way on for
// them where there is none.
func (r Rule) queues() bool {
	return (strings.Contains(r.Text, " queue ") || strings.Contains(r.Text, "-j NFQUEUE")) && !strings.Contains(r.Text, "bypass")
}

// maps tells whether the rule has a verdict for each of several values: that it
// counted a packet does not say which it was then.
func (r Rule) maps() bool { return strings.Contains(r.Text, " vmap ") }

// drops tells whether the rule ends a packet's way.
func (r Rule) drops() bool {
	t := strings.ToLower(r.Text)
	return strings.HasSuffix(t, " drop") || strings.Contains(t, " drop ") || strings.Contains(t, "reject") || r.queues()
}

// solicitations tells whether the rule is about questions for neighbours only.
func (r Rule) solicitations() bool {
	return strings.Contains(r.Text, "--icmpv6-type 135 ") || strings.Contains(r.Text, "nd-neighbor-solicit ")
}

// policy tells whether it is a chain's policy.
func (r Rule) policy() bool {
	return strings.Contains(r.Text, " -P ") || strings.Contains(r.Text, ": policy")
}
