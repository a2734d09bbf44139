package assert

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
)

// Exchange is what a probe did and what came of it.
type Exchange struct {
	From *harness.Node
	To   string

	// Request is the probe on its way, Reply the answer on its way back, Error
	// the ICMP error about the probe; nil for none, or where the sender is not
	// recorded. With Count they are those of the last probe.
	Request, Reply, Error *capture.Flight
	// Window is every packet of the lab from before the probe until its end.
	Window capture.Window

	// TTL is that of the answer as the sender got it; 0 for none.
	TTL int
	// RTT is the time from sending to the answer.
	RTT time.Duration
	// Cause is why there was no answer; Reached when there was one.
	Cause Cause
	// ServerSaw is the caller's address as the server saw it, for TCP and UDP:
	// as a server of Node.Serve was told it, else as the packet had it that
	// arrived there.
	ServerSaw netip.AddrPort

	probe *probe // what asked, for an explanation
	errno string // the error of the sender's own kernel, by its name
}

// reached tells whether there was an answer.
func (e *Exchange) reached() bool { return e.Cause.Kind == Reached.Kind }

// story is the packets of the window, indented below a message.
// storyOf is a window's story below a message, by the names of who has which
// address.
func storyOf(w capture.Window, n capture.Names) string {
	if w.Len() == 0 {
		return "\n    no packet was seen"
	}
	return "\n    " + strings.ReplaceAll(strings.TrimRight(w.Story(n), "\n"), "\n", "\n    ")
}

// namesOf are those of the lab that the test is, if it is one.
func namesOf(t testing.TB) capture.Names {
	if l, ok := t.(*harness.Lab); ok {
		return l.Names()
	}
	return capture.Names{}
}
