package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// reasons are what else the kernel says of the node where the packet ended:
// routes, neighbours, interfaces, switches, rules and counters.
func (r *reasoner) reasons(v Verdict) []string {
	n := r.Node(v.Node)
	var all []string
	say := func(format string, args ...any) { all = append(all, n.Name+": "+fmt.Sprintf(format, args...)) }
	if d, ok := r.dropped(&v); ok {
		say("%s", d)
	}
	for _, l := range r.Lookups {
		if l.Node != n.Name {
			continue
		}
		from := ""
		if l.Query.From.IsValid() {
			from = " from " + l.Query.From.String()
		}
		if l.Query.In != "" {
			from += " in by " + l.Query.In
		}
		if l.Query.Mark != 0 {
			from += fmt.Sprintf(" with mark 0x%x", l.Query.Mark)
		}
		if l.Query.Protocol != 0 {
			from += fmt.Sprintf(" of protocol %d port %d", l.Query.Protocol, l.Query.Port)
		}
		say("route to %s%s: %s", l.Query.To, from, l.Route)
	}
	for _, e := range n.Neighbors {
		if e.State == "FAILED" || e.State == "INCOMPLETE" || e.State == "PERMANENT" {
			say("neighbour %s", e)
		}
	}
	for i := range n.Links {
		l := &n.Links[i]
		if l.Name != "lo" && (!l.Up || l.NoCarrier || v.Seen != nil && v.Seen.Interface == l.Name) {
			all = append(all, l.text(n.Name))
		}
	}
	all = append(all, n.switches(r.Target.Is6())...)
	for _, rule := range n.Rules {
		if rule.Moved > 0 {
			say("rule %s: %d packets%s", rule.Text, rule.Moved, r.when())
		} else if rule.policy() {
			say("policy %s", rule.Text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.Moved)) {
		if telling(name) {
			say("counter %s +%d%s", name, n.Moved[name], r.when())
		}
	}
	for i, c := range n.Conntrack {
		if i == 3 {
			break
		}
		say("tracked: %s", c.Text)
	}
	return all
}

// when says since when something was counted.
func (f *Facts) when() string {
	if f.Repeated {
		return " when asked once more"
	}
	return " since the start"
}

// switches are the sysctls that decide about packets of the family, where they
// are not as in a plain host.
func (n *Node) switches(six bool) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(n.Sysctls)) {
		v := n.Sysctls[name]
		if strings.Contains(name, ".neigh.") || strings.Contains(name, "frag") {
			continue // told where they are the reason
		}
		if strings.Contains(name, "bridge") {
			if !n.bridges() || v == "0" || strings.Contains(name, "ip6") != six && !strings.Contains(name, "arp") {
				continue
			}
			all = append(all, fmt.Sprintf("%s: %s = %s", n.Name, name, v))
			continue
		}
		always := name == "net.ipv4.ip_forward" && !six || name == "net.ipv6.conf.all.forwarding" && six
		if (always || v != "0" && !strings.HasSuffix(name, "forwarding") && !strings.HasSuffix(name, "ip_forward")) && strings.Contains(name, "ipv6") == six {
			all = append(all, fmt.Sprintf("%s: %s = %s", n.Name, name, v))
		}
	}
	return all
}

// bridges tells whether there is a bridge in the node.
func (n *Node) bridges() bool {
	return slices.ContainsFunc(n.Links, func(l Link) bool { return l.Kind == "bridge" })
}

// telling tells whether a counter says more than that packets were there.
func telling(name string) bool {
	for _, dull := range []string{"IpDefaultTTL", "IpForwarding", "TcpRto", "Octets", "NoECTPkts", "InReceives", "OutRequests", "InDelivers", "InMsgs", "OutMsgs", "OutTransmits", "InType", "OutType", "ReasmReqds", "McastPkts", "TcpExtTCP", "TcpExtTW", "NeighborSolicits", "NeighborAdvertisements", "MLD"} {
		if strings.Contains(name, dull) {
			return false
		}
	}
	return true
}
