package harness

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/journal"
)

// objects are what the kernel holds of the node, for a journal, besides its
// interfaces.
func (n *Node) objects(words journal.Words, interfaces []Interface) []journal.Object {
	n.lab.TB.Helper()
	list := &objects{words: words}
	list.interfaces(n, interfaces)
	list.routes(n)
	list.routingRules(n)
	list.neighbours(n)
	enslaved := func(i Interface) bool { return i.Master != "" }
	if len(n.bridges) > 0 || len(n.devices) > 0 || slices.ContainsFunc(interfaces, enslaved) {
		list.bridges(n)
	}
	list.filters(n)
	list.connections(n)
	for name, value := range n.Counters() {
		if value != 0 {
			list.add(journal.Counter, name, "value", fmt.Sprint(value))
		}
	}
	return list.sorted()
}

// lookAtCarriers has the kernel note carriers that have come or gone, which it
// may put off for a second otherwise (Socket.Look). Twice: that of a bridge
// follows its ports'.
func (n *Node) lookAtCarriers() {
	n.lab.TB.Helper()
	links := n.links()
	for range 2 {
		for _, l := range links {
			_ = n.raw.Look(l.Attrs().Index) // one that has gone meanwhile is not there
		}
	}
}

type objects struct {
	words journal.Words
	all   []journal.Object
}

// add adds an object with pairs of a field and its value.
func (o *objects) add(kind, name string, fields ...string) {
	object := journal.Object{Kind: kind, Name: name, Fields: map[string]string{}}
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i+1] != "" {
			object.Fields[fields[i]] = fields[i+1]
		}
	}
	o.all = append(o.all, object)
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func (o *objects) interfaces(n *Node, all []Interface) {
	n.lab.TB.Helper()
	makers, err := n.raw.AddressMakers()
	n.must(err, "list the addresses")
	for _, i := range all {
		o.add(journal.Interface, i.Name, "kind", i.Kind, "flags", i.Flags.String(), "no carrier", yes(i.NoCarrier),
			"operational state", i.OperState, "mtu", fmt.Sprint(i.MTU), "master", i.Master)
		for _, a := range i.Addresses {
			name := fmt.Sprintf("%s/%d on %s", o.words.Addr(a.Prefix.Addr()), a.Prefix.Bits(), i.Name)
			o.add(journal.Address, name, "scope", a.Scope, "tentative", yes(a.Tentative), "duplicate", yes(a.DADFailed),
				"made by", makers[a.Prefix.Addr()])
		}
	}
}

func (o *objects) routes(n *Node) {
	n.lab.TB.Helper()
	for _, r := range n.TableRoutes(0) {
		name := r.Type + " " + o.prefix(r.Destination)
		if r.Device != "" {
			name += " on " + r.Device
		}
		name += fmt.Sprintf(" in table %d", r.Table)
		if r.Metric != 0 {
			name += fmt.Sprintf(" with metric %d", r.Metric)
		}
		var hops []string
		for _, h := range r.NextHops {
			hops = append(hops, fmt.Sprintf("%s on %s weight %d%s", o.words.Addr(h.Gateway), h.Device, h.Weight, lifeless(h.Dead, h.LinkDown)))
		}
		mtu := ""
		if r.MTU != 0 {
			mtu = fmt.Sprint(r.MTU)
		}
		o.add(journal.Route, name, "gateway", o.words.Addr(r.Gateway), "made by", r.Protocol, "scope", r.Scope,
			"source", o.words.Addr(r.Source), "mtu", mtu, "next hops", strings.Join(hops, ", "),
			"state", strings.TrimSpace(lifeless(r.Dead, r.LinkDown)))
	}
}

// routingRules are the rules of policy routing, those too that the kernel makes by
// itself.
func (o *objects) routingRules(n *Node) {
	n.lab.TB.Helper()
	for _, r := range n.RoutingRules() {
		o.add(journal.RoutingRule, map[bool]string{false: "IPv4 ", true: "IPv6 "}[r.IPv6]+r.String())
	}
}

