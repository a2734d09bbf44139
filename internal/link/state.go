package link

import (
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// State is what the kernel says of a link's state, and nothing else of it.
type State struct {
	Flags     uint32 // IFF_*
	OperState uint8  // IF_OPER_* (RFC 2863): 2 down, 3 lower layer down, 6 up
	Master    int    // index of the device that it is a port of; 0 for none
	PortState uint8  // BR_STATE_*, of a port of a bridge; 0 disabled
}

// OperUp is IF_OPER_UP.
const OperUp = 6

// Up tells whether the link was set up, whatever its carrier.
func (s State) Up() bool { return s.Flags&unix.IFF_UP != 0 }

// Carrying tells whether the link is up and has a carrier.
func (s State) Carrying() bool {
	const both = unix.IFF_UP | unix.IFF_LOWER_UP
	return s.Flags&both == both
}

// State asks for a link's state. Of a bridge port it is the one question that
// is as quick in a bridge of a thousand ports as in one of two: the list of a
// bridge's ports can only be had whole.
func (s *Socket) State(index int) (State, error) {
	answers, err := s.ask(index)
	if err != nil {
		return State{}, fmt.Errorf("ask for the state of link %d: %w", index, err)
	}
	for _, m := range answers {
		if len(m) >= unix.SizeofIfInfomsg {
			return parseState(m), nil
		}
	}
	return State{}, fmt.Errorf("ask for the state of link %d: the kernel said nothing", index)
}

func parseState(m []byte) (s State) {
	s.Flags = nl.DeserializeIfInfomsg(m).Flags
	for kind, value := range attributes(m[unix.SizeofIfInfomsg:]) {
		switch {
		case kind == unix.IFLA_OPERSTATE && len(value) >= 1:
			s.OperState = value[0]
		case kind == unix.IFLA_MASTER && len(value) >= 4:
			s.Master = int(nl.NativeEndian().Uint32(value))
		case kind == unix.IFLA_LINKINFO:
			s.PortState = portState(value)
		}
	}
	return s
}

// portState finds IFLA_BRPORT_STATE in IFLA_LINKINFO.
func portState(info []byte) uint8 {
	kind := ""
	for attr, value := range attributes(info) {
		switch attr {
		case nl.IFLA_INFO_SLAVE_KIND:
			kind = unix.ByteSliceToString(value)
		case nl.IFLA_INFO_SLAVE_DATA:
			if kind != "bridge" { // the kernel tells the kind first
				return 0
			}
			for attr, value := range attributes(value) {
				if attr == nl.IFLA_BRPORT_STATE && len(value) >= 1 {
					return value[0]
				}
			}
		}
	}
	return 0
}
