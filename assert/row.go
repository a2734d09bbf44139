package assert

import (
	"net/netip"
	"testing"
	"time"

	"github.com/netrig/netrig/harness"
	"golang.org/x/sys/unix"
)

// row asks many targets from one node, one after the other, by echoes through
// one socket of each family.
//
// An answer that is there at once, as demanded, is the end of it: the socket has
// told who it came from and that it is the answer to this very request. What the
// probe looked like on its way is read only where something is to be told of
// it. To read it would take longer than the ping, since it asks the recorders of
// all nodes.
type row struct {
	from    *harness.Node
	sockets map[int]*socket // by address family
}

func newRow(from *harness.Node) *row { return &row{from: from, sockets: map[int]*socket{}} }

func (r *row) close() {
	for _, s := range r.sockets {
		s.close()
	}
}

// ask sends an echo to an address. A lab that keeps a journal has every packet
// in it, and so each probe is carried to its end before the next one is sent.
func (r *row) ask(t testing.TB, a netip.Addr, expected Cause) *Exchange {
	t.Helper()
	p, err := newProbe(r.from, a.String(), nil)
	if err == nil {
		p.plain = false // thousands of pings, each to its end at once
		began := time.Now()
		var e *Exchange
		if r.from.Lab().Journaled() {
			e, err = p.run()
		} else {
			e, err = r.run(p, expected)
		}
		if err == nil {
			noteExchange("Matrix", began, e)
			return e
		}
	}
	fatalf(t, "netrig: Matrix: node %s: reach %s: %v", r.from, a, err)
	panic("unreachable")
}

func (r *row) run(p *probe, expected Cause) (*Exchange, error) {
	a, err := r.echo(p)
	if err != nil {
		return nil, err
	}
	e := &Exchange{From: p.node, To: p.target.text, probe: p}
	mark := p.node.Lab().Recording().Start()
	sent := time.Now()
	if err := a.send(); err != nil {
		if err := p.refused(a, e, mark, err); err != nil {
			return nil, err
		}
		return e, p.conclude(e)
	}
	got, ok := a.answer(firstLook)
	if ok && got.cause.Kind == Reached.Kind && expected.Kind == Reached.Kind {
		e.Cause, e.TTL, e.RTT = Reached, got.ttl, got.at.Sub(sent)
		return e, nil
	}
	p.outcome(a, e, mark, sent, got, ok)
	return e, p.conclude(e)
}

// echo is one through the row's socket. What comes late about another one is
// told by its identifier and its payload.
func (r *row) echo(p *probe) (*echo, error) {
	s := r.sockets[p.family()]
	if s == nil {
		first, err := newEcho(p)
		if err != nil {
			return nil, err
		}
		r.sockets[p.family()] = first.socket
		return first, nil
	}
	to, err := sockaddr(p.node, p.target.addr, 0)
	if err != nil {
		return nil, err
	}
	return echoThrough(&socket{probe: p, kind: unix.SOCK_RAW, fd: s.fd, to: to, buffer: s.space()}), nil
}
