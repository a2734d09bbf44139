package harness

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/netrig/netrig/internal/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RouteEntry is a route as the kernel has it.
type RouteEntry struct {
	Destination netip.Prefix // 0.0.0.0/0 or ::/0 for the default route
	Gateway     netip.Addr   // invalid for none
	Device      string
	NextHops    []NextHop  // of a multipath route, which has no Gateway and Device of its own
	Source      netip.Addr // preferred source; invalid for none
	Metric      int
	Table       int    // 254 main, 255 local
	Protocol    string // who made it: "kernel", "boot" (ip-route(8), and this library), "static", "ra", ...
	Scope       string // "global", "link", "host"
	Type        string // "unicast", "local", "broadcast", "blackhole", "unreachable", "prohibit", ...
	MTU         int    // bytes; 0 for that of the device
	// LinkDown: the device has no carrier. The route is used all the same, unless
	// it is Dead too: where ignore_routes_with_linkdown says so, or where the
	// device is down.
	LinkDown, Dead bool
}

// NextHop is one way of a multipath route.
type NextHop struct {
	Gateway netip.Addr // invalid for none
	Device  string
	Weight  int // share of the flows, from 1
	// As of a RouteEntry.
	LinkDown, Dead bool
}

// lifeless writes the flags as ip-route(8) does.
func lifeless(dead, linkDown bool) (text string) {
	if dead {
		text = " dead"
	}
	if linkDown {
		text += " linkdown"
	}
	return text
}

// String writes the route as ip-route(8) does.
func (r RouteEntry) String() string {
	var b strings.Builder
	if r.Type != "unicast" {
		fmt.Fprintf(&b, "%s ", r.Type)
	}
	if r.Destination.Bits() == 0 {
		b.WriteString("default")
	} else {
		b.WriteString(r.Destination.String())
	}
	if r.Gateway.IsValid() {
		fmt.Fprintf(&b, " via %s", r.Gateway)
	}
	if r.Device != "" {
		fmt.Fprintf(&b, " dev %s", r.Device)
	}
	if r.Protocol != "" {
		fmt.Fprintf(&b, " proto %s", r.Protocol)
	}
	if r.Scope != "global" {
		fmt.Fprintf(&b, " scope %s", r.Scope)
	}
	if r.Source.IsValid() {
		fmt.Fprintf(&b, " src %s", r.Source)
	}
	if r.Metric != 0 {
		fmt.Fprintf(&b, " metric %d", r.Metric)
	}
	if r.MTU != 0 {
		fmt.Fprintf(&b, " mtu %d", r.MTU)
	}
	b.WriteString(lifeless(r.Dead, r.LinkDown))
	for _, h := range r.NextHops {
		b.WriteString(" nexthop")
		if h.Gateway.IsValid() {
			fmt.Fprintf(&b, " via %s", h.Gateway)
		}
		fmt.Fprintf(&b, " dev %s weight %d%s", h.Device, h.Weight, lifeless(h.Dead, h.LinkDown))
	}
	return b.String()
}

// asTyped writes the route without what only the kernel adds.
func (r RouteEntry) asTyped() string {
	text := strings.Replace(r.String(), " proto "+r.Protocol, "", 1)
	if r.Table != 0 {
		text += fmt.Sprintf(" table %d", r.Table)
	}
	return text
}

// Routes are the routes of the node's main table, of both families.
func (n *Node) Routes() []RouteEntry {
	n.lab.TB.Helper()
	return n.TableRoutes(unix.RT_TABLE_MAIN)
}

