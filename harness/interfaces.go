package harness

import (
	"fmt"
	"net"
	"net/netip"
	"sort"
	"strings"

	"github.com/netrig/netrig/internal/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Interface is what the kernel says of a network interface.
type Interface struct {
	Name  string
	Index int
	// Kind is the driver's: "veth", "bridge", "vlan", ...; "device" for lo.
	Kind      string
	MAC       net.HardwareAddr
	MTU       int // bytes
	Flags     net.Flags
	NoCarrier bool // up, but nothing at the other end (NO-CARRIER of ip-link(8))
	// OperState is the operational state of RFC 2863, as ip-link(8) prints it:
	// "up", "down", "lowerlayerdown", "unknown", ...
	OperState string
	Master    string // the bridge that the interface is a port of; "" for none
	// PeerIndex is the index of a veth's other end, in the namespace that the
	// kernel calls PeerNetns (link-netnsid, -1 for the node's own; see
	// Node.NetnsID).
	PeerIndex int
	PeerNetns int
	Addresses []InterfaceAddress
	Received  Traffic
	Sent      Traffic
}

// Up tells whether the interface is set up (administratively).
func (i Interface) Up() bool { return i.Flags&net.FlagUp != 0 }

// Traffic counts what passed an interface in one direction.
type Traffic struct{ Packets, Bytes, Errors, Dropped uint64 }

// InterfaceAddress is an address of an interface.
type InterfaceAddress struct {
	Prefix netip.Prefix
	Scope  string // "global", "link" or "host"
	// Tentative: duplicate address detection has not ended yet, so the address
	// can't be used (RFC 4862). DADFailed: somebody else has it.
	Tentative, DADFailed bool
}

// Interfaces are the node's interfaces, by index. With tunnel modules loaded
// on the machine, a namespace has more of them than the test made (sit0,
// tunl0, ...): look for names, don't count.
func (n *Node) Interfaces() []Interface {
	n.lab.TB.Helper()
	links := n.links()
	var addrs []netlink.Addr
	err := link.Retry(func() (err error) { addrs, err = n.route.AddrList(nil, netlink.FAMILY_ALL); return err })
	n.must(err, "list the addresses")

	names := linkNames(links)
	all := make([]Interface, 0, len(links))
	for _, l := range links {
		i := interfaceOf(l)
		i.Master = names[l.Attrs().MasterIndex]
		for _, a := range addrs {
			if a.LinkIndex == i.Index {
				i.Addresses = append(i.Addresses, interfaceAddress(a))
			}
		}
		all = append(all, i)
	}
	sort.Slice(all, func(a, b int) bool { return all[a].Index < all[b].Index })
	return all
}

// links is one dump of the node's links.
func (n *Node) links() []netlink.Link {
	n.lab.TB.Helper()
	var links []netlink.Link
	err := link.Retry(func() (err error) { links, err = n.route.LinkList(); return err })
	n.must(err, "list the interfaces")
	return links
}

// linkNames are the links' names by index.
func linkNames(links []netlink.Link) map[int]string {
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	return names
}

// Interface is one of the node's interfaces; the test fails when it has none
// of that name.
func (n *Node) Interface(name string) Interface {
	n.lab.TB.Helper()
	for _, i := range n.Interfaces() {
		if i.Name == name {
			return i
		}
	}
	n.fatalf("interface %s: there is no such interface; the node has %s", name, n.interfaceNames())
	panic("unreachable")
}

// HasInterface tells whether the node has an interface of that name.
func (n *Node) HasInterface(name string) bool {
	n.lab.TB.Helper()
	for _, i := range n.Interfaces() {
		if i.Name == name {
			return true
		}
	}
	return false
}

// NetnsID is the number by which the kernel calls another node's namespace in
// this one (link-netnsid of ip-link(8)): the PeerNetns of an interface whose
// other end is there. It is -1 while there is none, as before the first cable
// between the two.
func (n *Node) NetnsID(of *Node) int {
	n.lab.TB.Helper()
	if of == nil {
		n.fatalf("the number of a namespace: the node is nil")
	}
	if of.lab != n.lab {
		n.fatalf("the number of the namespace of node %s: that is in another lab", of.name)
	}
	id, err := n.route.GetNetNsIdByFd(of.space.Fd())
	n.must(err, "ask for the number of the namespace of node %s", of.name)
	return id
}

func (n *Node) interfaceNames() string {
	var names []string
	for _, i := range n.Interfaces() {
		names = append(names, i.Name)
	}
	return strings.Join(names, ", ")
}

// globalAddresses are the addresses by interface index, link-local and
// loopback ones left out.
func (n *Node) globalAddresses() map[int][]netip.Prefix {
	n.lab.TB.Helper()
	found := map[int][]netip.Prefix{}
	for _, i := range n.Interfaces() {
		for _, a := range i.Addresses {
			if a.Scope == "global" {
				found[i.Index] = append(found[i.Index], a.Prefix)
			}
		}
	}
	return found
}

// Addresses are all addresses of the node that others can send to, those of
// every interface but link-local and loopback ones.
func (n *Node) Addresses() []netip.Addr {
	n.lab.TB.Helper()
	var all []netip.Addr
	for _, i := range n.Interfaces() {
		for _, a := range i.Addresses {
			if a.Scope == "global" {
				all = append(all, a.Prefix.Addr())
			}
		}
	}
	return all
}

func interfaceOf(l netlink.Link) Interface {
	a := l.Attrs()
	i := Interface{
		Name: a.Name, Index: a.Index, Kind: l.Type(), MAC: a.HardwareAddr, MTU: a.MTU, Flags: a.Flags,
		NoCarrier: a.Flags&net.FlagUp != 0 && a.RawFlags&unix.IFF_LOWER_UP == 0,
		OperState: a.OperState.String(), PeerNetns: -1,
	}
	if i.Kind == "veth" {
		i.PeerIndex, i.PeerNetns = a.ParentIndex, a.NetNsID
	}
	if s := a.Statistics; s != nil {
		i.Received = Traffic{s.RxPackets, s.RxBytes, s.RxErrors, s.RxDropped}
		i.Sent = Traffic{s.TxPackets, s.TxBytes, s.TxErrors, s.TxDropped}
	}
	// The library calls the state "not-present" what ip-link(8) calls
	// NOTPRESENT, and "lower-layer-down" likewise.
	i.OperState = strings.ReplaceAll(i.OperState, "-", "")
	return i
}

func interfaceAddress(a netlink.Addr) InterfaceAddress {
	return InterfaceAddress{
		Prefix:    prefixOf(a.IPNet),
		Scope:     scopeName(netlink.Scope(a.Scope)),
		Tentative: a.Flags&unix.IFA_F_TENTATIVE != 0,
		DADFailed: a.Flags&unix.IFA_F_DADFAILED != 0,
	}
}

func scopeName(s netlink.Scope) string {
	switch s {
	case netlink.SCOPE_UNIVERSE:
		return "global"
	case netlink.SCOPE_LINK:
		return "link"
	case netlink.SCOPE_HOST:
		return "host"
	}
	return fmt.Sprint(int(s))
}

// Subnets are the prefixes that the node is on link with, by its addresses.
func (n *Node) Subnets() []netip.Prefix {
	n.lab.TB.Helper()
	var all []netip.Prefix
	for _, prefixes := range n.globalAddresses() {
		for _, p := range prefixes {
			all = append(all, p.Masked())
		}
	}
	return all
}
