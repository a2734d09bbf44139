package link

import (
	"fmt"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// NeighborTimers are timers of an interface's neighbour table, by the names of
// ip-ntable(8).
type NeighborTimers struct {
	Retransmit time.Duration // retrans: between two requests
	ProxyDelay time.Duration // proxy_delay: at most, before an answer for somebody else
	DelayProbe time.Duration // delay_probe: before a neighbour in use is probed again
}

// The attributes of include/uapi/linux/neighbour.h that x/sys does not name.
const (
	ndtaName       = 1
	ndtaParms      = 6
	ndtpaIfindex   = 1
	ndtpaRetrans   = 5
	ndtpaDelay     = 7
	ndtpaProxyWait = 13
)

// SetNeighborTimers sets the timers of one interface; family is AF_INET (ARP)
// or AF_INET6 (neighbour discovery). Times count in milliseconds.
func (s *Socket) SetNeighborTimers(family uint8, index int, t NeighborTimers) error {
	table := "arp_cache"
	if family == unix.AF_INET6 {
		table = "ndisc_cache"
	}
	req := s.request(unix.RTM_SETNEIGHTBL, unix.NLM_F_ACK)
	req.AddData(&familyHeader{family})
	req.AddData(nl.NewRtAttr(ndtaName, nl.ZeroTerminated(table)))
	parms := nl.NewRtAttr(ndtaParms, nil)
	parms.AddRtAttr(ndtpaIfindex, nl.Uint32Attr(uint32(index)))
	for attr, d := range map[int]time.Duration{ndtpaRetrans: t.Retransmit, ndtpaDelay: t.DelayProbe, ndtpaProxyWait: t.ProxyDelay} {
		parms.AddRtAttr(attr, nl.Uint64Attr(uint64(d.Milliseconds())))
	}
	req.AddData(parms)
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("set timers of %s: %w", table, err)
	}
	return nil
}

// familyHeader is struct ndtmsg: a family and three bytes of padding.
type familyHeader struct{ family uint8 }

func (h *familyHeader) Len() int          { return 4 }
func (h *familyHeader) Serialize() []byte { return []byte{h.family, 0, 0, 0} }

// DefaultConf is what `lo` was born with in the socket's namespace: all
// settings below net.ipv4.conf and net.ipv6.conf that a new interface takes
// from default, as the bytes that the kernel tells them in (IFLA_AF_SPEC). Its
// use is to be compared.
func (s *Socket) DefaultConf() ([]byte, error) {
	answers, err := s.ask(LoopbackIndex)
	if err != nil || len(answers) == 0 {
		return nil, fmt.Errorf("ask for the settings of lo: %w", err)
	}
	for kind, value := range attributes(answers[0][unix.SizeofIfInfomsg:]) {
		if kind == unix.IFLA_AF_SPEC {
			return inetConf(value), nil
		}
	}
	return nil, nil
}

// inetConf takes the arrays of settings out of IFLA_AF_SPEC, without the
// counters and times beside them, which differ from one namespace to the next.
func inetConf(spec []byte) (all []byte) {
	const inetConfAttr, inet6ConfAttr = 1, 2 // IFLA_INET_CONF, IFLA_INET6_CONF
	for family, inner := range attributes(spec) {
		want := uint16(inetConfAttr)
		if family == unix.AF_INET6 {
			want = inet6ConfAttr
		}
		for kind, value := range attributes(inner) {
			if kind == want {
				all = append(all, value...)
			}
		}
	}
	return all
}
