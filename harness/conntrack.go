package harness

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"
)

// Tuple is one direction of a connection as connection tracking knows it. For
// ICMP echoes the ports are the echo's identifier, in both places.
type Tuple struct{ Source, Destination netip.AddrPort }

// String is "source > destination".
func (t Tuple) String() string { return t.Source.String() + " > " + t.Destination.String() }

// Connection is an entry of the connection tracking table. Without address
// translation Reply is Original turned around; with it, the difference between
// the two is the translation.
type Connection struct {
	Protocol        string // "tcp", "udp", "icmp", "icmpv6" or the protocol's number
	Original, Reply Tuple
	State           string        // of TCP: "SYN_SENT", "ESTABLISHED", ...; "" for others
	Timeout         time.Duration // until the entry goes, in whole seconds
	SourceNAT       bool          // the source address or port is translated
	DestinationNAT  bool          // the destination address or port is translated
	SeenReply       bool
	Assured         bool // not dropped early when the table is full
	Mark            uint32
	Zone            uint16
}

// String writes the entry nearly as conntrack(8) does.
func (c Connection) String() string {
	state := c.State
	if state != "" {
		state = " " + state
	}
	return fmt.Sprintf("%s%s %s, reply %s", c.Protocol, state, c.Original, c.Reply)
}

// Conntrack is the node's connection tracking table, of both families. It is
// empty while nothing in the node (a NAT rule, a rule about states) asks for
// connections to be tracked.
func (n *Node) Conntrack() []Connection {
	n.lab.TB.Helper()
	var flows []conntrack.Flow
	err := n.withConntrack(func(c *conntrack.Conn) (err error) { flows, err = c.Dump(nil); return err })
	n.must(err, "list the tracked connections")
	all := make([]Connection, 0, len(flows))
	for _, f := range flows {
		all = append(all, connectionOf(f))
	}
	return all
}

// Tracked looks one connection up by the addresses and ports of its first
// packet ("tcp", "udp"; of an echo request, "icmp" or "icmpv6", by its
// identifier), which takes the kernel microseconds where the whole table can
// take ten milliseconds. It tells whether there is one.
func (n *Node) Tracked(protocol string, first Tuple) (Connection, bool) {
	n.lab.TB.Helper()
	numbers := map[string]uint8{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP, "icmp": unix.IPPROTO_ICMP, "icmpv6": unix.IPPROTO_ICMPV6}
	number, ok := numbers[protocol]
	if !ok {
		n.fatalf("look a tracked connection up: the protocol %q is not tcp, udp, icmp or icmpv6", protocol)
	}
	ask := conntrack.NewFlow(number, 0, first.Source.Addr(), first.Destination.Addr(), first.Source.Port(), first.Destination.Port(), 0, 0)
	// The kernel looks at the original direction only.
	ask.TupleOrig.Proto.ICMPID, ask.TupleOrig.Proto.ICMPType = first.Source.Port(), echoRequestTypes[protocol]
	var flow conntrack.Flow
	err := n.withConntrack(func(c *conntrack.Conn) (err error) { flow, err = c.Get(ask); return err })
	if errors.Is(err, unix.ENOENT) {
		return Connection{}, false
	}
	n.must(err, "look a tracked connection up (%s %s)", protocol, first)
	return connectionOf(flow), true
}

// echoRequestTypes are the ICMP types of an echo request (RFC 792, RFC 4443).
var echoRequestTypes = map[string]uint8{"icmp": 8, "icmpv6": 128}

// FlushConntrack forgets every tracked connection of the node: packets of
// established ones are then taken for new ones.
func (n *Node) FlushConntrack() {
	n.lab.TB.Helper()
	n.must(n.withConntrack((*conntrack.Conn).Flush), "flush the tracked connections")
	n.did("")
}

func (n *Node) withConntrack(f func(*conntrack.Conn) error) error {
	c, err := conntrack.Dial(&netlink.Config{NetNS: n.space.Fd()})
	if err == nil {
		defer c.Close()
		err = f(c)
	}
	if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("%w: this kernel does not show tracked connections: build it with CONFIG_NF_CT_NETLINK, or as root `modprobe nf_conntrack_netlink`", err)
	}
	return err
}

func connectionOf(f conntrack.Flow) Connection {
	c := Connection{
		Original: tupleOf(f.TupleOrig), Reply: tupleOf(f.TupleReply),
		Timeout:   time.Duration(f.Timeout) * time.Second,
		SourceNAT: f.Status.SrcNAT(), DestinationNAT: f.Status.DstNAT(),
		SeenReply: f.Status.SeenReply(), Assured: f.Status.Assured(), Mark: f.Mark, Zone: f.Zone,
	}
	switch p := f.TupleOrig.Proto.Protocol; p {
	case unix.IPPROTO_TCP:
		c.Protocol = "tcp"
		if t := f.ProtoInfo.TCP; t != nil {
			c.State = tcpStateName(t.State)
		}
	case unix.IPPROTO_UDP:
		c.Protocol = "udp"
	case unix.IPPROTO_ICMP:
		c.Protocol = "icmp"
	case unix.IPPROTO_ICMPV6:
		c.Protocol = "icmpv6"
	default:
		c.Protocol = fmt.Sprint(p)
	}
	return c
}

func tupleOf(t conntrack.Tuple) Tuple {
	from, to := t.Proto.SourcePort, t.Proto.DestinationPort
	if t.Proto.ICMPv4 || t.Proto.ICMPv6 {
		from, to = t.Proto.ICMPID, t.Proto.ICMPID
	}
	return Tuple{netip.AddrPortFrom(t.IP.SourceAddress, from), netip.AddrPortFrom(t.IP.DestinationAddress, to)}
}

// tcpStateName is the name of a TCP_CONNTRACK_* value
// (include/uapi/linux/netfilter/nf_conntrack_tcp.h).
func tcpStateName(s uint8) string {
	names := []string{"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprint(s)
}
