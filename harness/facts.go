package harness

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/netrig/netrig/internal/explain"
	"github.com/netrig/netrig/internal/link"
	"github.com/netrig/netrig/internal/try"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Tally is what the counters of a lab's nodes said at a time: those of SNMP,
// and those of the packet filters' rules.
type Tally struct {
	counters map[string]Counters
	rules    map[string][]RuleEntry
}

// tally reads the counters of a node. What it does not answer is left out.
func (n *Node) tally(ask func(what string, q func(n *Node))) (counters Counters, rules []RuleEntry) {
	ask("counters", func(n *Node) { counters = n.Counters() })
	ask("what interfaces dropped", func(n *Node) { n.addLosses(counters) })
	ask("counters of IPsec", func(n *Node) { n.addIPsec(counters) })
	ask("packet filter", func(n *Node) { rules = n.Rules() })
	if len(rules) > 0 { // without, nothing tracks connections
		ask("the connection tracking table", func(n *Node) { n.addUntracked(counters) })
	}
	return counters, rules
}

// addUntracked adds what was lost for want of room in the table of tracked
// connections.
func (n *Node) addUntracked(counters Counters) {
	t := n.ConntrackTable()
	if counters == nil || t.Dropped+t.EarlyDropped == 0 {
		return
	}
	counters[explain.ConntrackDrop], counters[explain.ConntrackEarlyDrop] = t.Dropped, t.EarlyDropped
}

// Facts asks the kernel everything that explanations rest on, node by node,
// and what its counters say, for Moved. It never fails the test: what is not
// answered is named in the facts.
func (l *Lab) Facts() (*explain.Facts, *Tally) {
	nodes := l.All()
	f := &explain.Facts{Nodes: make([]*explain.Node, len(nodes))}
	t := &Tally{map[string]Counters{}, map[string][]RuleEntry{}}
	place := map[string]int{}
	for i, n := range nodes {
		place[n.name] = i
	}
	var mu sync.Mutex
	l.eachQuietly(func(n *Node, ask func(what string, q func(n *Node))) {
		told := &explain.Node{Name: n.name, Unrecorded: !n.Recorded(), Sysctls: map[string]string{}}
		ask("interfaces", func(n *Node) { told.Links = n.linkFacts() })
		ask("neighbours", func(n *Node) { told.Neighbors = n.neighborFacts() })
		ask("routes", func(n *Node) {
			for _, r := range n.Routes() {
				told.Routes = append(told.Routes, r.String())
			}
		})
		ask("routing rules", func(n *Node) { told.Policy = n.policyFacts() })
		ask("forwarding databases", func(n *Node) { told.Forwarding = n.forwardingFacts() })
		ask("sysctls", func(n *Node) { n.sysctlFacts(told) })
		counters, rules := n.tally(ask)
		if len(rules) > 0 { // without, nothing tracks connections
			ask("tracked connections", func(n *Node) {
				told.Conntrack = n.conntrackFacts()
				told.ConntrackLimit = n.ConntrackTable().Limit
			})
		}
		if hasIPsec(counters) {
			ask("policies of IPsec", func(n *Node) { told.IPsec = n.ipsecFacts() })
		}
		told.Counters, told.Moved = counters, counters.Since(nil)
		told.Rules = ruleFacts(nil, rules)
		mu.Lock()
		defer mu.Unlock()
		f.Nodes[place[n.name]] = told
		t.counters[n.name], t.rules[n.name] = counters, rules
	}, func(text string) {
		mu.Lock()
		defer mu.Unlock()
		f.Errors = append(f.Errors, text)
	})
	l.addPeers(f, nodes)
	f.Ask = func(node string, q explain.Query) explain.Route {
		i, ok := place[node]
		if !ok {
			return explain.Route{Error: "ENODEV"}
		}
		return nodes[i].lookUp(q)
	}
	f.Listening = func(node string) (all []explain.Listener) {
		if i, ok := place[node]; ok {
			nodes[i].quietly(func(n *Node) { all = n.listeners() })
		}
		return all
	}
	return f, t
}

// Moved tells the facts what has moved since a tally; without it they hold
// what was counted since the nodes were made.
func (l *Lab) Moved(f *explain.Facts, before *Tally) {
	var mu sync.Mutex
	l.eachQuietly(func(n *Node, ask func(what string, q func(n *Node))) {
		counters, rules := n.tally(ask)
		mu.Lock()
		defer mu.Unlock()
		told := f.Node(n.name)
		told.Moved, told.Rules = counters.Since(before.counters[n.name]), ruleFacts(before.rules[n.name], rules)
	})
	f.Repeated = true
}

