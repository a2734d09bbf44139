package harness

import (
	"errors"
	"fmt"

	"github.com/netrig/netrig/internal/link"
	"golang.org/x/sys/unix"
)

// Cable is a veth pair between two ports.
type Cable struct{ A, B *Port }

// LinkOption changes the cable that Connect makes.
type LinkOption func(*linkSettings)

type linkSettings struct {
	mtu      int
	mtuSet   bool
	down     bool
	offloads bool
}

// String is what differs from a cable without options.
func (s linkSettings) String() string {
	text := ""
	if s.mtuSet {
		text = fmt.Sprintf(", MTU %d", s.mtu)
	}
	if s.down {
		text += ", left down"
	}
	if !s.offloads {
		text += ", without offloads"
	}
	return text
}

// MTU sets the largest IP packet, in bytes, that both ends send; 1500 without.
// At least 68 (RFC 791), with IPv6 at least 1280 (RFC 8200).
func MTU(bytes int) LinkOption {
	return func(s *linkSettings) { s.mtu, s.mtuSet = bytes, true }
}

// LeaveDown makes the cable without setting its ends up.
func LeaveDown() LinkOption { return func(s *linkSettings) { s.down = true } }

// WithoutOffloads has the kernel cut packets to the MTU and finish checksums
// before they enter the cable, as on real wire. A veth otherwise hands over
// frames of up to 65,226 bytes with unfinished checksums. For tests that
// assert sizes or checksums of TCP.
func WithoutOffloads() LinkOption { return func(s *linkSettings) { s.offloads = false } }

// leastIPv6MTU is the MTU, in bytes, below which an interface has no IPv6
// (RFC 8200, section 5; IPV6_MIN_MTU of include/uapi/linux/ipv6.h).
const leastIPv6MTU = 1280

// Connect joins two ports by a cable (a veth pair, made with both ends in
// their nodes), gives them their addresses, sets them up and returns when
// packets can pass. Addresses of IPv6 switch IPv6 on in their node.
func (l *Lab) Connect(a, b *Port, options ...LinkOption) *Cable {
	l.TB.Helper()
	s := linkSettings{offloads: true}
	for i, o := range options {
		if o == nil {
			l.fatalf("connect: option %d of the cable is nil", i+1)
		}
		o(&s)
	}
	l.checkConnect(a, b, s)
	for _, p := range []*Port{a, b} {
		if p.hasIPv6() {
			p.node.enableIPv6()
		}
	}
	l.must(l.createVeth(a, b, s), "connect %s to %s", a, b)
	l.did("", "%s - %s%s", a, b, s)
	a.peer, b.peer = b, a
	for _, p := range []*Port{a, b} {
		p.must(p.node.tune(p.index), "set its timers")
	}
	if !s.offloads {
		l.must(a.disableOffloads(), "switch the offloads of %s off", a)
		l.must(b.disableOffloads(), "switch the offloads of %s off", b)
	}
	for _, p := range []*Port{a, b} {
		if s.down {
			if p.bridge != nil {
				p.must(p.node.route.LinkSetMasterByIndex(p.link(), p.bridge.index), "put it into the bridge %s", p.bridge.name)
			}
			continue
		}
		if p == b || !s.offloads {
			p.must(p.node.raw.Up(p.index, p.master()), "set it up")
		}
	}
	for _, p := range []*Port{a, b} {
		for _, prefix := range p.addresses {
			p.must(p.node.addAddress(p.index, prefix), "add the address %s", prefix)
		}
	}
	if !s.down {
		l.must(a.awaitUp(), "connect %s to %s", a, b)
	}
	return &Cable{a, b}
}

// checkConnect finds what is wrong before anything is built.
func (l *Lab) checkConnect(a, b *Port, s linkSettings) {
	l.TB.Helper()
	for _, p := range []*Port{a, b} {
		switch {
		case p == nil:
			l.fatalf("connect: a port is nil")
		case p.node.lab != l:
			l.fatalf("connect %s: the port belongs to another lab", p)
		case p.peer != nil:
			l.fatalf("connect %s: the port is connected to %s already", p, p.peer)
		}
	}
	if a == b {
		l.fatalf("connect %s: a port can't be connected to itself", a)
	}
	least, why := 68, "RFC 791"
	if a.hasIPv6() || b.hasIPv6() {
		least, why = leastIPv6MTU, "RFC 8200: the least for IPv6"
	}
	if s.mtuSet && (s.mtu < least || s.mtu > 65535) {
		l.fatalf("connect %s to %s: an MTU of %d bytes is not between %d and 65535 (%s)", a, b, s.mtu, least, why)
	}
}

func (l *Lab) createVeth(a, b *Port, s linkSettings) error {
	ends := [2]link.End{}
	for i, p := range []*Port{a, b} {
		p.index = l.index()
		if p.node.tap != nil {
			p.node.tap.Learn(p.index, p.name)
		}
		ends[i] = link.End{Namespace: p.node.space, Name: p.name, Index: p.index, MAC: p.mac, MTU: s.mtu, Master: p.master()}
	}
	// Without offloads they are to be off before the end is up.
	err := a.node.raw.CreateVeth(ends[0], ends[1], !s.down && s.offloads)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w: this kernel can't make a veth: build it with CONFIG_VETH, or as root `modprobe veth`", err)
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("%w: one of the nodes has an interface of that name or index, not made by this lab", err)
	}
	return err
}

func (p *Port) master() int {
	if p.bridge == nil {
		return 0
	}
	return p.bridge.index
}

func (p *Port) hasIPv6() bool {
	for _, prefix := range p.addresses {
		if prefix.Addr().Is6() {
			return true
		}
	}
	return false
}
