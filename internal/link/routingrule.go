package link

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// RoutingRule is a rule of policy routing (struct fib_rule_hdr and FRA_* of
// include/uapi/linux/fib_rules.h). The library's does not tell what a rule
// does.
type RoutingRule struct {
	Family         uint8 // AF_INET or AF_INET6
	Priority       uint32
	From, To       netip.Prefix // invalid for any
	Not            bool
	In, Out        string
	Mark, Mask     uint32
	Table          uint32
	SuppressPrefix int32 // -1 for none
	Action         uint8 // FR_ACT_*: 1 looks a table up
	TOS            uint8
	Protocol       uint8      // 0 for any
	SourcePorts    PortRange  // zero for any
	Ports          PortRange  // of the destination
	UIDs           *[2]uint32 // users of sockets, from and to; nil for any
}

// PortRange is from one port to another.
type PortRange struct{ First, Last uint16 }

// invert is FIB_RULE_INVERT of the flags of struct fib_rule_hdr.
const invert = 2

// RoutingRules are the namespace's rules of IPv4, then those of IPv6, each by
// priority.
func (s *Socket) RoutingRules() (all []RoutingRule, err error) {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		var msgs [][]byte
		err := Retry(func() (err error) {
			req := s.request(unix.RTM_GETRULE, unix.NLM_F_DUMP)
			msg := nl.NewRtMsg()
			*msg = nl.RtMsg{RtMsg: unix.RtMsg{Family: family}}
			req.AddData(msg)
			msgs, err = req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWRULE)
			return err
		})
		if err == unix.EAFNOSUPPORT || err == unix.EOPNOTSUPP {
			continue // a kernel without the family, or without policy routing for it
		}
		if err != nil {
			return nil, fmt.Errorf("dump routing rules: %w", err)
		}
		for _, m := range msgs {
			r, err := parseRoutingRule(m)
			if err != nil {
				return nil, err
			}
			if r.Family == family { // without IPv6 the kernel answers for all families
				all = append(all, r)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b RoutingRule) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Priority, b.Priority))
	})
	return all, nil
}

func parseRoutingRule(m []byte) (RoutingRule, error) {
	h := nl.DeserializeRtMsg(m)
	r := RoutingRule{
		Family: h.Family, Table: uint32(h.Table), Action: h.Type, Not: h.Flags&invert != 0, SuppressPrefix: -1, TOS: h.Tos,
	}
	attrs, err := nl.ParseRouteAttr(m[h.Len():])
	if err != nil {
		return r, fmt.Errorf("read a routing rule: %w", err)
	}
	prefix := func(value []byte, bits uint8) netip.Prefix {
		a, _ := netip.AddrFromSlice(value)
		return netip.PrefixFrom(a, int(bits))
	}
	for _, a := range attrs {
		number := func() uint32 { return nl.NativeEndian().Uint32(a.Value) }
		switch a.Attr.Type {
		case nl.FRA_PRIORITY:
			r.Priority = number()
		case nl.FRA_SRC:
			r.From = prefix(a.Value, h.Src_len)
		case nl.FRA_DST:
			r.To = prefix(a.Value, h.Dst_len)
		case nl.FRA_IIFNAME:
			r.In = nl.BytesToString(a.Value)
		case nl.FRA_OIFNAME:
			r.Out = nl.BytesToString(a.Value)
		case nl.FRA_FWMARK:
			r.Mark = number()
		case nl.FRA_FWMASK:
			r.Mask = number()
		case unix.RTA_TABLE:
			r.Table = number()
		case nl.FRA_IP_PROTO:
			r.Protocol = a.Value[0]
		case nl.FRA_SPORT_RANGE:
			r.SourcePorts = portRange(a.Value)
		case nl.FRA_DPORT_RANGE:
			r.Ports = portRange(a.Value)
		case nl.FRA_UID_RANGE:
			r.UIDs = &[2]uint32{number(), nl.NativeEndian().Uint32(a.Value[4:])}
		case nl.FRA_SUPPRESS_PREFIXLEN:
			r.SuppressPrefix = int32(number())
		}
	}
	return r, nil
}

// portRange reads a struct fib_rule_port_range.
func portRange(value []byte) PortRange {
	return PortRange{nl.NativeEndian().Uint16(value), nl.NativeEndian().Uint16(value[2:])}
}
