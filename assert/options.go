package assert

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/netrig/netrig/harness"
)

// Option changes the probe of Reachable or Unreachable.
type Option func(*probe)

// Size is how many bytes the probe carries: the payload of an echo (as `ping
// -s`), or of a UDP datagram. 56 without.
func Size(bytes int) Option { return func(p *probe) { p.size, p.plain = bytes, false } }

// DontFragment forbids to cut the probe: IPv4's DF bit, and for both families
// EMSGSIZE from the sender's own kernel when it does not fit (as `ping -M do`).
func DontFragment() Option { return func(p *probe) { p.dontFragment, p.plain = true, false } }

// OutgoingTTL is the TTL or hop limit with which the probe sets out, 1 to 255.
func OutgoingTTL(ttl int) Option { return func(p *probe) { p.ttl, p.plain = ttl, false } }

// Source is the address that the probe is sent from; one of the node's own.
func Source(addr string) Option { return func(p *probe) { p.sourceText, p.plain = addr, false } }

// Interface sends the probe out of one interface, whatever the routes say of
// others (SO_BINDTODEVICE, as `ping -I`).
func Interface(name string) Option { return func(p *probe) { p.device, p.plain = name, false } }

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
	count        int
	within       time.Duration
	plain        bool // an echo without any option, which go-ping can do
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
	p := &probe{node: from, target: t, size: usualSize, count: 1, within: usualWithin, plain: t.network == "icmp"}
	for _, o := range options {
		o(p)
	}
	switch {
	case p.size < 0 || p.size > maxPayload:
		return nil, fmt.Errorf("a size of %d bytes is not between 0 and %d", p.size, maxPayload)
	case p.ttl < 0 || p.ttl > 255:
		return nil, fmt.Errorf("an outgoing TTL of %d is not between 1 and 255", p.ttl)
	case p.count < 1:
		return nil, fmt.Errorf("a count of %d asks for nothing", p.count)
	case p.within <= 0:
		return nil, fmt.Errorf("within %s is no time", p.within)
	}
	if p.sourceText != "" {
		if p.source, err = netip.ParseAddr(p.sourceText); err != nil {
			return nil, fmt.Errorf("the source %q is not an IP address", p.sourceText)
		}
		if p.source.Is4() != t.addr.Is4() {
			return nil, fmt.Errorf("the source %s and the target %s are of different families", p.source, t.addr)
		}
	}
	return p, nil
}
