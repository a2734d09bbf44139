package harness

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/link"
	"golang.org/x/sys/unix"
)

// Bridge is a bridge in a node.
type Bridge struct {
	node     *Node
	name     string
	index    int
	mac      net.HardwareAddr
	settings bridgeSettings
}

// BridgeOption changes the bridge that Node.Bridge makes.
type BridgeOption func(*bridgeSettings)

type bridgeSettings struct {
	addresses    []netip.Prefix
	badAddress   error
	mac          string
	mtu          int
	stp          bool
	forwardDelay time.Duration
	ageing       time.Duration
	vlans        bool
	snooping     bool
	down         bool
}

// String is what differs from a bridge without options; addresses are told by
// themselves.
func (s *bridgeSettings) String() string {
	var b strings.Builder
	if s.mtu != 0 {
		fmt.Fprintf(&b, ", MTU %d", s.mtu)
	}
	if s.stp {
		fmt.Fprintf(&b, ", spanning tree with %s", s.forwardDelay)
	}
	if s.ageing != 300*time.Second {
		fmt.Fprintf(&b, ", ageing %s", s.ageing)
	}
	if s.vlans {
		b.WriteString(", aware of VLANs")
	}
	if s.snooping {
		b.WriteString(", multicast snooping")
	}
	return b.String()
}

// userHZ is the unit in which rtnetlink counts a bridge's times.
const userHZ = 10 * time.Millisecond

// Address gives the bridge an address, which makes it an interface of its node
// like any other. May be given several times.
func Address(address string) BridgeOption {
	return func(s *bridgeSettings) {
		prefix, err := parsePrefix(address)
		s.badAddress = errors.Join(s.badAddress, err)
		s.addresses = append(s.addresses, prefix)
	}
}

// BridgeMAC gives the bridge a hardware address, instead of a readable one of
// its own. (Without any, a bridge takes that of its lowest port, and changes
// it with its ports.)
func BridgeMAC(mac string) BridgeOption { return func(s *bridgeSettings) { s.mac = mac } }

// BridgeMTU sets the bridge's MTU, in bytes; without, the kernel follows the
// smallest of the ports.
func BridgeMTU(bytes int) BridgeOption { return func(s *bridgeSettings) { s.mtu = bytes } }

// STP switches the spanning tree protocol (IEEE 802.1D) on, with the forward
// delay given: the kernel takes 2 s to 30 s. A port is ready when it forwards,
// which then takes twice the delay.
func STP(forwardDelay time.Duration) BridgeOption {
	return func(s *bridgeSettings) { s.stp, s.forwardDelay = true, forwardDelay }
}

// Ageing sets for how long the bridge remembers where a hardware address was
// seen; 300 s without, in steps of 10 ms.
func Ageing(d time.Duration) BridgeOption { return func(s *bridgeSettings) { s.ageing = d } }

// VLANFiltering makes the bridge aware of VLANs.
func VLANFiltering() BridgeOption { return func(s *bridgeSettings) { s.vlans = true } }

// MulticastSnooping switches IGMP and MLD snooping on. It is off without, so
// that a capture holds what the test caused and nothing else.
func MulticastSnooping() BridgeOption { return func(s *bridgeSettings) { s.snooping = true } }

// BridgeDown leaves the bridge down: its ports stay disabled.
func BridgeDown() BridgeOption { return func(s *bridgeSettings) { s.down = true } }

