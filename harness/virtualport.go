package harness

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// VirtualPort is an interface of a node that no cable plugs into: one of a VLAN
// (Node.VLAN), the end of a tunnel (Node.VXLAN).
type VirtualPort struct {
	node  *Node
	name  string
	index int
	mac   net.HardwareAddr
	below string // the interface that it sends by; "" where the routes say
}

// Node is the node that the device is in.
func (d *VirtualPort) Node() *Node { return d.node }

// Name is the device's name.
func (d *VirtualPort) Name() string { return d.name }

// MAC is the device's hardware address: of a tunnel one of its own, of a VLAN that
// of the interface below.
func (d *VirtualPort) MAC() net.HardwareAddr { return d.mac }

// Index is the device's interface index, of its own within the lab.
func (d *VirtualPort) Index() int { return d.index }

// String is "node:device".
func (d *VirtualPort) String() string { return d.node.name + ":" + d.name }

// newVirtualPort reserves a name, an index and a MAC.
func (n *Node) newVirtualPort(name, below string) *VirtualPort {
	n.lab.TB.Helper()
	n.claim(name, nil)
	d := &VirtualPort{node: n, name: name, index: n.lab.index(), mac: n.nextMAC(), below: below}
	if n.tap != nil {
		n.tap.Learn(d.index, name)
	}
	return d
}

// attrs are those that every kind of device is created with.
func (d *VirtualPort) attrs() netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name, a.Index, a.HardwareAddr = d.name, d.index, d.mac
	return a
}

// start makes the device ready: with its timers and addresses, up, and seen to
// be so.
func (d *VirtualPort) start(addresses []netip.Prefix) error {
	n := d.node
	n.devices = append(n.devices, d)
	if err := n.tune(d.index); err != nil {
		return err
	}
	if err := n.raw.Up(d.index, 0); err != nil {
		return err
	}
	for _, prefix := range addresses {
		if err := n.addAddress(d.index, prefix); err != nil {
			return fmt.Errorf("add the address %s: %w", prefix, err)
		}
	}
	return d.await()
}

// await returns when the device can pass packets, if the one below it can.
func (d *VirtualPort) await() error {
	err := deadline.Poll(linkTime, fmt.Sprintf("%s has not come up", d), func() (bool, error) {
		own, err := d.node.route.LinkByIndex(d.index)
		if err != nil {
			return false, err
		}
		state := own.Attrs().OperState
		if state == netlink.OperUp || state == netlink.OperUnknown || d.below == "" {
			return true, nil
		}
		below, err := d.node.route.LinkByIndex(d.node.linkIndex(d.below))
		return err == nil && below.Attrs().RawFlags&unix.IFF_LOWER_UP == 0, err
	})
	if err != nil {
		return err
	}
	return d.node.awaitAddresses(d.index)
}

// prefixes reads the addresses of a device; those of IPv6 switch IPv6 on.
func (n *Node) prefixes(name string, addresses []string) (all []netip.Prefix) {
	n.lab.TB.Helper()
	for _, text := range addresses {
		prefix, err := parsePrefix(text)
		n.must(err, "interface %s", name)
		all = append(all, prefix)
	}
	for _, prefix := range all {
		if prefix.Addr().Is6() {
			n.enableIPv6()
		}
	}
	return all
}
