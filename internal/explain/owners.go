package explain

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/netrig/netrig/capture"
)

// Names says who has which address, for stories. Loopback addresses, which
// every node has, are nobody's.
func (f *Facts) Names() capture.Names {
	nodes, interfaces := map[netip.Addr][]string{}, map[string][]string{}
	for _, n := range f.Nodes {
		for _, l := range n.Links {
			for _, a := range l.Addresses {
				if ip := a.Prefix.Addr(); !ip.IsLoopback() && !slices.Contains(nodes[ip], n.Name) {
					nodes[ip] = append(nodes[ip], n.Name)
				}
			}
			// A bridge may borrow the address of a port of its own: that says no more.
			if own := n.Name + ":"; l.Name != "lo" && l.MAC != "" && (l.Kind != "bridge" || !slices.ContainsFunc(n.ports(l.Name), func(p *Link) bool { return p.MAC == l.MAC })) {
				interfaces[l.MAC] = append(interfaces[l.MAC], own+l.Name)
			}
		}
	}
	return capture.Names{
		Address: func(a netip.Addr) []string { return nodes[a.WithZone("")] },
		MAC:     func(a net.HardwareAddr) []string { return interfaces[a.String()] },
	}
}

// who is an address with the name of the node that has it.
func (f *Facts) who(a netip.Addr) string { return f.Names().Of(a) }

// whose is a hardware address with the name of the interface that has it.
func (f *Facts) whose(a net.HardwareAddr) string {
	who := f.Names().OfMAC(a)
	if !strings.Contains(who, a.String()) {
		who += " (" + a.String() + ")"
	}
	return who
}
