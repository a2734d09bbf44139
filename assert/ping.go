package assert

import (
	"net"
	"sync"
	"time"

	goping "github.com/go-ping/ping"
	"github.com/netrig/netrig/capture"
)

// ping asks by go-ping, for plain echoes. It is the only file that knows
// go-ping, so that its successor can take over here.
type ping struct {
	probe  *probe
	pinger *goping.Pinger
	sent   chan goping.Packet
	got    chan goping.Packet
	ended  chan error
	seq    int

	witness witness // set before sent
}

func newPing(p *probe) (*ping, error) {
	g := goping.New(p.target.addr.String())
	g.SetPrivileged(true) // a raw socket; "unprivileged" ping sockets need a sysctl
	g.SetIPAddr(&net.IPAddr{IP: p.target.addr.AsSlice(), Zone: p.target.addr.Zone()})
	g.Count, g.Size = 1, p.size
	// Never by its own clock: answer and close decide.
	g.Timeout, g.Interval = time.Hour, time.Hour
	g.RecordRtts = false
	g.SetLogger(goping.NoopLogger{}) // its own ends the process over a packet that it can't read
	a := &ping{probe: p, pinger: g, sent: make(chan goping.Packet, 1), got: make(chan goping.Packet, 1), ended: make(chan error, 1)}
	g.OnSend = func(packet *goping.Packet) { a.sent <- *packet }
	g.OnRecv = func(packet *goping.Packet) { a.got <- *packet }
	return a, nil
}

func (a *ping) send() error {
	// go-ping returns some time after the answer, when a read deadline of up to
	// 100 ms is over, and keeps its socket that long. Nobody waits for it: the
	// node's namespace goes when its last socket does.
	go func() { a.ended <- a.run() }()
	select {
	case packet := <-a.sent:
		a.seq = packet.Seq
		return nil
	case err := <-a.ended:
		return err
	}
}

// run is go-ping's Run, of which only the opening of its socket happens inside the
// node: else each switch between its goroutines would be one between threads.
func (a *ping) run() error {
	leave, err := a.probe.node.Enter()
	if err != nil {
		return err
	}
	leave = sync.OnceFunc(leave)
	defer leave() // where there is no socket
	a.witness.open(a.probe.family())
	a.pinger.OnSetup = leave
	return a.pinger.Run()
}

func (a *ping) answer(d time.Duration) (answer, bool) {
	// A timer even for no time at all: what arrived before may still be on its
	// way through go-ping's goroutines, which couldStillCome knows.
	select {
	case packet := <-a.got:
		return answer{cause: Reached, ttl: packet.Ttl, at: time.Now()}, true
	case <-time.After(d):
		return answer{}, false
	}
}

func (a *ping) request() capture.Match {
	return a.match(capture.EchoRequest, capture.Out)
}

func (a *ping) reply() capture.Match {
	m := a.match(capture.EchoReply, capture.In)
	// go-ping takes an answer from anybody; so the sender must be right.
	m.Src = a.probe.target.addr.WithZone("")
	return m
}

func (a *ping) match(kind capture.Kind, d capture.Direction) capture.Match {
	id, seq := uint16(a.pinger.ID()), uint16(a.seq)
	return capture.Match{Node: a.probe.node.Name(), Kind: kind, Direction: d, ICMPID: &id, ICMPSeq: &seq}
}

// undelivered tells whether the kernel has kept an answer that arrived from the node's
// sockets: its own packet filter, say. It is to be asked when the lab is at rest.
func (a *ping) undelivered() bool {
	return !a.witness.saw(uint16(a.pinger.ID()), uint16(a.seq))
}

func (a *ping) close() {
	a.pinger.Stop()
	a.witness.close()
}
