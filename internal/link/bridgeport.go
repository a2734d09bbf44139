package link

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Port is what a bridge says of one of its ports (IFLA_PROTINFO of a device
// dumped with family AF_BRIDGE).
type Port struct {
	Index, Master  int
	State          uint8 // BR_STATE_*: 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking
	Hairpin        bool
	Isolated       bool
	Learning       bool
	Flood          bool // unknown unicast
	MulticastFlood bool // unknown multicast
	BroadcastFlood bool
	Locked         bool // takes frames of known senders only; no older kernel than 5.18 can
	Cost           uint32
	Priority       uint16
}

// BridgePorts are the ports of every bridge in the namespace.
func (s *Socket) BridgePorts() ([]Port, error) {
	var msgs [][]byte
	err := Retry(func() (err error) {
		req := s.request(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfInfomsg(unix.AF_BRIDGE))
		msgs, err = req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dump bridge ports: %w", err)
	}
	var ports []Port
	for _, m := range msgs {
		port, ok, err := parsePort(m)
		if err != nil {
			return nil, err
		}
		if ok {
			ports = append(ports, port)
		}
	}
	return ports, nil
}

func parsePort(m []byte) (port Port, ok bool, err error) {
	attrs, err := nl.ParseRouteAttr(m[unix.SizeofIfInfomsg:])
	if err != nil {
		return port, false, fmt.Errorf("read a bridge port: %w", err)
	}
	port.Index = int(nl.DeserializeIfInfomsg(m).Index)
	for _, a := range attrs {
		// The kernel sets NLA_F_NESTED (0x8000) on this one.
		switch a.Attr.Type &^ unix.NLA_F_NESTED {
		case unix.IFLA_MASTER:
			port.Master = int(nl.NativeEndian().Uint32(a.Value))
		case unix.IFLA_PROTINFO:
			if err := port.parse(a.Value); err != nil {
				return port, false, err
			}
			ok = true
		}
	}
	// The dump also holds the bridge itself, as its own master.
	return port, ok && port.Master != port.Index, nil
}

func (p *Port) parse(raw []byte) error {
	attrs, err := nl.ParseRouteAttr(raw)
	if err != nil {
		return fmt.Errorf("read a bridge port: %w", err)
	}
	for _, a := range attrs {
		switch a.Attr.Type {
		case nl.IFLA_BRPORT_STATE:
			p.State = a.Value[0]
		case nl.IFLA_BRPORT_PRIORITY:
			p.Priority = nl.NativeEndian().Uint16(a.Value)
		case nl.IFLA_BRPORT_COST:
			p.Cost = nl.NativeEndian().Uint32(a.Value)
		case nl.IFLA_BRPORT_MODE:
			p.Hairpin = a.Value[0] != 0
		case nl.IFLA_BRPORT_LEARNING:
			p.Learning = a.Value[0] != 0
		case nl.IFLA_BRPORT_UNICAST_FLOOD:
			p.Flood = a.Value[0] != 0
		case nl.IFLA_BRPORT_MCAST_FLOOD:
			p.MulticastFlood = a.Value[0] != 0
		case brportBroadcastFlood:
			p.BroadcastFlood = a.Value[0] != 0
		case brportLocked:
			p.Locked = a.Value[0] != 0
		case nl.IFLA_BRPORT_ISOLATED:
			p.Isolated = a.Value[0] != 0
		}
	}
	return nil
}

// Attributes that netlink does not name (include/uapi/linux/if_link.h).
const (
	brportBroadcastFlood = 30
	brportLocked         = 39
)

// dumpTries bounds Retry: of 336 dumps under churn 48 were interrupted, so
// that ten in a row mean something else.
const dumpTries = 10

// Retry repeats a dump that the kernel says was interrupted by a change
// (NLM_F_DUMP_INTR), since its answer may have holes.
func Retry(dump func() error) error {
	var err error
	for range dumpTries {
		if err = dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return err
		}
	}
	return err
}