// eachQuietly calls f for every node, two at a time. What f asks goes to a
// shadow of the node, whose failures end the question and not the test; they
// go to failed, if there is one.
func (l *Lab) eachQuietly(f func(n *Node, ask func(what string, q func(n *Node))), failed ...func(text string)) {
	var wait sync.WaitGroup
	turns := make(chan struct{}, 2)
	for _, n := range l.All() {
		wait.Add(1)
		turns <- struct{}{}
		go func() {
			defer func() { <-turns; wait.Done() }()
			f(n, func(what string, q func(n *Node)) {
				r := n.quietly(q)
				if r.Failed || r.Panic != nil {
					for _, report := range failed {
						report(fmt.Sprintf("node %s: %s: %s", n.name, what, strings.TrimSpace(r.Log())))
					}
				}
			})
		}()
	}
	wait.Wait()
}

// quietly asks a shadow of the node, whose failures do not fail the test.
func (n *Node) quietly(q func(n *Node)) try.Result {
	return try.Run("facts", func(tb testing.TB) {
		shadow := &Lab{TB: tb, timers: n.lab.timers, backend: n.lab.backend}
		s := &Node{lab: shadow, name: n.name, base: n.base, rules: n.rules}
		s.entered.Store(true) // it knows nothing of what was done in the node
		defer func() {
			if n.rules == nil && s.rules != nil {
				_ = s.rules.Close()
			}
		}()
		q(s)
	})
}

// addLosses adds what interfaces and their queueing disciplines have dropped,
// as "veth0 rx dropped" and "veth0 clsact dropped".
func (n *Node) addLosses(counters Counters) {
	if counters == nil {
		return
	}
	links := n.links()
	for _, l := range links {
		i := interfaceOf(l)
		counters[i.Name+" rx dropped"], counters[i.Name+" tx dropped"] = i.Received.Dropped, i.Sent.Dropped
		counters[i.Name+" rx errors"], counters[i.Name+" tx errors"] = i.Received.Errors, i.Sent.Errors
	}
	names := linkNames(links)
	qdiscs, err := n.route.QdiscList(nil)
	n.must(err, "list the queueing disciplines")
	for _, q := range qdiscs {
		if s := q.Attrs().Statistics; s != nil && s.Queue != nil {
			counters[names[q.Attrs().LinkIndex]+" "+q.Type()+" dropped"] = uint64(s.Queue.Drops)
		}
	}
}

func (n *Node) linkFacts() []explain.Link {
	ports := map[string]BridgePort{}
	for _, p := range n.BridgePorts() {
		ports[p.Interface] = p
	}
	index, qdisc := map[int]netlink.Link{}, map[int]bool{}
	qdiscs, err := n.route.QdiscList(nil)
	n.must(err, "list the queueing disciplines")
	for _, q := range qdiscs {
		if q.Type() == "clsact" {
			qdisc[q.Attrs().LinkIndex] = true
		}
	}
	programs, silent, filters := map[string]bool{}, map[string]bool{}, map[string]bool{}
	links := n.links()
	names, parents := linkNames(links), map[string]string{}
	for _, l := range links {
		if a := l.Attrs(); l.Type() != "veth" && a.NetNsID < 0 {
			parents[a.Name] = names[a.ParentIndex]
		}
		index[l.Attrs().Index] = l
		silent[l.Attrs().Name] = l.Attrs().RawFlags&unix.IFF_NOARP != 0
		if b, ok := l.(*netlink.Bridge); ok && b.VlanFiltering != nil {
			filters[b.Name] = *b.VlanFiltering
		}
		if x := l.Attrs().Xdp; x != nil && x.Attached {
			programs[l.Attrs().Name] = true
		}
	}
	var all []explain.Link
	for _, i := range n.Interfaces() {
		e := explain.Link{
			Name: i.Name, Kind: i.Kind, Index: i.Index, MAC: i.MAC.String(), MTU: i.MTU, Up: i.Up(), NoCarrier: i.NoCarrier,
			OperState: i.OperState, Master: i.Master, PeerIndex: i.PeerIndex, PeerNetns: i.PeerNetns, Parent: parents[i.Name], XDP: programs[i.Name],
			NoARP: silent[i.Name] && i.Name != "lo", VLANs: filters[i.Name],
		}
		for _, a := range i.Addresses {
			e.Addresses = append(e.Addresses, explain.Address{Prefix: a.Prefix, Tentative: a.Tentative, DADFailed: a.DADFailed, LinkOnly: a.Scope == "link"})
		}
		if p, ok := ports[i.Name]; ok {
			e.Port = &explain.Port{
				State: p.State.String(), Hairpin: p.Hairpin, Isolated: p.Isolated, Learning: p.Learning,
				Flood: p.Flood, MulticastFlood: p.MulticastFlood, BroadcastFlood: p.BroadcastFlood, Locked: p.Locked,
			}
			if filters[i.Master] {
				for _, v := range n.portVLANs(i.Index) {
					e.Port.VLANs = append(e.Port.VLANs, int(v))
				}
			}
		}
		if qdisc[i.Index] {
			e.Control, e.Filters = n.controlled(index[i.Index], names)
		}
		all = append(all, e)
	}
	return all
}

