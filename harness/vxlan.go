package harness

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/netrig/netrig/internal/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// VXLANOption changes the tunnel that Node.VXLAN makes.
type VXLANOption func(*Node, *vxlanSettings) error

type vxlanSettings struct {
	link      netlink.Vxlan
	below     string
	addresses []string
	remotes   []netip.Addr
}

// vxlanPort is the UDP port that IANA has given to VXLAN (RFC 7348). The kernel's
// own default is 8472, for older users.
const vxlanPort = 4789

// VXLANBy names the interface that the tunnel's packets leave by, from which it
// takes its MTU too. Without, they leave by the routes, and the MTU is 1500.
func VXLANBy(device string) VXLANOption {
	return func(n *Node, s *vxlanSettings) error {
		n.lab.TB.Helper()
		s.below, s.link.VtepDevIndex = device, n.linkIndex(device)
		return nil
	}
}

// VXLANLocal is the address that the tunnel's packets are sent from.
func VXLANLocal(addr string) VXLANOption {
	return func(_ *Node, s *vxlanSettings) error {
		a, err := parseAddr("the local address", addr)
		s.link.SrcAddr = a.AsSlice()
		return err
	}
}

// VXLANRemote is an end of the tunnel: where frames go whose receiver the tunnel
// has not learned. May be given several times, for as many ends, each of which
// then gets a copy.
func VXLANRemote(addr string) VXLANOption {
	return func(_ *Node, s *vxlanSettings) error {
		a, err := parseAddr("the remote address", addr)
		if err == nil && a.IsMulticast() {
			err = fmt.Errorf("the remote address %s is a group's; ends are told one by one", a)
		}
		s.remotes = append(s.remotes, a)
		return err
	}
}

// VXLANPort is the UDP port of the tunnel's ends, instead of 4789.
func VXLANPort(port int) VXLANOption {
	return func(_ *Node, s *vxlanSettings) error {
		s.link.Port = port
		return within("UDP port", port, 1, 65535)
	}
}

// VXLANAddress gives the tunnel's interface an address. May be given several
// times.
func VXLANAddress(address string) VXLANOption {
	return func(_ *Node, s *vxlanSettings) error {
		s.addresses = append(s.addresses, address)
		return nil
	}
}

// VXLAN makes the end of a tunnel that carries Ethernet frames in UDP (RFC 7348),
// gives it its addresses and sets it up. The network identifier is 0 to
// 16777215. It learns which hardware address is behind which end from the frames
// that come (Node.ForwardingDatabase has it).
func (n *Node) VXLAN(name string, id int, options ...VXLANOption) *VirtualPort {
	n.lab.TB.Helper()
	s := vxlanSettings{link: netlink.Vxlan{Learning: true, Port: vxlanPort}}
	n.must(within("network identifier", id, 0, 1<<24-1), "tunnel %s", name)
	for i, o := range options {
		if o == nil {
			n.fatalf("tunnel %s: option %d is nil", name, i+1)
		}
		n.must(o(n, &s), "tunnel %s", name)
	}
	families := map[bool]bool{}
	for _, a := range append(s.remotes, addrOf(s.link.SrcAddr)) {
		if a.IsValid() {
			families[a.Is4()] = true
		}
	}
	if len(families) > 1 {
		n.fatalf("tunnel %s: it mixes IPv4 and IPv6 addresses", name)
	}
	if families[false] {
		n.enableIPv6()
	}
	prefixes := n.prefixes(name, s.addresses)
	d := n.newVirtualPort(name, s.below)
	s.link.LinkAttrs, s.link.VxlanId = d.attrs(), id
	err := n.route.LinkAdd(&s.link)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		err = fmt.Errorf("%w: %s", err, noVXLAN)
	case errors.Is(err, unix.EEXIST):
		err = fmt.Errorf("%w: the node has a tunnel with this identifier and port already", err)
	}
	n.must(err, "make the tunnel %s (VXLAN %d)", name, id)
	for _, remote := range s.remotes {
		n.must(d.forward(make(net.HardwareAddr, 6), remote), "tunnel %s: add the end %s", name, remote)
	}
	n.must(d.start(prefixes), "tunnel %s", name)
	n.did("%s, VXLAN %d to %v, %v", name, id, s.remotes, prefixes)
	return d
}

// forward adds an end of the tunnel to those that frames to a hardware address go
// to; the address of zeros stands for all that was not learned.
func (d *VirtualPort) forward(mac net.HardwareAddr, remote netip.Addr) error {
	return d.node.route.NeighAppend(&netlink.Neigh{
		LinkIndex: d.index, Family: unix.AF_BRIDGE, State: netlink.NUD_NOARP | netlink.NUD_PERMANENT, Flags: netlink.NTF_SELF,
		IP: remote.AsSlice(), HardwareAddr: mac,
	})
}

const noVXLAN = "this kernel can't make a tunnel of VXLAN: build it with CONFIG_VXLAN, or as root `modprobe vxlan`"

// RequireVXLAN skips the test where no tunnel of VXLAN can be made. With
// NETRIG_REQUIRE=1 it fails it, unless the kernel says itself that it was built
// without them (in /proc/config.gz). It is tried out, in a namespace of its own.
func RequireVXLAN(t testing.TB) {
	t.Helper()
	needMain(t)
	tryVXLAN().demand(t)
}

var tryVXLAN = sync.OnceValue(func() feature {
	return tryOut(func(_ *link.Socket, h *netlink.Handle) (feature, error) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "vxlan0"
		return feature{"a tunnel of VXLAN", "CONFIG_VXLAN", "vxlan", nil}, h.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, VxlanId: 1, Port: vxlanPort})
	})
})
