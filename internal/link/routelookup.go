package link

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Flow is a packet for which a route is looked up. The library asks without protocol
// and ports, which rules of policy routing can select by (since Linux 4.17).
type Flow struct {
	To, From                    netip.Addr // From may be unset
	In                          int        // index of the interface that it came in by; 0 for the node's own
	Mark                        uint32
	Protocol                    uint8 // TCP, UDP, ICMP or ICMPv6: the kernel takes no others
	SourcePort, DestinationPort uint16
}

// LookUp asks for the route of a packet. An error of the kernel's is a unix.Errno.
func (s *Socket) LookUp(f Flow) (netlink.Route, error) {
	req := s.request(unix.RTM_GETROUTE, unix.NLM_F_REQUEST)
	family, bits := uint8(unix.AF_INET), uint8(f.To.BitLen())
	if f.To.Is6() {
		family = unix.AF_INET6
	}
	msg := &nl.RtMsg{RtMsg: unix.RtMsg{Family: family, Dst_len: bits, Flags: unix.RTM_F_LOOKUP_TABLE}}
	if f.From.IsValid() {
		msg.Src_len = bits
	}
	req.AddData(msg)
	add := func(attribute int, value []byte) { req.AddData(nl.NewRtAttr(attribute, value)) }
	add(unix.RTA_DST, f.To.AsSlice())
	if f.From.IsValid() {
		add(unix.RTA_SRC, f.From.AsSlice())
	}
	if f.In != 0 {
		add(unix.RTA_IIF, binary.NativeEndian.AppendUint32(nil, uint32(f.In)))
	}
	if f.Mark != 0 {
		add(unix.RTA_MARK, binary.NativeEndian.AppendUint32(nil, f.Mark))
	}
	add(unix.RTA_IP_PROTO, []byte{f.Protocol})
	if f.SourcePort != 0 {
		add(unix.RTA_SPORT, binary.BigEndian.AppendUint16(nil, f.SourcePort))
	}
	if f.DestinationPort != 0 {
		add(unix.RTA_DPORT, binary.BigEndian.AppendUint16(nil, f.DestinationPort))
	}
	answers, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
	switch {
	case err != nil:
		return netlink.Route{}, err
	case len(answers) == 0:
		return netlink.Route{}, unix.ENETUNREACH
	}
	return parseRoute(answers[0], f.To)
}

// parseRoute reads what the kernel answers about one destination.
func parseRoute(m []byte, to netip.Addr) (netlink.Route, error) {
	h := nl.DeserializeRtMsg(m)
	r := netlink.Route{Family: int(h.Family), Type: int(h.Type), Protocol: netlink.RouteProtocol(h.Protocol), Flags: int(h.Flags), Table: int(h.Table)}
	r.Dst = &net.IPNet{IP: to.AsSlice(), Mask: net.CIDRMask(to.BitLen(), to.BitLen())}
	attrs, err := nl.ParseRouteAttr(m[h.Len():])
	if err != nil {
		return r, err
	}
	for _, a := range attrs {
		switch v := a.Value; a.Attr.Type {
		case unix.RTA_GATEWAY:
			r.Gw = v
		case unix.RTA_VIA: // struct rtvia: a family of 16 bits, then the address
			if len(v) > 2 {
				r.Gw = v[2:]
			}
		case unix.RTA_OIF:
			r.LinkIndex = int(binary.NativeEndian.Uint32(v))
		case unix.RTA_PREFSRC:
			r.Src = v
		case unix.RTA_TABLE:
			r.Table = int(binary.NativeEndian.Uint32(v))
		case unix.RTA_METRICS:
			metrics, err := nl.ParseRouteAttr(v)
			if err != nil {
				return r, err
			}
			for _, m := range metrics {
				if m.Attr.Type == unix.RTAX_MTU {
					r.MTU = int(binary.NativeEndian.Uint32(m.Value))
				}
			}
		}
	}
	return r, nil
}