// controlled are the ways of an interface at which filters of traffic control
// hang, and those filters that change packets or send them elsewhere.
func (n *Node) controlled(l netlink.Link, names map[int]string) (ways, filters []string) {
	for _, way := range []struct {
		name   string
		parent uint32
	}{{"ingress", netlink.HANDLE_MIN_INGRESS}, {"egress", netlink.HANDLE_MIN_EGRESS}} {
		list, err := n.route.FilterList(l, way.parent)
		n.must(err, "list the filters of traffic control")
		if len(list) > 0 {
			ways = append(ways, way.name)
		}
		for _, f := range list {
			for _, a := range actionsOf(f) {
				if text := actionText(a, names); text != "" {
					filters = append(filters, way.name+" "+f.Type()+" action "+text)
				}
			}
		}
	}
	return ways, filters
}

func actionsOf(f netlink.Filter) []netlink.Action {
	switch f := f.(type) {
	case *netlink.U32:
		return f.Actions
	case *netlink.MatchAll:
		return f.Actions
	case *netlink.Flower:
		return f.Actions
	case *netlink.FwFilter:
		return nil // the library does not read them
	}
	return nil
}

// actionText is an action as tc(8) prints it, "" for one that neither changes a
// packet nor sends it elsewhere.
func actionText(a netlink.Action, names map[int]string) string {
	switch a := a.(type) {
	case *netlink.MirredAction:
		// TCA_EGRESS_REDIR and so on of include/uapi/linux/tc_act/tc_mirred.h.
		words := map[netlink.MirredAct]string{1: "egress redirect", 2: "egress mirror", 3: "ingress redirect", 4: "ingress mirror"}
		return "mirred " + words[a.MirredAction] + " dev " + names[a.Ifindex]
	case *netlink.SkbEditAction:
		if a.Mark != nil {
			return fmt.Sprintf("skbedit mark 0x%x", *a.Mark)
		}
	case *netlink.PeditAction:
		return "pedit"
	case *netlink.VlanAction:
		return "vlan"
	case *netlink.TunnelKeyAction:
		return "tunnel_key"
	}
	return ""
}

// portVLANs are the VLANs that pass a bridge port.
func (n *Node) portVLANs(index int) []uint16 {
	var ids []uint16
	all, err := n.route.BridgeVlanList()
	n.must(err, "list the VLANs of bridge ports")
	for _, v := range all[int32(index)] {
		ids = append(ids, v.Vid)
	}
	return ids
}

func (n *Node) neighborFacts() []explain.Neighbor {
	var all []explain.Neighbor
	for _, e := range n.Neighbors() {
		all = append(all, explain.Neighbor{Addr: e.Addr, Interface: e.Interface, MAC: e.MAC.String(), State: e.State.String()})
	}
	return all
}

func (n *Node) forwardingFacts() []explain.Forwarding {
	var all []explain.Forwarding
	for _, e := range n.ForwardingDatabase() {
		all = append(all, explain.Forwarding{MAC: e.MAC.String(), Interface: e.Interface, Bridge: e.Bridge, Permanent: e.Permanent})
	}
	return all
}

// policyFacts are the rules of policy routing that somebody has added.
func (n *Node) policyFacts() []explain.PolicyRule {
	var all []explain.PolicyRule
	list, err := n.raw.RoutingRules()
	n.must(err, "list the routing rules")
	for _, r := range list {
		e := routingRuleEntry(r)
		if e.Type == "" && (e.Priority == 0 || e.Priority >= 32766) && e.Mask == 0 && e.Other == "" {
			continue
		}
		p := explain.PolicyRule{Text: e.String(), IPv6: e.IPv6, Not: e.Not, Mark: e.Mark, Mask: e.Mask, In: e.In, Type: e.Type,
			Protocol: r.Protocol, SourcePorts: explain.PortRange(r.SourcePorts), Ports: explain.PortRange(r.Ports),
		}
		p.From, _ = netip.ParsePrefix(e.From)
		p.To, _ = netip.ParsePrefix(e.To)
		all = append(all, p)
	}
	return all
}

func (n *Node) conntrackFacts() []explain.Connection {
	var all []explain.Connection
	for _, c := range n.Conntrack() {
		all = append(all, explain.Connection{
			Text: c.String(), Protocol: c.Protocol, From: c.Original.Source, To: c.Original.Destination,
			ReplyFrom: c.Reply.Source, ReplyTo: c.Reply.Destination,
		})
	}
	return all
}

