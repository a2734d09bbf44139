package compare

import (
	"testing"

	"github.com/netrig/netrig/internal/journal"
	"github.com/stretchr/testify/assert"
)

func ask(flight int) journal.Packet {
	return journal.Packet{At: "ns0:veth0", Direction: "out", Flight: flight, Kind: "arp request", Src: "10.0.0.1", Dst: "10.0.0.2"}
}

func answer(flight int) journal.Packet {
	return journal.Packet{At: "ns0:veth0", Direction: "in", Flight: flight, Kind: "arp reply", Src: "10.0.0.2", Dst: "10.0.0.1", Detail: "10.0.0.2 is at ns1:veth1"}
}

func lab(steps ...[]journal.Packet) *journal.Test {
	l := &journal.Lab{}
	for _, packets := range steps {
		l.Steps = append(l.Steps, &journal.Step{Packets: packets})
	}
	for i, s := range l.Steps {
		s.Name = string(rune('a' + i))
	}
	return &journal.Test{Outcome: journal.Passed, Labs: []*journal.Lab{l}}
}

// How often a neighbour that answers is asked is chance; whether it is asked,
// answers, and how often one that does not is asked, is not.
func TestRepeatedQuestions(t *testing.T) {
	once := lab([]journal.Packet{ask(1), answer(2)}, nil)
	assert.True(t, Alike(once, lab([]journal.Packet{ask(1), ask(2), answer(3), answer(4)}, nil)), "asked again before the answer came")
	assert.True(t, Alike(once, lab([]journal.Packet{ask(1), answer(2)}, []journal.Packet{ask(1), answer(2)})), "confirmed in a later step")
	assert.False(t, Alike(once, lab(nil, nil)), "never asked")
	assert.False(t, Alike(once, lab([]journal.Packet{ask(1)}, nil)), "not answered")
	assert.False(t, Alike(once, lab([]journal.Packet{ask(1), answer(2)}, []journal.Packet{ask(1)})), "no answer any more")
	assert.False(t, Alike(lab([]journal.Packet{ask(1)}), lab([]journal.Packet{ask(1), ask(2)})), "asked more often in vain")
	moved := answer(2)
	moved.Detail = "10.0.0.2 is at ns2:veth2"
	assert.False(t, Alike(once, lab([]journal.Packet{ask(1), moved}, nil)), "another one answers")

	solicit := func(flight int) journal.Packet {
		return journal.Packet{At: "ns0:veth0", Direction: "out", Flight: flight, Kind: "neighbor solicitation", Src: "fd00::1", Dst: "ff02::1:ff00:2", Detail: "target fd00::2, at ns0:veth0, 86 bytes"}
	}
	advertise := journal.Packet{At: "ns0:veth0", Direction: "in", Flight: 9, Kind: "neighbor advertisement", Src: "fd00::2", Dst: "fd00::1", Detail: "target fd00::2, at ns1:veth1, 86 bytes"}
	assert.True(t, Alike(lab([]journal.Packet{solicit(1), advertise}), lab([]journal.Packet{solicit(1), solicit(2), advertise})))
	assert.False(t, Alike(lab([]journal.Packet{solicit(1)}), lab([]journal.Packet{solicit(1), solicit(2)})))
}
