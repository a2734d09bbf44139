package harness

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AddNeighbor writes a permanent entry into the node's neighbour table: no ARP
// or neighbour discovery asks for this address any more. An IPv6 address
// switches IPv6 on in the node.
func (n *Node) AddNeighbor(iface, address string, mac net.HardwareAddr) {
	n.lab.TB.Helper()
	a, err := parseAddr("the neighbour", address)
	n.must(err, "interface %s", iface)
	if len(mac) != 6 {
		n.fatalf("interface %s: add the neighbour %s: %q is no hardware address", iface, a, mac)
	}
	if a.Is6() {
		n.enableIPv6()
	}
	index := n.linkIndex(iface)
	err = n.route.NeighSet(&netlink.Neigh{
		LinkIndex: index, Family: netlinkFamily(a), State: netlink.NUD_PERMANENT,
		IP: a.AsSlice(), HardwareAddr: mac,
	})
	n.must(n.ipv6Hint(index, a, err), "add the neighbour %s (%s) on %s", a, mac, iface)
	n.did("%s at %s on %s", a, mac, iface)
}

// DelNeighbor removes an entry from the node's neighbour table.
func (n *Node) DelNeighbor(iface, address string) {
	n.lab.TB.Helper()
	a, err := parseAddr("the neighbour", address)
	n.must(err, "interface %s", iface)
	err = n.route.NeighDel(&netlink.Neigh{LinkIndex: n.linkIndex(iface), Family: netlinkFamily(a), IP: a.AsSlice()})
	if errors.Is(err, unix.ENOENT) {
		err = fmt.Errorf("%w: the table has no such entry", err)
	}
	n.must(err, "remove the neighbour %s on %s", a, iface)
	n.did("%s on %s", a, iface)
}

// FlushNeighbors forgets every learned neighbour of the node, so that the next
// packet to each has to ask again. Permanent entries stay, as with
// `ip neigh flush all`.
func (n *Node) FlushNeighbors() {
	n.lab.TB.Helper()
	for _, e := range n.Neighbors() {
		if e.State == NeighborPermanent || e.State == NeighborNoARP {
			continue
		}
		err := n.route.NeighDel(&netlink.Neigh{LinkIndex: e.index, Family: netlinkFamily(e.Addr), IP: e.Addr.AsSlice()})
		if err != nil && !errors.Is(err, unix.ENOENT) { // ENOENT: gone by itself meanwhile
			n.must(err, "remove the neighbour %s on %s", e.Addr, e.Interface)
		}
	}
	n.did("")
}

// PermanentNeighbors writes permanent entries for every pair of ports that can
// reach each other without a router: nodes on one cable, or on one bridge
// (through any number of bridges of the lab). A lab of more than some twenty
// nodes that all talk to each other needs it: the kernel's neighbour table is
// one for all namespaces of the machine, full at
// net.ipv4.neigh.default.gc_thresh3 (1024), and permanent entries don't count.
//
// It knows the cables that are there and the addresses that the interfaces
// have when it is called.
func (l *Lab) PermanentNeighbors() {
	l.TB.Helper()
	for _, segment := range l.segments() {
		for _, from := range segment {
			for _, to := range segment {
				if from.node == to.node {
					continue
				}
				for _, prefix := range to.addresses {
					if prefix.Addr().Is6() && !from.node.ipv6 {
						continue // it talks to nobody by IPv6, and is not to begin with it
					}
					from.node.AddNeighbor(from.name, prefix.Addr().String(), to.mac)
				}
			}
		}
	}
}

// segments groups the interfaces with addresses by the broadcast domain that
// they are in.
func (l *Lab) segments() [][]*Port {
	group := map[any]any{} // union-find over bridges and ports
	var root func(x any) any
	root = func(x any) any {
		if up, ok := group[x]; ok && up != x {
			r := root(up)
			group[x] = r
			return r
		}
		return x
	}
	domain := func(p *Port) any {
		if p.bridge != nil {
			return p.bridge
		}
		return p
	}
	for _, n := range l.nodes {
		for _, p := range n.ports {
			if p.peer != nil {
				group[root(domain(p))] = root(domain(p.peer))
			}
		}
	}
	members := map[any][]*Port{}
	var order []any
	add := func(key any, p *Port) {
		if _, seen := members[key]; !seen {
			order = append(order, key)
		}
		members[key] = append(members[key], p)
	}
	for _, n := range l.nodes {
		addresses := n.globalAddresses() // as the kernel has them now, not as declared
		for _, p := range n.ports {
			if p.peer != nil && p.bridge == nil && len(addresses[p.index]) > 0 {
				add(root(domain(p)), &Port{node: n, name: p.name, mac: p.mac, index: p.index, addresses: addresses[p.index]})
			}
		}
		for _, b := range n.bridges {
			if len(addresses[b.index]) > 0 {
				add(root(b), &Port{node: n, name: b.name, mac: b.mac, index: b.index, addresses: addresses[b.index]})
			}
		}
	}
	segments := make([][]*Port, len(order))
	for i, key := range order {
		segments[i] = members[key]
	}
	return segments
}