// filters are the rules of the node's packet filter, if a verb has opened it: to ask
// for them has the kernel load modules, which a journal must not. How many packets a
// rule has counted depends on what programs send, so that it is told whether any
// were.
func (o *objects) filters(n *Node) {
	n.lab.TB.Helper()
	if n.rules == nil {
		return
	}
	for _, r := range n.Rules() {
		counted := ""
		if r.Counted {
			counted = map[bool]string{false: "none", true: "some"}[r.Packets > 0]
		}
		o.add(journal.Filter, r.Text, "packets", counted)
	}
}

func (o *objects) prefix(p netip.Prefix) string {
	if p.Bits() == 0 {
		return map[bool]string{true: "default (IPv4)", false: "default (IPv6)"}[p.Addr().Is4()]
	}
	return fmt.Sprintf("%s/%d", o.words.Addr(p.Addr()), p.Bits())
}

func (o *objects) neighbours(n *Node) {
	n.lab.TB.Helper()
	for _, e := range n.Neighbors() {
		o.add(journal.Neighbour, o.words.Addr(e.Addr)+" on "+e.Interface, "state", e.State.String(), "mac", o.words.MAC(e.MAC))
	}
}

func (o *objects) bridges(n *Node) {
	n.lab.TB.Helper()
	vlans := map[string][]string{}
	for _, b := range n.bridges {
		if b.settings.vlans {
			for _, v := range n.BridgeVLANs() {
				_, id, _ := strings.Cut(v.String(), " ")
				vlans[v.Interface] = append(vlans[v.Interface], id)
			}
			break
		}
	}
	for _, p := range n.BridgePorts() {
		o.add(journal.BridgePort, p.Interface, "bridge", p.Bridge, "state", p.State.String(), "hairpin", yes(p.Hairpin),
			"isolated", yes(p.Isolated), "learning", yes(p.Learning), "flood", yes(p.Flood), "multicast flood", yes(p.MulticastFlood),
			"cost", fmt.Sprint(p.Cost), "priority", fmt.Sprint(p.Priority), "vlans", strings.Join(vlans[p.Interface], ", "))
	}
	for _, e := range n.ForwardingDatabase() {
		name := o.words.MAC(e.MAC) + " behind " + e.Interface
		if e.VLAN != 0 {
			name += fmt.Sprintf(" in vlan %d", e.VLAN)
		}
		if e.Remote.IsValid() {
			name += " at " + o.words.Addr(e.Remote)
		}
		o.add(journal.Forwarding, name, "bridge", e.Bridge, "permanent", yes(e.Permanent))
	}
}

func (o *objects) connections(n *Node) {
	n.lab.TB.Helper()
	if !n.tracksConnections() {
		return
	}
	for _, c := range n.Conntrack() {
		w := o.words
		end := func(a, before netip.AddrPort) string {
			if strings.HasPrefix(c.Protocol, "icmp") { // the port is the echo's identifier
				if a.Port() != before.Port() {
					return w.Addr(a.Addr()) + " (id translated)"
				}
				return w.Addr(a.Addr())
			}
			return w.AddrPort(a, before.Port())
		}
		name := fmt.Sprintf("%s %s > %s", c.Protocol, end(c.Original.Source, c.Original.Source), end(c.Original.Destination, c.Original.Destination))
		// In the reply the ends have changed places.
		reply := fmt.Sprintf("%s > %s", end(c.Reply.Source, c.Original.Destination), end(c.Reply.Destination, c.Original.Source))
		o.add(journal.Connection, name, "reply", reply, "state", c.State, "time-out", journal.Timeout(c.Timeout),
			"source translated", yes(c.SourceNAT), "destination translated", yes(c.DestinationNAT), "answered", yes(c.SeenReply),
			"assured", yes(c.Assured), "mark", fmt.Sprint(c.Mark), "zone", fmt.Sprint(c.Zone))
	}
}

// sorted are the objects in the order of their kinds and names, so that two
// journals can be read side by side.
func (o *objects) sorted() []journal.Object {
	journal.Sort(o.all)
	return o.all
}