// Bridge makes a bridge in the node and sets it up.
func (n *Node) Bridge(name string, options ...BridgeOption) *Bridge {
	n.lab.TB.Helper()
	b := &Bridge{node: n, name: name, settings: bridgeSettings{ageing: 300 * time.Second}}
	for i, o := range options {
		if o == nil {
			n.fatalf("bridge %s: option %d is nil", name, i+1)
		}
		o(&b.settings)
	}
	s := &b.settings
	n.must(s.badAddress, "bridge %s", name)
	if s.stp && (s.forwardDelay < 2*time.Second || s.forwardDelay > 30*time.Second) {
		n.fatalf("bridge %s: a forward delay of %s is not between 2s and 30s, as the kernel demands with STP", name, s.forwardDelay)
	}
	n.must(checkAgeing(s.ageing), "bridge %s", name)
	if s.mtu != 0 && (s.mtu < 68 || s.mtu > 65535) {
		n.fatalf("bridge %s: an MTU of %d bytes is not between 68 and 65535", name, s.mtu)
	}
	n.claim(name, nil)
	n.must(n.allowBridges(), "bridge %s", name)
	b.mac = n.nextMAC()
	if s.mac != "" {
		mac, err := parseMAC(s.mac)
		n.must(err, "bridge %s", name)
		b.mac = mac
	}
	b.index = n.lab.index()
	if n.tap != nil {
		n.tap.Learn(b.index, name)
	}
	err := n.raw.CreateBridge(link.Bridge{
		Name: name, Index: b.index, MAC: b.mac, MTU: s.mtu, STP: s.stp,
		ForwardDelay: uint32(s.forwardDelay / userHZ), Ageing: uint32(s.ageing / userHZ),
		VLANFiltering: s.vlans, MulticastSnooping: s.snooping,
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = fmt.Errorf("%w: this kernel can't make it: build it with CONFIG_BRIDGE (and for VLAN filtering CONFIG_BRIDGE_VLAN_FILTERING), or as root `modprobe bridge`", err)
	}
	n.must(err, "make the bridge %s", name)
	n.did("%s%s", name, s)
	n.bridges = append(n.bridges, b)
	n.must(n.tune(b.index), "set the timers of the bridge %s", name)
	if !s.down {
		b.Up()
	}
	for _, prefix := range s.addresses {
		b.AddAddress(prefix.String())
	}
	return b
}

// Port declares an interface of the bridge's node that is a port of the
// bridge. A port of a bridge has no addresses of its own as a rule; a test that
// wants the mistake may give them.
func (b *Bridge) Port(name string, addresses ...string) *Port {
	b.node.lab.TB.Helper()
	return b.node.port(name, b, addresses)
}

// Attach makes a connected interface of the bridge's node a port of the bridge,
// and returns when it forwards.
func (b *Bridge) Attach(p *Port) {
	b.node.lab.TB.Helper()
	if p == nil {
		b.node.fatalf("bridge %s: the port to attach is nil", b.name)
	}
	p.connected("Attach")
	if p.node != b.node {
		p.node.fatalf("interface %s can't be a port of the bridge %s:%s, which is in another node", p.name, b.node.name, b.name)
	}
	p.must(p.node.route.LinkSetMasterByIndex(p.link(), b.index), "put it into the bridge %s", b.name)
	p.bridge = b
	p.node.did("%s to %s", p.name, b.name)
	p.must(b.awaitForwarding(p), "put it into the bridge %s", b.name)
}

// Detach takes a port out of its bridge.
func (p *Port) Detach() {
	p.node.lab.TB.Helper()
	p.connected("Detach")
	p.must(p.node.route.LinkSetNoMaster(p.link()), "take it out of its bridge")
	p.node.did("%s", p.name)
	p.bridge = nil
}

// SetHairpin says whether the bridge may send a frame out of the port that it
// came in by (hairpin mode; off without): what a node behind the port sends to
// itself by way of a port forward, where bridged packets are translated.
func (p *Port) SetHairpin(on bool) {
	p.node.lab.TB.Helper()
	p.connected("SetHairpin")
	if p.bridge == nil {
		p.node.fatalf("interface %s: SetHairpin: it is not a port of a bridge", p.name)
	}
	p.must(p.node.route.LinkSetHairpin(p.link(), on), "set its hairpin mode to %t", on)
	p.node.did("%s %t", p.name, on)
}

// Node is the node that the bridge is in.
func (b *Bridge) Node() *Node { return b.node }

// Name is the bridge's name.
func (b *Bridge) Name() string { return b.name }

// MAC is the bridge's own hardware address.
func (b *Bridge) MAC() net.HardwareAddr { return b.mac }

// Index is the bridge's interface index.
func (b *Bridge) Index() int { return b.index }

// String is "node:bridge".
func (b *Bridge) String() string { return b.node.name + ":" + b.name }

// AddAddress adds an address to the bridge.
func (b *Bridge) AddAddress(address string) {
	b.node.lab.TB.Helper()
	b.node.AddAddress(b.name, address)
}

// DelAddress removes an address from the bridge.
func (b *Bridge) DelAddress(address string) {
	b.node.lab.TB.Helper()
	b.node.DelAddress(b.name, address)
}

// Up sets the bridge up, and returns when its ports forward.
func (b *Bridge) Up() {
	b.node.lab.TB.Helper()
	b.node.must(b.node.raw.Up(b.index, 0), "set the bridge %s up", b.name)
	b.node.did("%s up", b.name)
	b.settings.down = false
	for _, p := range b.node.ports {
		if p.bridge == b && p.index != 0 {
			b.node.must(b.awaitForwarding(p), "set the bridge %s up", b.name)
		}
	}
}

// Down sets the bridge down: its ports are disabled.
func (b *Bridge) Down() {
	b.node.lab.TB.Helper()
	b.node.must(b.node.route.LinkSetDown(linkAt(b.index)), "set the bridge %s down", b.name)
	b.node.did("%s down", b.name)
	b.settings.down = true
}

// awaitForwarding returns when the port forwards: at once without STP, after
// twice the forward delay with it.
func (b *Bridge) awaitForwarding(p *Port) error {
	if b.settings.down || !p.isUp() || p.peer == nil || !p.peer.isUp() {
		return nil // nothing can pass, and nothing is to be waited for
	}
	missing := fmt.Sprintf("the port %s of the bridge %s does not forward", p, b.name)
	err := deadline.Poll(linkTime+2*b.settings.forwardDelay, missing, func() (bool, error) {
		port, err := b.node.raw.State(p.index)
		return err == nil && BridgePortState(port.PortState) == Forwarding, err
	})
	if err != nil {
		return err
	}
	// With its first port the bridge itself gets a carrier. Until the kernel has
	// noticed that in the background (net/core/link_watch.c) it drops what the
	// node sends by the bridge, ARP requests included.
	err = deadline.Poll(linkTime, fmt.Sprintf("the bridge %s has no carrier", b), func() (bool, error) {
		l, err := b.node.raw.State(b.index)
		return err == nil && l.OperState == link.OperUp, err
	})
	if err != nil {
		return err
	}
	return b.node.awaitAddresses(b.index)
}
