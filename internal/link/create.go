package link

import (
	"net"

	"github.com/netrig/netrig/internal/ns"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// End is one end of a veth as it is to be created.
type End struct {
	Namespace *ns.Namespace
	Name      string
	Index     int // an index of its own: with equal ones a lost carrier is noticed only after a second
	MAC       net.HardwareAddr
	MTU       int // bytes; 0 is the kernel's default
	Master    int // index of the bridge that takes the port; 0 is none
}

func (e End) message() *nl.IfInfomsg {
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(e.Index)
	return msg
}

// attributes are those that the kernel takes alike for a device and, inside
// VETH_INFO_PEER, for its other end.
func (e End) attributes() []*nl.RtAttr {
	attrs := []*nl.RtAttr{
		nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(e.Name)),
		nl.NewRtAttr(unix.IFLA_ADDRESS, e.MAC),
		nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(e.Namespace.Fd()))),
		// One queue each way. The driver otherwise makes one for each processor
		// and then gives all but one back (veth_init_queues), for which it waits
		// through an RCU grace period with the lock of all link changes held.
		nl.NewRtAttr(unix.IFLA_NUM_TX_QUEUES, nl.Uint32Attr(1)),
		nl.NewRtAttr(unix.IFLA_NUM_RX_QUEUES, nl.Uint32Attr(1)),
	}
	if e.MTU > 0 {
		attrs = append(attrs, nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(e.MTU))))
	}
	return attrs
}

// CreateVeth makes a veth with both ends in their final namespaces. (One that
// is created and then moved costs 64 times as much.) With up, end a is set up
// and enslaved in the same message; end b stays down either way, since the
// kernel can't set it up before it knows its other end.
func (s *Socket) CreateVeth(a, b End, up bool) error {
	req := s.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	msg := a.message()
	if up {
		msg.Flags, msg.Change = unix.IFF_UP, unix.IFF_UP
	}
	req.AddData(msg)
	for _, attr := range a.attributes() {
		req.AddData(attr)
	}
	if up && a.Master > 0 {
		req.AddData(nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(a.Master))))
	}
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("veth"))
	peer := info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.VETH_INFO_PEER, nil)
	peer.AddChild(b.message())
	for _, attr := range b.attributes() {
		peer.AddChild(attr)
	}
	req.AddData(info)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// Up enslaves the device to its bridge, if it has one, and sets it up.
func (s *Socket) Up(index, master int) error {
	req := s.request(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index, msg.Flags, msg.Change = int32(index), unix.IFF_UP, unix.IFF_UP
	req.AddData(msg)
	if master > 0 {
		// do_setlink handles the master before the flags, so the port comes up
		// enslaved (net/core/rtnetlink.c).
		req.AddData(nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(master))))
	}
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// Bridge is a bridge as it is to be created, in the socket's namespace.
type Bridge struct {
	Name              string
	Index             int
	MAC               net.HardwareAddr
	MTU               int // bytes; 0 follows the ports
	STP               bool
	ForwardDelay      uint32 // hundredths of a second (USER_HZ); the kernel's default without STP, which alone heeds it
	Ageing            uint32 // hundredths of a second (USER_HZ)
	VLANFiltering     bool
	MulticastSnooping bool
}

// CreateBridge makes a bridge, down.
func (s *Socket) CreateBridge(b Bridge) error {
	req := s.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(b.Index)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(b.Name)))
	req.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, b.MAC))
	if b.MTU > 0 {
		req.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(b.MTU))))
	}
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	if b.STP {
		data.AddRtAttr(nl.IFLA_BR_FORWARD_DELAY, nl.Uint32Attr(b.ForwardDelay))
	}
	data.AddRtAttr(nl.IFLA_BR_AGEING_TIME, nl.Uint32Attr(b.Ageing))
	data.AddRtAttr(nl.IFLA_BR_STP_STATE, nl.Uint32Attr(number(b.STP)))
	// A kernel without the option (CONFIG_BRIDGE_IGMP_SNOOPING,
	// CONFIG_BRIDGE_VLAN_FILTERING) ignores or refuses the attribute.
	data.AddRtAttr(nl.IFLA_BR_MCAST_SNOOPING, nl.Uint8Attr(uint8(number(b.MulticastSnooping))))
	if b.VLANFiltering {
		data.AddRtAttr(nl.IFLA_BR_VLAN_FILTERING, nl.Uint8Attr(1))
	}
	req.AddData(info)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

func number(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}
