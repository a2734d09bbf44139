package assert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"golang.org/x/sys/unix"
)

// asker is one way to ask: by an ICMP echo, a TCP connect, a UDP datagram.
type asker interface {
	// send sends the probe. An error of the kernel is an answer of its own.
	send() error
	// answer looks for an answer, and waits for it up to d (0: only looks).
	answer(d time.Duration) (answer, bool)
	// request matches the probe as it leaves the sender.
	request() capture.Match
	// reply matches the answer as it arrives.
	reply() capture.Match
	close()
}

// answer is what came back.
type answer struct {
	cause Cause // Reached, or what the socket was told
	ttl   int
	at    time.Time
}

// firstLook is how long an answer is waited for before the lab is brought to
// rest to see whether one can still come. Nearly all answers are there at
// once: the kernel passes a packet on to the far end and back within the call
// that sends it.
const firstLook = 2 * time.Millisecond

// settleTime bounds the wait for packets under way; longer than the kernel's
// own three tries for a neighbour.
const settleTime = 5 * time.Second

// run sends the probe and finds out what comes of it. The error is one of the
// set-up: a probe that could not be made at all.
func (p *probe) run() (*Exchange, error) {
	lab := p.node.Lab()
	e := &Exchange{From: p.node, To: p.target.text, probe: p}
	start := lab.Recording().Start()
	var a asker
	for range p.count {
		mark := lab.Recording().Start()
		var err error
		if a != nil {
			a.close()
		}
		if a, err = p.asker(); err != nil {
			return nil, err
		}
		if err := p.ask(a, e, mark); err != nil {
			a.close()
			return nil, err
		}
		if !e.reached() {
			break
		}
	}
	a.close()
	if err := p.conclude(e); err != nil {
		return nil, err
	}
	if p.count > 1 {
		e.Window = lab.Recording().Window(start, lab.Recording().Mark())
	}
	return e, nil
}

// conclude refuses a silence that proves nothing.
func (p *probe) conclude(e *Exchange) error {
	if full := e.untracked(); full != nil {
		return fmt.Errorf("%s, which proves nothing: node %s had no room to track the connection", e.Cause, full)
	}
	if e.Cause.Kind == Silence.Kind && p.crowdedOut() {
		return errors.New("no reply, which proves nothing: what needs an entry that does not fit is lost without a word")
	}
	if e.Cause.Kind == Silence.Kind && p.restless {
		if held := p.node.Lab().Held(); held != "" {
			return fmt.Errorf("no reply, which proves nothing while %s: what is held comes later; ask when it is through, or make the discipline faster", held)
		}
	}
	remember(e)
	return nil
}

func (p *probe) asker() (asker, error) {
	switch {
	case p.target.network == "tcp":
		return newTCP(p)
	case p.target.network == "udp":
		return newUDP(p)
	case p.plain:
		return newPing(p)
	}
	return newEcho(p)
}

// ask carries one probe to its end and fills in what it was.
func (p *probe) ask(a asker, e *Exchange, mark capture.Mark) error {
	sent := time.Now()
	if err := a.send(); err != nil {
		return p.refused(a, e, mark, err)
	}
	got, ok := a.answer(firstLook)
	p.outcome(a, e, mark, sent, got, ok)
	return nil
}

// refused fills in what an error of the sender's own kernel says. The error is
// one that is no answer.
func (p *probe) refused(a asker, e *Exchange, mark capture.Mark, err error) error {
	cause, known := causeOfErrno(err)
	if !known || !p.confirmed(cause, err) {
		return err
	}
	e.Cause, e.errno = cause, errnoName(err)
	p.follow(a, e, mark)
	return nil
}

