package harness

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RouteOption adds to a route what its destination and gateway don't say.
type RouteOption func(*Node, *netlink.Route) error

// Device names the interface that the route leaves by. With no gateway the
// destination is then taken to be on the link itself.
func Device(name string) RouteOption {
	return func(n *Node, r *netlink.Route) error {
		n.lab.TB.Helper()
		r.LinkIndex = n.linkIndex(name)
		return nil
	}
}

// Metric is the route's priority: of two routes to the same destination the
// lower metric wins. IPv6 takes 1024 without, IPv4 0.
func Metric(metric int) RouteOption {
	return func(_ *Node, r *netlink.Route) error {
		r.Priority = metric
		return within("metric", metric, 0, math.MaxUint32)
	}
}

// OnLink has the kernel believe that the gateway is on the link, although no
// address of the node covers it. It needs Device.
func OnLink() RouteOption {
	return func(_ *Node, r *netlink.Route) error { r.Flags |= int(netlink.FLAG_ONLINK); return nil }
}

// PreferredSource is the source address of packets that take the route and
// have none yet.
func PreferredSource(addr string) RouteOption {
	return func(_ *Node, r *netlink.Route) error {
		a, err := parseAddr("the preferred source", addr)
		if err == nil && netlinkFamily(a) != r.Family {
			err = fmt.Errorf("the preferred source %s is not of the family of the destination", a)
		}
		r.Src = a.AsSlice()
		return err
	}
}

// Hop adds one way of a multipath route, which has no gateway of its own: a
// gateway, by the device that it is on link with or one that is named, and its
// share of the flows, a weight from 1 to 256. Which flow takes which way is
// decided by a hash (net.ipv4.fib_multipath_hash_policy, net.ipv6 likewise).
func Hop(gateway, device string, weight int) RouteOption {
	return func(n *Node, r *netlink.Route) error {
		n.lab.TB.Helper()
		hop := &netlink.NexthopInfo{Hops: weight - 1}
		if err := within("weight", weight, 1, 256); err != nil {
			return err
		}
		if gateway == "" && device == "" {
			return errors.New("a hop needs a gateway or a device")
		}
		if gateway != "" {
			via, err := parseAddr("the gateway", gateway)
			if err == nil {
				err = checkGateway(via)
			}
			if err == nil && netlinkFamily(via) != r.Family {
				err = fmt.Errorf("the gateway %s is not of the family of the destination", via)
			}
			if err != nil {
				return err
			}
			hop.Gw = via.AsSlice()
		}
		if device != "" {
			hop.LinkIndex = n.linkIndex(device)
		}
		r.MultiPath = append(r.MultiPath, hop)
		return nil
	}
}

// Table puts the route into a routing table other than the main one (254).
func Table(id int) RouteOption {
	return func(_ *Node, r *netlink.Route) error {
		r.Table = id
		return within("table", id, 1, math.MaxUint32)
	}
}

// maxRouteMTU is above which the kernel takes this instead (ip_metrics_convert,
// net/ipv4/metrics.c).
const maxRouteMTU = 65535 - 15

// RouteMTU is the largest packet, in bytes, that the route takes: 68 to 65520.
func RouteMTU(bytes int) RouteOption {
	return func(_ *Node, r *netlink.Route) error {
		r.MTU = bytes
		return within("MTU", bytes, 68, maxRouteMTU)
	}
}

// within refuses numbers that the kernel would take for others: it counts in 32
// bits, and what is above would be cut in silence.
func within(what string, value int, least, most uint64) error {
	if value < 0 || uint64(value) < least || uint64(value) > most {
		return fmt.Errorf("a %s of %d is not between %d and %d", what, value, least, most)
	}
	return nil
}

// RouteType makes it a route that refuses: "blackhole" (drops in silence),
// "unreachable" (ICMP host unreachable) or "prohibit" (ICMP administratively
// prohibited).
func RouteType(name string) RouteOption {
	return func(_ *Node, r *netlink.Route) error {
		kinds := map[string]int{"blackhole": unix.RTN_BLACKHOLE, "unreachable": unix.RTN_UNREACHABLE, "prohibit": unix.RTN_PROHIBIT, "unicast": unix.RTN_UNICAST}
		kind, ok := kinds[name]
		if !ok {
			return fmt.Errorf("the route type %q is not blackhole, unreachable, prohibit or unicast", name)
		}
		r.Type = kind
		return nil
	}
}

