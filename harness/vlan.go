package harness

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/netrig/netrig/internal/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// VLANOption says how a port of a bridge takes part in a VLAN.
type VLANOption func(*vlanSettings)

type vlanSettings struct{ pvid, untagged bool }

// PVID makes the VLAN that of the frames that come in by the port without a tag
// (the port's VLAN identifier of IEEE 802.1Q; a port has one at most).
func PVID() VLANOption { return func(s *vlanSettings) { s.pvid = true } }

// Untagged has the VLAN's frames leave by the port without their tag.
func Untagged() VLANOption { return func(s *vlanSettings) { s.untagged = true } }

// BridgeVLAN is a VLAN that passes a port of a bridge, or the bridge itself.
type BridgeVLAN struct {
	Interface      string
	VLAN           int
	PVID, Untagged bool
}

// String writes it as bridge(8) does: "veth1 10 PVID Egress Untagged".
func (v BridgeVLAN) String() string {
	text := fmt.Sprintf("%s %d", v.Interface, v.VLAN)
	if v.PVID {
		text += " PVID"
	}
	if v.Untagged {
		text += " Egress Untagged"
	}
	return text
}

// AddVLAN lets a VLAN pass the port of a bridge that is aware of VLANs
// (VLANFiltering): with its tag, unless an option says otherwise. The VLAN
// identifier is 1 to 4094. A port begins with VLAN 1, PVID and untagged.
func (p *Port) AddVLAN(id int, options ...VLANOption) {
	p.node.lab.TB.Helper()
	s := p.vlanPort("AddVLAN", id, options)
	err := p.node.route.BridgeVlanAdd(p.link(), uint16(id), s.pvid, s.untagged, false, true)
	p.must(vlanHint(err), "add the VLAN %d", id)
	p.node.did("%s", BridgeVLAN{p.name, id, s.pvid, s.untagged})
}

// DelVLAN keeps a VLAN from passing the port of a bridge.
func (p *Port) DelVLAN(id int) {
	p.node.lab.TB.Helper()
	p.vlanPort("DelVLAN", id, nil)
	if !slices.ContainsFunc(p.node.BridgeVLANs(), func(v BridgeVLAN) bool { return v.Interface == p.name && v.VLAN == id }) {
		p.node.fatalf("interface %s: remove the VLAN %d: the port does not have it; the node has %v", p.name, id, p.node.BridgeVLANs())
	}
	err := p.node.route.BridgeVlanDel(p.link(), uint16(id), false, false, false, true)
	p.must(vlanHint(err), "remove the VLAN %d", id)
	p.node.did("%s %d", p.name, id)
}

// AddVLAN has the bridge itself take part in a VLAN, as an interface of its
// node: what is tagged is for interfaces of Node.VLAN above the bridge.
func (b *Bridge) AddVLAN(id int, options ...VLANOption) {
	b.node.lab.TB.Helper()
	s := b.node.vlan("bridge "+b.name, b, id, options)
	err := b.node.route.BridgeVlanAdd(linkAt(b.index), uint16(id), s.pvid, s.untagged, true, false)
	b.node.must(vlanHint(err), "bridge %s: add the VLAN %d", b.name, id)
	b.node.did("%s", BridgeVLAN{b.name, id, s.pvid, s.untagged})
}

// BridgeVLANs are the VLANs that pass the ports of the node's bridges, and the
// bridges themselves.
func (n *Node) BridgeVLANs() []BridgeVLAN {
	n.lab.TB.Helper()
	var found map[int32][]*nl.BridgeVlanInfo
	err := link.Retry(func() (err error) { found, err = n.route.BridgeVlanList(); return err })
	n.must(err, "list the VLANs of bridge ports")
	var all []BridgeVLAN
	for _, i := range n.Interfaces() {
		for _, v := range found[int32(i.Index)] {
			all = append(all, BridgeVLAN{i.Name, int(v.Vid), v.PortVID(), v.EngressUntag()})
		}
	}
	return all
}