// outcome fills in what became of a probe that was sent, and of which the first
// look for an answer got what it says.
func (p *probe) outcome(a asker, e *Exchange, mark capture.Mark, sent time.Time, got answer, ok bool) {
	lab := p.node.Lab()
	p.follow(a, e, mark)
	// A recorded error is the end. (Sockets are told of some errors late: while
	// connect holds the socket, TCP over IPv6 keeps them for its next try.)
	if !ok && e.Error == nil {
		got, ok = p.settle(a, mark)
		p.follow(a, e, mark)
	}
	switch {
	case !ok:
		e.Cause = Silence
		// Sockets are not told of every error: what was recorded is.
		if e.Error != nil {
			e.Cause = e.cause()
		}
	case got.cause.Kind != Reached.Kind:
		e.Cause = got.cause
		if recorded := e.cause(); recorded.Kind != "" && p.target.network == "tcp" {
			e.Cause = recorded // says who, which the error of connect does not
		}
	default:
		if _, isPing := a.(*ping); isPing && (e.Reply == nil || e.Reply.Last().Src != p.target.addr.WithZone("")) {
			e.Cause = Silence // go-ping takes an answer from anybody
			return
		}
		e.Cause, e.TTL, e.RTT = Reached, got.ttl, got.at.Sub(sent)
		if e.TTL == 0 && e.Reply != nil { // a connect does not tell
			e.TTL = e.Reply.Last().TTL
		}
		e.ServerSaw = p.serverSaw(lab, e)
	}
}

// confirmed tells whether the routes of the sender say the same as an error
// that has other reasons too: EINVAL and EACCES also stand for an address that
// can't be used so (a broadcast address, a zone that is missing), EADDRNOTAVAIL
// for every port of the node being taken.
func (p *probe) confirmed(c Cause, err error) bool {
	if c.Kind != NullRouted.Kind && c.Kind != Prohibited.Kind && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return true
	}
	_, said := p.node.RouteTo(p.target.addr.WithZone("").String())
	told, _ := causeOfErrno(said)
	return told.Kind == c.Kind
}

// settle waits until either an answer is there or none can come any more. In a
// lab that never rests (a program in it keeps sending) nothing can be proven:
// there the time has to do, as for what a program answers.
func (p *probe) settle(a asker, mark capture.Mark) (answer, bool) {
	until, end := time.Now().Add(deadline.Of(p.within)), time.Now().Add(deadline.Of(settleTime))
	late := deadline.Begin(lateTime)
	for {
		resting := p.rest()
		if got, ok := a.answer(0); ok {
			return got, true
		}
		if resting && !p.couldStillCome(a, mark) {
			return answer{}, false
		}
		// What tells that the lab is at rest needs neighbours too.
		if !resting && p.crowdedOut() {
			return answer{}, false
		}
		if now := time.Now(); now.After(until) && (resting || now.After(end)) && (!p.arrived(a, mark) || late.Over()) {
			p.restless = !resting
			return answer{}, false
		}
		if got, ok := a.answer(nextLook); ok {
			return got, true
		}
	}
}

// nextLook is the pause between two looks for an answer that depends on a
// program.
const nextLook = 5 * time.Millisecond

// lateTime bounds the wait for go-ping to tell of an answer that is there. On a
// machine that has no processor for its goroutines, that takes seconds.
const lateTime = 3 * time.Second

// arrived tells whether the answer to go-ping's echo has been seen to arrive, and
// been delivered: it then comes.
func (p *probe) arrived(a asker, mark capture.Mark) bool {
	if ping, isPing := a.(*ping); !isPing || ping.undelivered() {
		return false
	}
	lab := p.node.Lab()
	return lab.Recording().Window(mark, lab.Recording().Mark()).First(a.reply()) != nil
}

// rest brings the lab to rest, and tells whether it did. It gives up now and
// then, so that an answer is not missed for the sake of other packets.
func (p *probe) rest() bool {
	const patience = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), deadline.Of(patience))
	defer cancel()
	return p.node.Lab().Rest(ctx) == nil
}

// couldStillCome tells whether an answer is possible although the lab is at
// rest: the kernel's own answers (echo replies, TCP's handshake, ICMP errors)
// are not.
func (p *probe) couldStillCome(a asker, mark capture.Mark) bool {
	lab := p.node.Lab()
	if ping, isPing := a.(*ping); isPing || p.target.network == "tcp" {
		if !p.node.Recorded() {
			return true
		}
		// The answer has arrived, but its way through the program goes on: the
		// goroutine of go-ping, the socket of a connect.
		w := lab.Recording().Window(mark, lab.Recording().Mark())
		if w.First(a.reply()) != nil && !(isPing && ping.undelivered()) {
			return true
		}
		if isPing && w.First(a.request()) == nil {
			return false
		}
	}
	if p.target.network == "udp" && p.delivered(a, mark) {
		return true
	}
	return throughPrograms(lab)
}