// AddRoute adds a route to a prefix ("192.168.1.0/24"), an address
// ("192.168.1.2") or "default" (that of the gateway's family; IPv4 when there
// is no gateway; "::/0" says IPv6). The gateway is "" for a route that only
// names a device.
func (n *Node) AddRoute(destination, gateway string, options ...RouteOption) {
	n.lab.TB.Helper()
	n.must(n.TryAddRoute(destination, gateway, options...), "add the route %s", describeRoute(destination, gateway))
}

// TryAddRoute is AddRoute for a test about a route that the kernel refuses, and
// returns the kernel's error: EEXIST for a destination that has a route of this
// metric already, ENETUNREACH (of IPv6 EHOSTUNREACH) for a gateway that is not
// on link, ENETDOWN for an interface that is down. What can't be a route at all
// still fails the test.
func (n *Node) TryAddRoute(destination, gateway string, options ...RouteOption) error {
	n.lab.TB.Helper()
	r := n.wayTo(destination, gateway, options)
	err := n.routeHint(r, n.route.RouteAdd(r))
	n.didRoute(r, err)
	return err
}

// ReplaceRoute adds a route, or puts it in the place of the one with the same
// destination and metric.
func (n *Node) ReplaceRoute(destination, gateway string, options ...RouteOption) {
	n.lab.TB.Helper()
	r := n.wayTo(destination, gateway, options)
	n.must(n.routeHint(r, n.route.RouteReplace(r)), "replace the route %s", describeRoute(destination, gateway))
	n.didRoute(r, nil)
}

// DelRoute removes a route. The gateway and the options may say which, where
// there are several to the destination.
func (n *Node) DelRoute(destination, gateway string, options ...RouteOption) {
	n.lab.TB.Helper()
	r := n.buildRoute(destination, gateway, options)
	n.must(n.routeHint(r, n.route.RouteDel(r)), "remove the route %s", describeRoute(destination, gateway))
	n.didRoute(r, nil)
}

// AddDefaultRoute adds the default route of the gateway's family.
func (n *Node) AddDefaultRoute(gateway string, options ...RouteOption) {
	n.lab.TB.Helper()
	n.AddRoute("default", gateway, options...)
}

// didRoute notes in the lab's journal what was done about a route.
func (n *Node) didRoute(r *netlink.Route, err error) {
	if n.lab.journal == nil {
		return
	}
	n.lab.TB.Helper()
	text := routeEntry(*r, n.namesByIndex()).asTyped()
	if err != nil {
		text += ", which the kernel refused"
	}
	n.did("%s", text)
}

// wayTo is a route that is to be made, and so has to lead somewhere.
func (n *Node) wayTo(destination, gateway string, options []RouteOption) *netlink.Route {
	n.lab.TB.Helper()
	r := n.buildRoute(destination, gateway, options)
	what := describeRoute(destination, gateway)
	switch {
	case r.Type != unix.RTN_UNICAST && (gateway != "" || r.LinkIndex != 0):
		n.fatalf("route %s: one that refuses (harness.RouteType) leads nowhere: it has neither gateway nor device", what)
	case len(r.MultiPath) > 0 && (gateway != "" || r.LinkIndex != 0 || r.Type != unix.RTN_UNICAST):
		n.fatalf("route %s: one with several ways (harness.Hop) has neither gateway nor device nor type of its own", what)
	case gateway == "" && r.LinkIndex == 0 && r.Type == unix.RTN_UNICAST && r.MultiPath == nil:
		n.fatalf("route %s: it needs a gateway, or harness.Device, or harness.Hop", what)
	case r.Flags&int(netlink.FLAG_ONLINK) != 0 && r.LinkIndex == 0:
		n.fatalf("route %s: harness.OnLink needs harness.Device, which says on which link", what)
	}
	return r
}

