package harness

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/link"
	"github.com/vishvananda/netlink"
)

// Port is an interface of a node that a cable plugs into. It comes into being
// when it is connected.
type Port struct {
	node      *Node
	name      string
	mac       net.HardwareAddr
	index     int // 0 until connected
	addresses []netip.Prefix
	bridge    *Bridge
	peer      *Port
}

// Port declares an interface of the node, with its addresses
// ("192.168.0.2/24", "fd00::2/64"). Lab.Connect brings it into being.
func (n *Node) Port(name string, addresses ...string) *Port {
	n.lab.TB.Helper()
	return n.port(name, nil, addresses)
}

func (n *Node) port(name string, bridge *Bridge, addresses []string) *Port {
	n.lab.TB.Helper()
	p := &Port{node: n, name: name, bridge: bridge}
	n.claim(name, p)
	for _, text := range addresses {
		prefix, err := parsePrefix(text)
		if err != nil {
			n.fatalf("interface %s: %v", name, err)
		}
		p.addresses = append(p.addresses, prefix)
	}
	n.ports = append(n.ports, p)
	p.mac = n.nextMAC()
	return p
}

// claim reserves an interface's name in the node; p is nil for one that is no
// port, such as a bridge.
func (n *Node) claim(name string, p *Port) {
	n.lab.TB.Helper()
	if err := checkInterface(name); err != nil {
		n.fatalf("%v", err)
	}
	if _, taken := n.byName[name]; taken || name == "lo" {
		n.fatalf("there is an interface %q already", name)
	}
	n.byName[name] = p
}

// nextMAC is a locally administered address that can be read: the node's
// number, then the interface's: 02:00:01:00:00:02 is the second interface of
// the lab's first node. None is given twice.
func (n *Node) nextMAC() net.HardwareAddr {
	n.numbers++
	number := n.numbers
	return net.HardwareAddr{0x02, byte(n.number >> 8), byte(n.number), 0, byte(number >> 8), byte(number)}
}

// Node is the node that the interface is in.
func (p *Port) Node() *Node { return p.node }

// Name is the interface's name.
func (p *Port) Name() string { return p.name }

// String is "node:interface".
func (p *Port) String() string { return p.node.name + ":" + p.name }

// MAC is the interface's hardware address, fixed when it is declared.
func (p *Port) MAC() net.HardwareAddr { return p.mac }

// Index is the interface's index, of its own within the lab.
func (p *Port) Index() int { return p.index }

// Peer is the port at the other end of the cable; nil while there is none.
func (p *Port) Peer() *Port { return p.peer }

// SetMAC changes the interface's hardware address; before Connect, the one it
// will be created with.
func (p *Port) SetMAC(mac string) {
	p.node.lab.TB.Helper()
	parsed, err := parseMAC(mac)
	if err != nil {
		p.node.fatalf("interface %s: %v", p.name, err)
	}
	if p.index != 0 {
		p.must(p.node.route.LinkSetHardwareAddr(p.link(), parsed), "set its hardware address to %s", mac)
	}
	p.mac = parsed
	p.node.did("%s %s", p.name, parsed)
}

// Inject sends frames, from the Ethernet header on and without checksum, out of
// the interface as they are.
func (p *Port) Inject(frames ...[]byte) {
	p.node.lab.TB.Helper()
	p.must(injectFrames(p.node.space, p.index, frames), "send frames")
	p.node.did("%d frames out of %s", len(frames), p.name)
}

func (p *Port) link() netlink.Link {
	return &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: p.index, Name: p.name}}
}

func (p *Port) must(err error, format string, args ...any) {
	if err != nil {
		p.node.lab.TB.Helper()
		p.node.fatalf("interface %s: %s: %v", p.name, fmt.Sprintf(format, args...), err)
	}
}

// linkTime bounds how long a link may take to change state. The kernel usually
// needs less than a millisecond, and up to a second in linkwatch.
const linkTime = 5 * time.Second

// Down sets the interface down and returns when both ends are seen to have
// noticed: this one is down, the other has lost its carrier.
func (p *Port) Down() {
	p.node.lab.TB.Helper()
	p.connected("Down")
	p.must(p.node.route.LinkSetDown(p.link()), "set it down")
	p.must(p.awaitDown(), "set it down")
	p.node.did("%s down", p.name)
}

// Up sets the interface up and returns when both ends, where both are up, can
// pass packets.
func (p *Port) Up() {
	p.node.lab.TB.Helper()
	p.connected("Up")
	p.must(p.node.raw.Up(p.index, 0), "set it up")
	p.must(p.awaitUp(), "set it up")
	p.node.did("%s up", p.name)
}

func (p *Port) connected(verb string) {
	p.node.lab.TB.Helper()
	if p.index == 0 {
		p.node.fatalf("interface %s: %s before it is connected: call Lab.Connect first", p.name, verb)
	}
}

func (p *Port) awaitDown() error {
	return deadline.Poll(linkTime, fmt.Sprintf("%s or its other end %s still has a carrier", p, p.peer), func() (bool, error) {
		own, err := p.operState()
		if err != nil || own != netlink.OperDown {
			return false, err
		}
		other, err := p.peer.operState()
		// LOWERLAYERDOWN up to 6.1, DOWN from 6.12.
		return other == netlink.OperDown || other == netlink.OperLowerLayerDown, err
	})
}

func (p *Port) awaitUp() error {
	err := deadline.Poll(linkTime, fmt.Sprintf("the cable %s - %s has not come up", p, p.peer), func() (bool, error) {
		for _, end := range []*Port{p, p.peer} {
			// One request for each end after both are up is needed all the same:
			// without it a packet sent at once can be lost. Kernels before 6.12
			// must be waited for.
			state, err := end.state()
			if err != nil {
				return false, err
			}
			if state.OperState != link.OperUp && state.Up() && end.peer.isUp() {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	for _, end := range []*Port{p, p.peer} {
		if err := end.node.awaitAddresses(end.index); err != nil {
			return err
		}
		if end.bridge != nil {
			if err := end.bridge.awaitForwarding(end); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Port) isUp() bool {
	state, err := p.state()
	return err == nil && state.Up()
}

func (p *Port) state() (link.State, error) {
	state, err := p.node.raw.State(p.index)
	if err != nil {
		return state, fmt.Errorf("%s: %w", p, err)
	}
	return state, nil
}

func (p *Port) operState() (netlink.LinkOperState, error) {
	state, err := p.state()
	return netlink.LinkOperState(state.OperState), err
}
