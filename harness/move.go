package harness

import (
	"errors"
	"fmt"

	"github.com/netrig/netrig/internal/deadline"
	"golang.org/x/sys/unix"
)

// Move puts the interface into another node, under the same name. As the
// kernel has it, the interface is then down and without addresses; its index
// may change when the other node has one like it. The error is the kernel's,
// and the interface is where it was: EEXIST when the other node has an
// interface of that name.
func (p *Port) Move(to *Node) error {
	p.node.lab.TB.Helper()
	p.connected("Move")
	from := p.node
	switch {
	case to == nil:
		from.fatalf("interface %s: move it: the node is nil", p.name)
	case to.lab != from.lab:
		from.fatalf("interface %s: move it to node %s: that is in another lab", p.name, to.name)
	case to == from:
		from.fatalf("interface %s: move it to node %s: it is there already", p.name, to.name)
	}
	if err := from.route.LinkSetNsFd(p.link(), to.space.Fd()); err != nil {
		if errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("move %s to node %s: %w: it has an interface of that name", p, to.name, err)
		}
		return fmt.Errorf("move %s to node %s: %w", p, to.name, err)
	}
	delete(from.byName, p.name)
	from.did("%s to node %s", p.name, to.name)
	for i, other := range from.ports {
		if other == p {
			from.ports = append(from.ports[:i:i], from.ports[i+1:]...)
			break
		}
	}
	p.node, p.bridge = to, nil
	to.ports = append(to.ports, p)
	to.byName[p.name] = p
	l, err := to.route.LinkByName(p.name)
	if err != nil {
		return fmt.Errorf("move %s to node %s: it left node %s but did not arrive: %w", p.name, to.name, from.name, err)
	}
	p.index = l.Attrs().Index
	if to.tap != nil {
		to.tap.Learn(p.index, p.name)
	}
	if err := to.tune(p.index); err != nil { // its timers stayed behind, with the rest
		return fmt.Errorf("move %s to node %s: set its timers: %w", p.name, to.name, err)
	}
	return deadline.Poll(linkTime, fmt.Sprintf("%s is still seen in node %s", p.name, from.name), func() (bool, error) {
		_, err := from.route.LinkByName(p.name)
		return err != nil, nil
	})
}

// Rename gives the interface another name. Kernels before 6.2 rename an
// interface only while it is down; it is then set down and up again, which
// loses its IPv6 addresses and the routes through it, as by hand.
func (p *Port) Rename(name string) {
	p.node.lab.TB.Helper()
	p.connected("Rename")
	if err := checkInterface(name); err != nil {
		p.node.fatalf("interface %s: %v", p.name, err)
	}
	if _, taken := p.node.byName[name]; taken || name == "lo" {
		p.node.fatalf("interface %s: rename it to %s: there is an interface of that name already", p.name, name)
	}
	if p.node.tap != nil {
		p.node.tap.Rename(p.index, name) // the packets from before keep the old name
	}
	err := p.node.route.LinkSetName(p.link(), name)
	if errors.Is(err, unix.EBUSY) {
		p.Down()
		err = p.node.route.LinkSetName(p.link(), name)
		defer p.Up()
	}
	p.must(err, "rename it to %s", name)
	p.node.did("%s to %s", p.name, name)
	delete(p.node.byName, p.name)
	p.name = name
	p.node.byName[name] = p
}