// ruleFacts are a node's rules with what each counted since earlier.
func ruleFacts(before, after []RuleEntry) []explain.Rule {
	earlier := map[string][]uint64{}
	for _, r := range before {
		earlier[r.Text] = append(earlier[r.Text], r.Packets)
	}
	var all []explain.Rule
	for _, r := range after {
		e := explain.Rule{Text: r.Text, Hooks: r.Hooks, Counted: r.Counted, Packets: r.Packets, Moved: r.Packets}
		// The same text twice are rules of two families, or one that was typed
		// twice: they stand in the same order both times.
		if was := earlier[r.Text]; len(was) > 0 {
			e.Moved -= min(was[0], r.Packets)
			earlier[r.Text] = was[1:]
		}
		all = append(all, e)
	}
	return all
}

// switches are the sysctls that explanations look at: of the node, and of each
// interface.
var (
	switches = []string{
		"ipv4/ip_forward", "ipv4/icmp_echo_ignore_all", "ipv6/icmp/echo_ignore_all", "ipv6/conf/all/forwarding",
		"bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables", "bridge/bridge-nf-call-arptables",
		"ipv4/ipfrag_high_thresh", "ipv6/ip6frag_high_thresh", "netfilter/nf_conntrack_frag6_high_thresh",
	}
	interfaceSwitches = []string{"ipv4/conf/%s/forwarding", "ipv4/conf/%s/rp_filter", "ipv4/conf/%s/arp_ignore", "ipv4/conf/%s/arp_filter", "ipv4/conf/%s/accept_local", "ipv4/conf/%s/route_localnet", "ipv6/conf/%s/disable_ipv6",
		// What RTM_GETNEIGHTBL tells of an interface's timers, and no more than is
		// asked of it.
		"ipv4/neigh/%s/mcast_solicit", "ipv4/neigh/%s/app_solicit", "ipv6/neigh/%s/mcast_solicit", "ipv6/neigh/%s/app_solicit"}
)

func (n *Node) sysctlFacts(told *explain.Node) {
	paths := append([]string(nil), switches...)
	for _, name := range append([]string{"all"}, linkNamesOf(told)...) {
		for _, format := range interfaceSwitches {
			paths = append(paths, fmt.Sprintf(format, name))
		}
	}
	n.must(n.space.Do(func() error {
		files := sysctlFiles{proc: n.proc}
		defer files.close()
		for _, path := range paths {
			if value, err := files.read(path); err == nil {
				told.Sysctls["net."+strings.ReplaceAll(path, "/", ".")] = value
			}
		}
		return nil
	}), "read the sysctls")
}

func linkNamesOf(told *explain.Node) []string {
	var names []string
	for _, l := range told.Links {
		names = append(names, l.Name)
	}
	return names
}

// redirected tells whether a route is of an ICMP redirect: IPv4 marks the
// exception (RTCF_REDIRECTED of include/uapi/linux/in_route.h), IPv6 says who
// made the route.
func redirected(r netlink.Route) bool {
	const marked = 0x00040000
	return r.Flags&marked != 0 || r.Protocol == unix.RTPROT_REDIRECT
}

// lookUp asks the kernel for a route, as for a packet of the node's own or one
// that came in.
func (n *Node) lookUp(q explain.Query) explain.Route {
	options := &netlink.RouteGetOptions{Mark: q.Mark}
	if q.From.IsValid() {
		options.SrcAddr = q.From.AsSlice()
	}
	names := map[int]string{}
	if links, err := n.route.LinkList(); err == nil {
		names = linkNames(links)
	}
	for index, name := range names {
		if name == q.In && q.In != "" {
			options.IifIndex = index
		}
	}
	var found []netlink.Route
	var err error
	if q.Protocol == 0 {
		found, err = n.route.RouteGetWithOptions(q.To.AsSlice(), options)
	} else {
		var r netlink.Route
		r, err = n.raw.LookUp(link.Flow{To: q.To, From: q.From, In: options.IifIndex, Mark: q.Mark, Protocol: q.Protocol, SourcePort: q.SourcePort, DestinationPort: q.Port})
		found = []netlink.Route{r}
	}
	var errno unix.Errno
	switch {
	case errors.As(err, &errno):
		return explain.Route{Error: unix.ErrnoName(errno)}
	case err != nil:
		return explain.Route{Error: err.Error()}
	case len(found) == 0:
		return explain.Route{Error: "ENETUNREACH"}
	}
	e := routeEntry(found[0], names)
	text := e.String()
	if e.Destination.Bits() == 0 || e.Destination.Addr() == (netip.Addr{}) {
		text = strings.Replace(text, "default", q.To.String(), 1)
	}
	text = strings.Replace(text, " proto unspec", "", 1)
	return explain.Route{Type: e.Type, Gateway: e.Gateway, Device: e.Device, Source: e.Source, MTU: e.MTU, Text: text, Redirected: redirected(found[0])}
}
