package harness

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/netrig/netrig/internal/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// BridgePortState is a port's state by IEEE 802.1D (BR_STATE_* of
// include/uapi/linux/if_bridge.h).
type BridgePortState uint8

// The states of a bridge port. Only a forwarding one passes packets.
const (
	Disabled BridgePortState = iota
	Listening
	Learning
	Forwarding
	Blocking
)

// String is the name of bridge(8).
func (s BridgePortState) String() string {
	names := []string{"disabled", "listening", "learning", "forwarding", "blocking"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprint(uint8(s))
}

// BridgePort is what a bridge says of one of its ports.
type BridgePort struct {
	Interface, Bridge string
	State             BridgePortState
	Hairpin           bool // sends frames back out of the port that they came in by
	Isolated          bool // does not talk to other isolated ports
	Learning          bool
	Flood             bool // unknown unicast goes out of this port
	MulticastFlood    bool
	BroadcastFlood    bool
	Locked            bool // takes frames only of senders whose entry in the forwarding database is there already
	Cost              uint32
	Priority          uint16
}

// BridgePorts are the ports of all bridges in the node.
func (n *Node) BridgePorts() []BridgePort {
	n.lab.TB.Helper()
	list, err := n.raw.BridgePorts()
	n.must(err, "list the bridge ports")
	names := n.namesByIndex()
	all := make([]BridgePort, 0, len(list))
	for _, p := range list {
		all = append(all, BridgePort{
			Interface: names[p.Index], Bridge: names[p.Master], State: BridgePortState(p.State), Hairpin: p.Hairpin, Isolated: p.Isolated,
			Learning: p.Learning, Flood: p.Flood, MulticastFlood: p.MulticastFlood, BroadcastFlood: p.BroadcastFlood, Locked: p.Locked, Cost: p.Cost, Priority: p.Priority,
		})
	}
	return all
}

// ForwardingEntry says behind which port of a bridge a hardware address is.
type ForwardingEntry struct {
	MAC       net.HardwareAddr
	Interface string
	Bridge    string
	VLAN      int
	// Remote is the end of a tunnel behind which the address is: of an entry of a
	// tunnel's own interface (Node.VXLAN), invalid for others. The address of zeros
	// stands for all that the tunnel has not learned.
	Remote netip.Addr
	// Permanent entries are the bridge's own and its ports' addresses; others
	// were learned and age.
	Permanent bool
}

// ForwardingDatabase is what the node's bridges and tunnels know of who is where
// (`bridge fdb`). Multicast entries of devices are left out.
func (n *Node) ForwardingDatabase() []ForwardingEntry {
	n.lab.TB.Helper()
	var list []netlink.Neigh
	err := link.Retry(func() (err error) { list, err = n.route.NeighList(0, unix.AF_BRIDGE); return err })
	n.must(err, "list the forwarding database")
	names := n.namesByIndex()
	var all []ForwardingEntry
	for _, e := range list {
		if e.Flags&netlink.NTF_SELF != 0 && e.MasterIndex == 0 && names[e.LinkIndex] != "" && e.HardwareAddr[0]&1 == 1 {
			continue
		}
		all = append(all, ForwardingEntry{
			MAC: e.HardwareAddr, Interface: names[e.LinkIndex], Bridge: names[e.MasterIndex], VLAN: e.Vlan, Remote: addrOf(e.IP),
			Permanent: e.State&netlink.NUD_PERMANENT != 0,
		})
	}
	return all
}