func (p *Port) vlanPort(verb string, id int, options []VLANOption) vlanSettings {
	p.node.lab.TB.Helper()
	p.connected(verb)
	if p.bridge == nil {
		p.node.fatalf("interface %s: %s: it is not a port of a bridge", p.name, verb)
	}
	return p.node.vlan("interface "+p.name, p.bridge, id, options)
}

// vlan checks what is asked of a bridge and its VLANs.
func (n *Node) vlan(what string, b *Bridge, id int, options []VLANOption) (s vlanSettings) {
	n.lab.TB.Helper()
	if !b.settings.vlans {
		n.fatalf("%s: the bridge %s is not aware of VLANs: make it with harness.VLANFiltering()", what, b.name)
	}
	n.must(checkVLAN(id), "%s", what)
	for i, o := range options {
		if o == nil {
			n.fatalf("%s: the VLAN %d: option %d is nil", what, id, i+1)
		}
		o(&s)
	}
	return s
}

// checkVLAN follows IEEE 802.1Q, where 0 is no VLAN and 4095 is reserved.
func checkVLAN(id int) error {
	if id < 1 || id > 4094 {
		return fmt.Errorf("a VLAN identifier of %d is not between 1 and 4094", id)
	}
	return nil
}

func vlanHint(err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("%w: this kernel's bridges know no VLANs: build it with CONFIG_BRIDGE_VLAN_FILTERING", err)
	}
	return err
}

// VLAN makes an interface of the node for the frames of one VLAN that another of
// its interfaces gets and sends with a tag (`ip link add link PARENT name NAME
// type vlan id ID`), gives it its addresses and sets it up. It has the hardware
// address of the other.
func (n *Node) VLAN(name, parent string, id int, addresses ...string) *VirtualPort {
	n.lab.TB.Helper()
	n.must(checkVLAN(id), "interface %s", name)
	if parent == name {
		n.fatalf("interface %s: it can't be a VLAN of itself", name)
	}
	prefixes := n.prefixes(name, addresses)
	index := n.linkIndex(parent)
	d := n.newVirtualPort(name, parent)
	// That of the interface below, as the kernel has it: what comes to another
	// address is not for that one, and a bridge would flood it.
	d.mac = n.MAC(parent)
	attrs := d.attrs()
	attrs.ParentIndex = index
	err := n.route.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: id, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q})
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		err = fmt.Errorf("%w: this kernel can't make one: build it with CONFIG_VLAN_8021Q, or as root `modprobe 8021q`", err)
	case errors.Is(err, unix.EEXIST):
		err = fmt.Errorf("%w: %s has an interface for the VLAN %d already", err, parent, id)
	}
	n.must(err, "make the interface %s of the VLAN %d on %s", name, id, parent)
	n.must(d.start(prefixes), "interface %s", name)
	n.did("%s, VLAN %d on %s, %v", name, id, parent, prefixes)
	return d
}

// RequireVLANs skips the test where bridges are not aware of VLANs, or no interface
// can be made for one. With NETRIG_REQUIRE=1 it fails it, unless the kernel says
// itself that it was built without them (in /proc/config.gz). It is tried out, in a
// namespace of its own.
func RequireVLANs(t testing.TB) {
	t.Helper()
	needMain(t)
	tryVLANs().demand(t)
}

// tryVLANs makes a bridge with VLANs and an interface above it.
var tryVLANs = sync.OnceValue(func() feature {
	return tryOut(func(raw *link.Socket, h *netlink.Handle) (feature, error) {
		bridges := feature{"a bridge that is aware of VLANs", "CONFIG_BRIDGE_VLAN_FILTERING", "bridge", nil}
		if err := raw.CreateBridge(link.Bridge{Name: "br0", Index: firstIndex, MAC: []byte{2, 0, 0, 0, 0, 1}, VLANFiltering: true}); err != nil {
			return bridges, err
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.ParentIndex = "br0.10", firstIndex
		return feature{"an interface of a VLAN", "CONFIG_VLAN_8021Q", "8021q", nil},
			h.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: 10, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q})
	})
})
