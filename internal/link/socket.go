// Package link makes and reads network devices by rtnetlink where
// vishvananda/netlink lacks an attribute: both ends of a veth with an index,
// a MAC and a namespace of their own in one message, all settings of a bridge
// at creation, and the state of bridge ports.
//
// Numbers and layouts are those of include/uapi/linux/if_link.h and
// rtnetlink(7).
package link

import (
	"fmt"

	"github.com/netrig/netrig/internal/ns"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Socket is an rtnetlink socket in one namespace. It can be used from any
// goroutine, also from several at once.
type Socket struct{ sockets map[int]*nl.SocketHandle }

// Open opens an rtnetlink socket inside n.
func Open(n *ns.Namespace) (s *Socket, err error) {
	err = n.Do(func() error {
		s, err = OpenHere()
		return err
	})
	return s, err
}

// OpenHere opens an rtnetlink socket in the namespace that the calling thread is in.
func OpenHere() (*Socket, error) {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open an rtnetlink socket: %w", err)
	}
	return &Socket{map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: s}}}, nil
}

// Close closes the socket.
func (s *Socket) Close() { s.sockets[unix.NETLINK_ROUTE].Close() }

func (s *Socket) request(kind, flags int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = s.sockets
	return req
}

// Await waits until nobody on the machine is changing links. Whoever then
// writes a sysctl that needs that lock (forwarding, disable_ipv6) is likely to
// get it at once. Without waiting first, the kernel has the writer try again
// and again at full speed (restart_syscall in net/ipv4/devinet.c and
// net/ipv6/addrconf.c), for as long as the other needs: 27 ms where a bridge
// is being taken apart, with a processor lost to everybody else.
func (s *Socket) Await() error { return s.Look(LoopbackIndex) }

// LoopbackIndex is the index of `lo` in every namespace (LOOPBACK_IFINDEX,
// include/net/flow.h).
const LoopbackIndex = 1

// Look asks for one link, and does nothing with the answer. Before the kernel
// answers it does what it had put off about the link's carrier
// (linkwatch_sync_dev): a packet sent right after both ends of a veth are up
// may otherwise be lost.
func (s *Socket) Look(index int) error {
	_, err := s.ask(index)
	return err
}

// skipStats is RTEXT_FILTER_SKIP_STATS (linux/rtnetlink.h).
const skipStats = 1 << 3

// ask asks for one link; the answers are RTM_NEWLINK messages.
func (s *Socket) ask(index int) ([][]byte, error) {
	req := s.request(unix.RTM_GETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	// Counters, of which IPv6 has a great many, are not what is asked for here.
	req.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipStats)))
	return req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
}
