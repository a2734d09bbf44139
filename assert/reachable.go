package assert

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
)

// Reachable demands that a node reaches a target: an address ("192.168.1.2")
// by an ICMP echo, a TCP port ("tcp:192.168.1.2:80") by connecting, a UDP port
// ("udp:192.168.1.2:53") by a datagram that is answered. It returns what was
// sent and what came back.
//
// The packet sets out from the node as the kernel decides; the options change
// that. An answer that can't come any more ends the wait at once.
func Reachable(t testing.TB, from *harness.Node, to string, options ...Option) *Exchange {
	t.Helper()
	e := ask(t, "Reachable", from, to, options, true)
	if !e.reached() {
		fatalf(t, "%s cannot reach %s: %s; want an answer%s%s", from, to, e.saw(), e.explained(), crowded(from, to))
	}
	return e
}

// Unreachable demands that a node does not reach a target, for the reason
// given: Unreachable(t, ns0, "192.168.1.2", assert.NoRoute). Unset fields of
// the cause mean any; assert.Cause{} is any cause at all. The target is
// written as for Reachable.
//
// Silence is proven: the lab is brought to rest, and what has not come back by
// then never will. Only where a program could still answer (a UDP server) is
// it waited for, as long as Within says.
func Unreachable(t testing.TB, from *harness.Node, to string, want Cause, options ...Option) *Exchange {
	t.Helper()
	e := ask(t, "Unreachable", from, to, options, false) // go-ping is not told of errors
	switch {
	case e.reached():
		fatalf(t, "%s reaches %s (ttl %d, after %s), but must not: want %s%s", from, to, e.TTL, e.RTT, want, e.explained())
	case !want.met(e.Cause, from.Lab()):
		fatalf(t, "%s cannot reach %s, but for another reason: %s; want %s%s%s", from, to, e.saw(), want, e.explained(), crowded(from, to))
	}
	return e
}

// ask sends the probe of a verb, Reachable or Unreachable; mayPing allows go-ping
// for what it can do.
func ask(t testing.TB, verb string, from *harness.Node, to string, options []Option, mayPing bool) *Exchange {
	t.Helper()
	if from == nil {
		fatalf(t, "netrig: reach %s: the node is nil", to)
	}
	p, err := newProbe(from, to, options)
	if err != nil {
		fatalf(t, "netrig: node %s: reach %s: %v", from, to, err)
	}
	p.plain = p.plain && mayPing
	began := time.Now()
	e, err := p.run()
	if err != nil {
		fatalf(t, "netrig: node %s: reach %s: %v%s", from, to, err, crowded(from, to))
	}
	noteExchange(verb, began, e)
	return e
}

// saw is the cause, in the words of a failure.
func (e *Exchange) saw() string {
	if e.Cause.Kind != Silence.Kind {
		return e.Cause.String()
	}
	if e.Reply != nil && e.Reply.Reached(e.From.Name()) {
		return fmt.Sprintf("no reply that counts: one came, from %s", e.Reply.Last().Src)
	}
	return "no reply, and none under way"
}

// serverSaw is the caller's address as it was seen at the far end.
func (p *probe) serverSaw(lab *harness.Lab, e *Exchange) netip.AddrPort {
	if p.target.network == "icmp" || e.Request == nil || e.Request.Last() == nil {
		return netip.AddrPort{}
	}
	last := e.Request.Last()
	arrived := netip.AddrPortFrom(last.Src, last.SrcPort)
	if last.Direction != capture.In {
		return netip.AddrPort{}
	}
	for _, n := range lab.All() {
		if n.Name() != last.Node {
			continue
		}
		for _, s := range n.Servers() {
			if s.Serves(p.target.network, netip.AddrPortFrom(last.Dst, last.DstPort)) {
				ctx, cancel := context.WithTimeout(context.Background(), deadline.Of(p.within))
				defer cancel()
				if peer, err := s.WaitFor(ctx, arrived); err == nil {
					return peer
				}
				// It was told something else: that is what it saw.
				if peers := s.Peers(); len(peers) > 0 {
					return peers[len(peers)-1]
				}
			}
		}
	}
	return arrived
}
