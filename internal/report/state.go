package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/explain"
)

// state is what the kernel said at one time, as the page takes it: for each node
// groups of lines, each with a key by which it is found in another state.
type state struct {
	When  string      `json:"when"`
	Nodes []nodeState `json:"nodes"`
}

type nodeState struct {
	Name   string  `json:"name"`
	Groups []group `json:"groups"`
}

type group struct {
	Title string      `json:"title"`
	Lines [][2]string `json:"lines"` // key and text
}

func (g *group) add(key, format string, args ...any) {
	g.Lines = append(g.Lines, [2]string{key, fmt.Sprintf(format, args...)})
}

// states are those of a set, the earliest first.
func (s *set) states() []state {
	var all []state
	for _, at := range s.before {
		all = append(all, stateOf("at the beginning of “"+at.Step+"”", at.Facts))
	}
	if s.facts != nil {
		all = append(all, stateOf(map[bool]string{true: "after the failure", false: "at the end"}[len(s.test.Failures) > 0], s.facts))
	}
	return all
}

func stateOf(when string, f *explain.Facts) state {
	st := state{When: when}
	for _, n := range f.Nodes {
		if n == nil {
			continue
		}
		told := nodeState{Name: n.Name}
		for _, g := range []group{linksOf(n), routesOf(n), neighborsOf(n), forwardingOf(n), rulesOf(n), connectionsOf(n), sysctlsOf(n), countersOf(n)} {
			if len(g.Lines) > 0 {
				told.Groups = append(told.Groups, g)
			}
		}
		st.Nodes = append(st.Nodes, told)
	}
	if len(f.Errors) > 0 {
		g := group{Title: "not answered"}
		for _, e := range f.Errors {
			g.add(e, "%s", e)
		}
		st.Nodes = append(st.Nodes, nodeState{"the kernel", []group{g}})
	}
	return st
}

func linksOf(n *explain.Node) group {
	g := group{Title: "interfaces"}
	for _, l := range n.Links {
		parts := []string{l.Name}
		add := func(is bool, format string, args ...any) {
			if is {
				parts = append(parts, fmt.Sprintf(format, args...))
			}
		}
		add(l.Up, "up")
		add(!l.Up, "down")
		add(l.NoCarrier && l.Up, "no carrier")
		add(l.Kind != "", "%s", l.Kind)
		add(true, "MTU %d", l.MTU)
		add(l.MAC != "" && l.Name != "lo", "%s", l.MAC)
		add(l.Peer != "", "cable to %s", l.Peer)
		add(l.Master != "", "port of %s", l.Master)
		add(l.NoARP, "no ARP")
		add(l.XDP, "an XDP program")
		add(l.VLANs, "filters by VLAN")
		if p := l.Port; p != nil {
			add(p.State != "", "%s", p.State)
			add(p.Hairpin, "hairpin")
			add(p.Isolated, "isolated")
			add(!p.Learning, "does not learn")
			add(!p.Flood, "does not flood")
			add(len(p.VLANs) > 0, "VLANs %v", p.VLANs)
		}
		g.add(l.Name, "%s", strings.Join(parts, ", "))
		for i, f := range l.Filters { // the same one may hang there twice
			g.add(fmt.Sprint(l.Name, " filter ", i), "    traffic control: %s", f)
		}
		for _, a := range l.Addresses {
			text := a.Prefix.String()
			if a.Tentative {
				text += ", tentative"
			}
			if a.DADFailed {
				text += ", a duplicate"
			}
			g.add(l.Name+" "+a.Prefix.String(), "    %s", text)
		}
	}
	return g
}

func routesOf(n *explain.Node) group {
	g := group{Title: "routes"}
	for _, r := range n.Routes {
		g.add(r, "%s", r)
	}
	for _, p := range n.Policy {
		family := map[bool]string{false: "IPv4", true: "IPv6"}[p.IPv6]
		g.add("rule "+family+p.Text, "rule of %s %s", family, p.Text)
	}
	for _, p := range n.IPsec {
		g.add(fmt.Sprint("policy ", p.Direction, p.Text), "policy of IPsec %s", p.Text)
	}
	return g
}

func neighborsOf(n *explain.Node) group {
	g := group{Title: "neighbours"}
	for _, e := range n.Neighbors {
		g.add(e.Addr.String()+" "+e.Interface, "%s dev %s %s %s", e.Addr, e.Interface, e.MAC, e.State)
	}
	return g
}

func forwardingOf(n *explain.Node) group {
	g := group{Title: "forwarding database"}
	for _, e := range n.Forwarding {
		text := fmt.Sprintf("%s behind %s", e.MAC, e.Interface)
		if e.Bridge != "" {
			text += " of " + e.Bridge
		}
		if e.Permanent {
			text += ", permanent"
		}
		g.add(e.MAC+" "+e.Interface+" "+e.Bridge, "%s", text)
	}
	return g
}

func rulesOf(n *explain.Node) group {
	g := group{Title: "packet filter"}
	times := map[string]int{}
	for _, r := range n.Rules {
		times[r.Text]++
		text := r.Text
		if r.Counted {
			text += fmt.Sprintf("  (%d packets)", r.Packets)
		}
		g.add(fmt.Sprint(r.Text, times[r.Text]), "%s", text)
	}
	return g
}

func connectionsOf(n *explain.Node) group {
	g := group{Title: "tracked connections"}
	for _, c := range n.Conntrack {
		g.add(fmt.Sprint(c.Protocol, c.From, c.To), "%s", c.Text)
	}
	return g
}

func sysctlsOf(n *explain.Node) group {
	g := group{Title: "sysctls"}
	for _, name := range slices.Sorted(maps.Keys(n.Sysctls)) {
		g.add(name, "%s = %s", name, n.Sysctls[name])
	}
	return g
}

func countersOf(n *explain.Node) group {
	g := group{Title: "counters"}
	for _, name := range slices.Sorted(maps.Keys(n.Counters)) {
		if v := n.Counters[name]; v != 0 {
			g.add(name, "%s = %d", name, v)
		}
	}
	return g
}

// namesOf are the lab's names for addresses: of a MAC the interface, of an IP
// address the node. One that several nodes have stands for itself.
func (s *set) namesOf() map[string]string {
	names := map[string]string{}
	add := func(address, name string) {
		switch had, known := names[address]; {
		case address == "" || address == "00:00:00:00:00:00":
		case known && had != name:
			names[address] = ""
		default:
			names[address] = name
		}
	}
	var all []*explain.Facts
	for _, at := range s.before {
		all = append(all, at.Facts)
	}
	if s.facts != nil {
		all = append(all, s.facts)
	}
	for _, f := range all {
		for _, n := range f.Nodes {
			if n == nil {
				continue
			}
			for _, l := range n.Links {
				add(l.MAC, n.Name+":"+l.Name)
				for _, a := range l.Addresses {
					if !a.Prefix.Addr().IsLoopback() {
						add(a.Prefix.Addr().String(), n.Name)
					}
				}
			}
		}
	}
	maps.DeleteFunc(names, func(_, name string) bool { return name == "" })
	return names
}