func (n *Node) buildRoute(destination, gateway string, options []RouteOption) *netlink.Route {
	n.lab.TB.Helper()
	what := "route " + describeRoute(destination, gateway)
	var via netip.Addr
	var err error
	if gateway != "" {
		via, err = parseAddr("the gateway", gateway)
		n.must(err, "%s", what)
		n.must(checkGateway(via), "%s", what)
	}
	dst, err := parseDestination(destination, via)
	n.must(err, "%s", what)
	if dst.Addr().Is6() && via.Is4() {
		n.fatalf("%s: an IPv6 route can't have an IPv4 gateway", what)
	}
	r := &netlink.Route{Dst: ipNet(dst), Family: netlink.FAMILY_V4, Type: unix.RTN_UNICAST}
	if dst.Addr().Is6() {
		r.Family = netlink.FAMILY_V6
		n.enableIPv6()
	}
	if via.IsValid() {
		if via.Is4() == dst.Addr().Is4() {
			r.Gw = via.AsSlice()
		} else {
			r.Via = &netlink.Via{AddrFamily: netlinkFamily(via), Addr: via.AsSlice()}
		}
	}
	for i, o := range options {
		if o == nil {
			n.fatalf("%s: option %d is nil", what, i+1)
		}
		n.must(o(n, r), "%s", what)
	}
	if r.LinkIndex != 0 && gateway == "" && r.Family == netlink.FAMILY_V4 {
		r.Scope = netlink.SCOPE_LINK
	}
	return r
}

// checkGateway refuses addresses that no router is asked by.
func checkGateway(a netip.Addr) error {
	switch {
	case a.Zone() != "":
		return fmt.Errorf("the gateway %s has a zone; a route takes the interface apart from the address: %q with harness.Device(%q)", a, a.WithZone(""), a.Zone())
	case a.IsUnspecified():
		return fmt.Errorf("the gateway %s stands for no address; for a route without a gateway leave it empty, with harness.Device", a)
	}
	return nil
}

func parseDestination(text string, gateway netip.Addr) (netip.Prefix, error) {
	if text == "default" {
		if gateway.Is6() {
			return netip.PrefixFrom(netip.IPv6Unspecified(), 0), nil
		}
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), nil
	}
	if !strings.Contains(text, "/") {
		a, err := parseAddr("the destination", text)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("the destination %q is neither a prefix such as 192.168.1.0/24 nor an address nor \"default\"", text)
	}
	if p != p.Masked() {
		return p, fmt.Errorf("the destination %s has bits set beyond its prefix length; %s is the network", p, p.Masked())
	}
	return p, nil
}

func netlinkFamily(a netip.Addr) int {
	if a.Is4() {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}

func describeRoute(destination, gateway string) string {
	if gateway == "" {
		return destination
	}
	return destination + " via " + gateway
}

// routeHint adds to the kernel's reason what it leaves out.
func (n *Node) routeHint(r *netlink.Route, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("%w: the node has a route to that destination with the same metric already: %s", err, n.routesTo(r.Dst))
	case errors.Is(err, unix.ESRCH):
		return fmt.Errorf("%w: there is no such route: %s", err, n.routesTo(r.Dst))
	// IPv4 says ENETUNREACH, IPv6 EHOSTUNREACH or, for one's own address, EINVAL.
	case r.MultiPath != nil && (errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH)):
		return fmt.Errorf("%w: a gateway of harness.Hop is not on link: the node's addresses are %s", err, n.addressList())
	case r.Gw != nil && (errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH)):
		return fmt.Errorf("%w: the gateway %s is not on link: the node's addresses are %s (harness.OnLink with harness.Device forces it)", err, r.Gw, n.addressList())
	case errors.Is(err, unix.ENETDOWN):
		return fmt.Errorf("%w: the interface is down", err)
	case errors.Is(err, unix.EINVAL) && r.Src != nil && !n.has(r.Src):
		return fmt.Errorf("%w: the preferred source %s is not an address of the node, which has %s", err, r.Src, n.addressList())
	case errors.Is(err, unix.EINVAL) && r.Gw != nil && n.has(r.Gw):
		return fmt.Errorf("%w: the gateway %s is the node's own address", err, r.Gw)
	}
	return err
}

// has tells whether an address is the node's own.
func (n *Node) has(ip net.IP) bool {
	n.lab.TB.Helper()
	for _, i := range n.Interfaces() {
		for _, a := range i.Addresses {
			if a.Prefix.Addr() == addrOf(ip) {
				return true
			}
		}
	}
	return false
}

func (n *Node) routesTo(dst *net.IPNet) string {
	var found []string
	for _, r := range n.Routes() {
		if r.Destination == prefixOf(dst) {
			found = append(found, r.String())
		}
	}
	if found == nil {
		return "the node has none to " + dst.String()
	}
	return strings.Join(found, ", ")
}

func (n *Node) addressList() string {
	var all []string
	for _, i := range n.Interfaces() {
		for _, a := range i.Addresses {
			all = append(all, a.Prefix.String()+" on "+i.Name)
		}
	}
	if all == nil {
		return "none"
	}
	return strings.Join(all, ", ")
}