// TableRoutes are the routes of one table: 254 is main, 255 local, 0 all.
func (n *Node) TableRoutes(table int) []RouteEntry {
	n.lab.TB.Helper()
	filter := &netlink.Route{Table: table}
	if table == 0 {
		filter.Table = unix.RT_TABLE_UNSPEC
	}
	names := n.namesByIndex()
	var all []RouteEntry
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		var routes []netlink.Route
		err := link.Retry(func() (err error) {
			routes, err = n.route.RouteListFiltered(family, filter, netlink.RT_FILTER_TABLE)
			return err
		})
		n.must(err, "list the routes")
		for _, r := range routes {
			all = append(all, routeEntry(r, names))
		}
	}
	return all
}

// RouteTo asks the kernel which route a packet to an address takes, without
// sending one. The error is the kernel's: ENETUNREACH for none, and those of
// routes that refuse (EHOSTUNREACH, EACCES, EINVAL for a blackhole).
func (n *Node) RouteTo(address string) (RouteEntry, error) {
	n.lab.TB.Helper()
	a, err := parseAddr("the destination", address)
	n.must(err, "look a route up")
	found, err := n.route.RouteGet(a.AsSlice())
	if err != nil {
		return RouteEntry{}, fmt.Errorf("node %s has no way to %s: %w", n.name, a, err)
	}
	if len(found) == 0 {
		return RouteEntry{}, fmt.Errorf("node %s has no way to %s: %w", n.name, a, unix.ENETUNREACH)
	}
	return routeEntry(found[0], n.namesByIndex()), nil
}

// namesByIndex are the names of the node's interfaces, as the harness has made them or,
// where somebody else may have, as the kernel says.
func (n *Node) namesByIndex() map[int]string {
	n.lab.TB.Helper()
	if n.entered.Load() || !n.lab.Untouched() {
		return linkNames(n.links())
	}
	names := map[int]string{loopbackIndex: "lo"}
	for _, p := range n.ports {
		names[p.index] = p.name
	}
	for _, b := range n.bridges {
		names[b.index] = b.name
	}
	for _, d := range n.devices {
		names[d.index] = d.name
	}
	return names
}

func routeEntry(r netlink.Route, names map[int]string) RouteEntry {
	e := RouteEntry{
		Destination: prefixOf(r.Dst), Gateway: addrOf(r.Gw), Device: names[r.LinkIndex], Source: addrOf(r.Src),
		Metric: r.Priority, Table: r.Table, Protocol: r.Protocol.String(), Scope: scopeName(r.Scope),
		Type: routeTypeName(r.Type), MTU: r.MTU,
		LinkDown: r.Flags&unix.RTNH_F_LINKDOWN != 0, Dead: r.Flags&unix.RTNH_F_DEAD != 0,
	}
	if !e.Destination.IsValid() {
		e.Destination = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if r.Family == netlink.FAMILY_V6 {
			e.Destination = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	}
	for _, h := range r.MultiPath {
		// The kernel counts weights from 0 (rtnh_hops).
		e.NextHops = append(e.NextHops, NextHop{
			Gateway: addrOf(h.Gw), Device: names[h.LinkIndex], Weight: h.Hops + 1,
			LinkDown: h.Flags&unix.RTNH_F_LINKDOWN != 0, Dead: h.Flags&unix.RTNH_F_DEAD != 0,
		})
	}
	if via, ok := r.Via.(*netlink.Via); ok {
		e.Gateway = addrOf(via.Addr)
	}
	return e
}

// routeTypeName is the name that ip-route(8) gives to an RTN_* value.
func routeTypeName(t int) string {
	names := map[int]string{
		unix.RTN_UNICAST: "unicast", unix.RTN_LOCAL: "local", unix.RTN_BROADCAST: "broadcast",
		unix.RTN_ANYCAST: "anycast", unix.RTN_MULTICAST: "multicast", unix.RTN_BLACKHOLE: "blackhole",
		unix.RTN_UNREACHABLE: "unreachable", unix.RTN_PROHIBIT: "prohibit", unix.RTN_THROW: "throw", unix.RTN_NAT: "nat",
	}
	if name, ok := names[t]; ok {
		return name
	}
	return fmt.Sprint(t)
}
