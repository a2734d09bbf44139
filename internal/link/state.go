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
			return parseState(m)
		}
	}
	return State{}, fmt.Errorf("ask for the state of link %d: the kernel said nothing", index)
}

func parseState(m []byte) (s State, err error) {
	s.Flags = nl.DeserializeIfInfomsg(m).Flags
	attrs, err := nl.ParseRouteAttr(m[unix.SizeofIfInfomsg:])
	if err != nil {
		return s, fmt.Errorf("read the state of a link: %w", err)
	}
	for _, a := range attrs {
		switch a.Attr.Type &^ unix.NLA_F_NESTED {
		case unix.IFLA_OPERSTATE:
			s.OperState = a.Value[0]
		case unix.IFLA_MASTER:
			s.Master = int(nl.NativeEndian().Uint32(a.Value))
		case unix.IFLA_LINKINFO:
			if s.PortState, err = portState(a.Value); err != nil {
				return s, fmt.Errorf("read the state of a link: %w", err)
			}
		}
	}
	return s, nil
}

// portState finds IFLA_BRPORT_STATE in IFLA_LINKINFO.
func portState(info []byte) (uint8, error) {
	attrs, err := nl.ParseRouteAttr(info)
	if err != nil {
		return 0, err
	}
	kind := ""
	for _, a := range attrs {
		switch a.Attr.Type &^ unix.NLA_F_NESTED {
		case nl.IFLA_INFO_SLAVE_KIND:
			kind = unix.ByteSliceToString(a.Value)
		case nl.IFLA_INFO_SLAVE_DATA:
			if kind != "bridge" { // the kernel tells the kind first
				return 0, nil
			}
			port, err := nl.ParseRouteAttr(a.Value)
			if err != nil {
				return 0, err
			}
			for _, p := range port {
				if p.Attr.Type == nl.IFLA_BRPORT_STATE {
					return p.Value[0], nil
				}
			}
		}
	}
	return 0, nil
}
