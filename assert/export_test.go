package assert

import (
	"time"

	goping "github.com/go-ping/ping"
	"github.com/netrig/netrig/harness"
)

// AskLate is the plain ping of Reachable, of whose answer go-ping tells late: as
// where its goroutines get no processor.
func AskLate(from *harness.Node, to string, late time.Duration) (*Exchange, error) {
	p, err := newProbe(from, to, nil)
	if err != nil {
		return nil, err
	}
	a, err := newPing(p)
	if err != nil {
		return nil, err
	}
	defer a.close()
	tell := a.pinger.OnRecv
	a.pinger.OnRecv = func(packet *goping.Packet) {
		time.Sleep(late)
		tell(packet)
	}
	e := &Exchange{From: from, To: to, probe: p}
	return e, p.ask(a, e, from.Lab().Recording().Start())
}

// For the tests: what depends on tables that are one for the machine.
var (
	Forgotten  = forgotten
	Overflowed = overflowed
	OutOfRoom  = outOfRoom
)
