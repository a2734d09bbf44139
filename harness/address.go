package harness

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AddAddress adds an address ("192.168.0.2/24", "fd00::2/64") to the interface,
// which is usable when it returns. An IPv6 address switches IPv6 on in the node.
func (p *Port) AddAddress(address string) {
	p.node.lab.TB.Helper()
	p.connected("AddAddress")
	p.node.AddAddress(p.name, address)
}

// DelAddress removes an address from the interface.
func (p *Port) DelAddress(address string) {
	p.node.lab.TB.Helper()
	p.connected("DelAddress")
	p.node.DelAddress(p.name, address)
}

// AddAddress adds an address to any of the node's interfaces, `lo` and
// interfaces made by outside programs included.
func (n *Node) AddAddress(iface, address string) {
	n.lab.TB.Helper()
	prefix, err := parsePrefix(address)
	n.must(err, "interface %s", iface)
	if prefix.Addr().Is6() {
		n.enableIPv6()
	}
	index := n.linkIndex(iface)
	n.must(n.addAddress(index, prefix), "add the address %s to %s", prefix, iface)
	n.must(n.awaitAddresses(index), "add the address %s to %s", prefix, iface)
	n.did("%s on %s", prefix, iface)
}

// DelAddress removes an address from any of the node's interfaces.
func (n *Node) DelAddress(iface, address string) {
	n.lab.TB.Helper()
	prefix, err := parsePrefix(address)
	n.must(err, "interface %s", iface)
	err = n.route.AddrDel(linkAt(n.linkIndex(iface)), &netlink.Addr{IPNet: ipNet(prefix)})
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		err = fmt.Errorf("%w: the interface does not have it", err)
	}
	n.must(err, "remove the address %s from %s", prefix, iface)
	n.did("%s on %s", prefix, iface)
}

func (n *Node) addAddress(index int, prefix netip.Prefix) error {
	// Without IFA_F_NODAD, although the baseline switches duplicate address
	// detection off: the address is then tentative until the kernel has joined
	// its multicast group in the background (addrconf_dad_begin), and so can be
	// waited for. Before that the node does not answer neighbour solicitations.
	//
	// Without a broadcast address, as `ip address add` has it; the library would
	// add one, unless it is told not to.
	err := n.route.AddrAdd(linkAt(index), &netlink.Addr{IPNet: ipNet(prefix), Broadcast: net.IPv4zero})
	if errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("%w: the interface has this address already", err)
	}
	return n.ipv6Hint(index, prefix.Addr(), err)
}

// ipv6Hint adds to the kernel's reason why an interface does not take what is
// of IPv6: it says EINVAL where the MTU is too small for IPv6, and EACCES where
// IPv6 has been switched off.
func (n *Node) ipv6Hint(index int, a netip.Addr, err error) error {
	if !a.Is6() || !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EACCES) {
		return err
	}
	l, e := n.route.LinkByIndex(index)
	switch {
	case e != nil:
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: IPv6 has been switched off on the interface (net.ipv6.conf.%s.disable_ipv6)", err, l.Attrs().Name)
	case l.Attrs().MTU < leastIPv6MTU:
		return fmt.Errorf("%w: its MTU of %d bytes is below %d, the least that IPv6 takes (RFC 8200)", err, l.Attrs().MTU, leastIPv6MTU)
	}
	return err
}

// awaitAddresses returns when every IPv6 address of an interface can be used,
// the link-local one included, which the kernel adds by itself and makes usable
// in the background. Until then a router can't even ask for a neighbour. Those
// of an interface that is down or has no carrier stay tentative, as they should.
func (n *Node) awaitAddresses(index int) error {
	if !n.ipv6 {
		return nil
	}
	return deadline.Poll(linkTime, "an IPv6 address of interface "+fmt.Sprint(index)+" stays tentative", func() (bool, error) {
		addrs, err := n.route.AddrList(linkAt(index), netlink.FAMILY_V6)
		if errors.Is(err, netlink.ErrDumpInterrupted) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		// After the addresses: an address is no longer tentative a moment before it
		// has its route (addrconf_dad_begin), and this waits for the lock under which
		// both happen.
		l, err := n.route.LinkByIndex(index)
		if err != nil {
			return false, err
		}
		if l.Attrs().RawFlags&(unix.IFF_UP|unix.IFF_LOWER_UP) != unix.IFF_UP|unix.IFF_LOWER_UP {
			return true, nil
		}
		for _, a := range addrs {
			if a.Flags&unix.IFA_F_TENTATIVE != 0 {
				return false, nil
			}
		}
		return true, nil
	})
}

// linkIndex is the index of an interface by name; the test fails when there is
// none.
func (n *Node) linkIndex(name string) int {
	n.lab.TB.Helper()
	if p := n.byName[name]; p != nil && p.index != 0 {
		return p.index
	}
	l, err := n.route.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		err = fmt.Errorf("there is no such interface; the node has %s", n.interfaceNames())
	}
	n.must(err, "interface %s", name)
	return l.Attrs().Index
}

func linkAt(index int) netlink.Link {
	return &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: index}}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	addr, _ := netip.AddrFromSlice(n.IP)
	ones, bits := n.Mask.Size()
	if bits == 32 {
		addr = addr.Unmap()
	}
	return netip.PrefixFrom(addr, ones)
}

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