// delivered tells whether the datagram may have reached a program: it is not
// known to have stopped in a node in which none could get it.
func (p *probe) delivered(a asker, mark capture.Mark) bool {
	lab := p.node.Lab()
	var last *capture.Packet
	w := lab.Recording().Window(mark, lab.Recording().Mark())
	if first := w.First(a.request()); first != nil {
		last = w.Follow(first).Last()
	}
	for _, n := range lab.All() {
		if !n.Recorded() {
			return true
		}
		// By address alone this can't be told: the node may translate.
		if last != nil && n.Name() == last.Node && last.Direction == capture.In && n.HasUDPSockets() {
			return true
		}
	}
	return false
}

// throughPrograms tells whether packets of the lab go through programs: then
// the kernel being at rest says nothing.
func throughPrograms(lab *harness.Lab) bool {
	if lab.Untouched() {
		return false // the harness makes none of these
	}
	for _, n := range lab.All() {
		for _, i := range n.Interfaces() {
			switch i.Kind {
			case "tun", "tap", "tuntap", "wireguard":
				return true
			}
		}
	}
	return false
}

// follow finds the request, the reply and the error in what was recorded.
func (p *probe) follow(a asker, e *Exchange, mark capture.Mark) {
	lab := p.node.Lab()
	w := lab.Recording().Window(mark, lab.Recording().Mark())
	e.Window = w
	e.Request, e.Reply, e.Error = nil, nil, nil
	sent := w.First(a.request())
	if sent == nil {
		// It never left, as where nobody answers for the next hop: the sender's own
		// kernel then says so. What it quotes is the request, seen coming in.
		request := a.request()
		request.Direction = capture.AnyDirection
		e.Error = p.errorAbout(w, request.Matches)
		return
	}
	e.Request = w.Follow(sent)
	// An answer that did not make it back is known by being one at all.
	match := a.reply()
	if back := w.First(match); back != nil {
		e.Reply = w.Follow(back)
	} else {
		match.Node, match.Direction = "", capture.AnyDirection
		match.Src, match.Dst = noAddr, noAddr // translation may change both
		if sent.Kind == capture.TCP {
			// And the ports: what counts is that the SYN is acknowledged.
			match.SrcPort, match.DstPort = 0, 0
			answers := match.Func
			match.Func = func(p *capture.Packet) bool { return answers(p) && p.Ack == sent.Seq+1 }
		}
		if lost := w.First(match); lost != nil {
			e.Reply = w.Follow(lost)
		}
	}
	e.Error = p.errorAbout(w, func(quoted *capture.Packet) bool { return samePacket(quoted, sent) })
}

// errorAbout is the first ICMP error that came to the sender about a packet of
// which about says that it is the probe; nil for none.
func (p *probe) errorAbout(w capture.Window, about func(quoted *capture.Packet) bool) *capture.Flight {
	for _, packet := range w.Packets() {
		if packet.Node != p.node.Name() || packet.Direction != capture.In {
			continue
		}
		if quoted, ok := packet.Quoted(); ok && about(quoted) {
			if _, isError := causeOfPacket(packet); isError {
				return w.Follow(packet)
			}
		}
	}
	return nil
}

// cause is what the recorded answers say.
func (e *Exchange) cause() Cause {
	if e.Error != nil {
		if c, ok := causeOfPacket(e.Error.Last()); ok {
			return c
		}
	}
	if e.Reply != nil && e.Reply.Last().TCPFlags&capture.RST != 0 {
		return Reset.By(e.Reply.Last().Src.String())
	}
	return Cause{}
}

// samePacket tells whether what an ICMP error quotes, translated back by the
// time that it arrives, is the packet that was sent.
func samePacket(quoted, sent *capture.Packet) bool {
	return quoted.Protocol == sent.Protocol && quoted.Src == sent.Src && quoted.Dst == sent.Dst &&
		quoted.SrcPort == sent.SrcPort && quoted.DstPort == sent.DstPort &&
		quoted.ICMPID == sent.ICMPID && quoted.ICMPSeq == sent.ICMPSeq
}
