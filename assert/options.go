package assert

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/netrig/netrig/harness"
)

// Option changes the probe of Reachable or Unreachable.
type Option func(*probe)

// Size is how many bytes the probe carries: the payload of an echo (as `ping
// -s`), or of a UDP datagram. 56 without.
func Size(bytes int) Option {
	return func(p *probe) { p.size, p.sizeSet, p.plain = bytes, true, false }
}

// DontFragment forbids the sender to cut the probe: where it does not fit, its
// own kernel says EMSGSIZE (as `ping -M do`). Without it, a probe that fits the
// sender's own link has IPv4's DF bit all the same, since the kernel is to find
// out what the path takes, and one that does not fit is sent in fragments.
func DontFragment() Option { return func(p *probe) { p.dontFragment, p.plain = true, false } }

// OutgoingTTL is the TTL or hop limit with which the probe sets out, 1 to 255.
func OutgoingTTL(ttl int) Option {
	return func(p *probe) { p.ttl, p.ttlSet, p.plain = ttl, true, false }
}

// Source is the address that the probe is sent from; one of the node's own.
func Source(addr string) Option {
	return func(p *probe) { p.sourceText, p.sourceSet, p.plain = addr, true, false }
}

// Interface sends the probe out of one interface, whatever the routes say of
// others (SO_BINDTODEVICE, as `ping -I`).
func Interface(name string) Option {
	return func(p *probe) { p.device, p.deviceSet, p.plain = name, true, false }
}

// Mark is the mark of the probe (SO_MARK), which rules of policy routing and
// packet filters of the sender can look at; no packet carries it further.
func Mark(mark uint32) Option {
	return func(p *probe) { p.mark, p.plain = mark, false }
}

// Count sends so many probes, one after the other; each must be answered, or
// none.
func Count(n int) Option { return func(p *probe) { p.count = n } }

// Within is how long an answer may take, 1 s without, where it depends on a
// program and so can't be proven not to come. It is scaled on slow machines.
func Within(d time.Duration) Option { return func(p *probe) { p.within = d } }

// probe is one question to the network: from a node, to a target.
type probe struct {
	node   *harness.Node
	target target

	size         int
	dontFragment bool
	ttl          int
	sourceText   string
	source       netip.Addr
	device       string
	mark         uint32
	count        int
	within       time.Duration
	// What was set at all: an empty value is no value.
	sizeSet, ttlSet, sourceSet, deviceSet bool

	plain bool // an echo without any option, which go-ping can do

	restless bool // the time was over before the lab came to rest
}

const (
	usualSize   = 56 // bytes, as ping(8)
	usualWithin = time.Second
	maxPayload  = 65535 - 20 - 8
)

func newProbe(from *harness.Node, to string, options []Option) (*probe, error) {
	t, err := parseTarget(to)
	if err != nil {
		return nil, err
	}
	p := &probe{node: from, target: t, size: usualSize, count: 1, within: usualWithin}
	// go-ping takes an answer from anybody: that has to be checked by what was
	// recorded. And it takes any zone.
	p.plain = t.network == "icmp" && from.Recorded() && t.addr.Zone() == ""
	for i, o := range options {
		if o == nil {
			return nil, fmt.Errorf("option %d is nil", i+1)
		}
		o(p)
	}
	switch {
	case p.size < 0 || p.size > maxPayload:
		return nil, fmt.Errorf("a size of %d bytes is not between 0 and %d", p.size, maxPayload)
	case p.sizeSet && t.network == "tcp":
		return nil, errors.New("a TCP connect carries nothing: it has no Size")
	case p.deviceSet && p.device == "":
		return nil, errors.New("the name of the interface is empty")
	case p.ttlSet && (p.ttl < 1 || p.ttl > 255):
		return nil, fmt.Errorf("an outgoing TTL of %d is not between 1 and 255", p.ttl)
	case p.count < 1:
		return nil, fmt.Errorf("a count of %d asks for nothing", p.count)
	case p.within <= 0:
		return nil, fmt.Errorf("within %s is no time", p.within)
	}
	if p.sourceSet {
		if p.source, err = netip.ParseAddr(p.sourceText); err != nil {
			return nil, fmt.Errorf("the source %q is not an IP address", p.sourceText)
		}
		if p.source.Is4() != t.addr.Is4() {
			return nil, fmt.Errorf("the source %s and the target %s are of different families", p.source, t.addr)
		}
	}
	return p, nil
}
