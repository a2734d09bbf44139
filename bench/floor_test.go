package bench

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// floor asks of the kernel what each work needs and nothing more: requests that
// can go together do, in one call; nothing is observed or asserted but that the
// echo comes back. No test of these networks can be faster.
var floor = worker{
	build: map[string]func(int) error{
		"pair":       floored(floorPair),
		"masquerade": floored(floorMasquerade),
		"bridge":     floored(floorBridge),
		"chain":      floored(floorChain),
	},
	other: map[string]func(int, int) (answer, error){
		"learned":   func(size, _ int) (answer, error) { return floorMatrix(size, false) },
		"permanent": func(size, _ int) (answer, error) { return floorMatrix(size, true) },
		"capture":   floorCapture,
		"rest":      func(int, int) (answer, error) { return floorRest() },
	},
}

// space is a namespace by its descriptor, with an rtnetlink socket in it.
type space struct{ ns, route int }

// spaces are those of a network. They belong to one thread.
type spaces struct {
	all []space
	fds []int // all that is open
}

// floored runs a work on a thread of its own, which ends in whichever namespace
// it is in, and lets go of everything.
func floored(f func(*spaces, int) error) func(int) error {
	return func(size int) error {
		done := make(chan error)
		go func() {
			runtime.LockOSThread()
			var s spaces
			err := f(&s, size)
			s.close()
			done <- err
		}()
		return <-done
	}
}

func (s *spaces) close() {
	for _, fd := range s.fds {
		unix.Close(fd)
	}
	s.fds = nil
}

// add makes a namespace, which the thread then is in.
func (s *spaces) add() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	ns, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	s.fds = append(s.fds, ns)
	route, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	s.fds = append(s.fds, route)
	s.all = append(s.all, space{ns, route})
	return nil
}

func (s *spaces) addMany(n int) error {
	for range n {
		if err := s.add(); err != nil {
			return err
		}
	}
	return nil
}

func (s *spaces) enter(i int) error {
	return os.NewSyscallError("setns", unix.Setns(s.all[i].ns, unix.CLONE_NEWNET))
}

// ask sends requests in one message. The kernel carries them out before it
// returns; only the last is confirmed, the others say something only if they
// fail.
func (s *spaces) ask(i int, requests ...*nl.NetlinkRequest) error {
	var message []byte
	for k, r := range requests {
		if k == len(requests)-1 {
			r.Flags |= unix.NLM_F_ACK
		}
		raw := r.Serialize()
		message = append(message, raw...)
		message = append(message, make([]byte, (4-len(raw)%4)%4)...)
	}
	fd := s.all[i].route
	if err := unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("send to rtnetlink", err)
	}
	answer := make([]byte, 32<<10)
	for {
		n, _, err := unix.Recvfrom(fd, answer, 0)
		if err != nil {
			return os.NewSyscallError("receive from rtnetlink", err)
		}
		for b := answer[:n]; len(b) >= unix.SizeofNlMsghdr; {
			length := int(binary.NativeEndian.Uint32(b))
			if binary.NativeEndian.Uint16(b[4:]) == unix.NLMSG_ERROR {
				errno := -int32(binary.NativeEndian.Uint32(b[16:]))
				if errno != 0 {
					return unix.Errno(errno)
				}
				return nil // of the last
			}
			b = b[min(len(b), (length+3)&^3):]
		}
	}
}

// attributes that a request may need.
func u32(kind int, v int) *nl.RtAttr { return nl.NewRtAttr(kind, nl.Uint32Attr(uint32(v))) }

func request(kind, flags int, header nl.NetlinkRequestData, attributes ...*nl.RtAttr) *nl.NetlinkRequest {
	r := nl.NewNetlinkRequest(kind, flags)
	r.AddData(header)
	for _, a := range attributes {
		r.AddData(a)
	}
	return r
}

func linkHeader(index int, up bool) *nl.IfInfomsg {
	h := nl.NewIfInfomsg(unix.AF_UNSPEC)
	h.Index = int32(index)
	if up {
		h.Flags, h.Change = unix.IFF_UP, unix.IFF_UP
	}
	return h
}

const create = unix.NLM_F_CREATE | unix.NLM_F_EXCL

// veth makes a cable, with end a up, and in a bridge if it has a master. The
// indexes differ, or a lost carrier is noticed late.
func (s *spaces) veth(a, indexA, master, b, indexB int) *nl.NetlinkRequest {
	end := func(index int) []*nl.RtAttr {
		return []*nl.RtAttr{
			nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(fmt.Sprintf("veth%d", index))),
			nl.NewRtAttr(unix.IFLA_ADDRESS, mac(index)),
			u32(unix.IFLA_NUM_TX_QUEUES, 1), u32(unix.IFLA_NUM_RX_QUEUES, 1),
		}
	}
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("veth"))
	peer := info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.VETH_INFO_PEER, nil)
	peer.AddChild(linkHeader(indexB, false))
	for _, attr := range append(end(indexB), u32(unix.IFLA_NET_NS_FD, s.all[b].ns)) {
		peer.AddChild(attr)
	}
	attributes := end(indexA)
	if master > 0 {
		attributes = append(attributes, u32(unix.IFLA_MASTER, master))
	}
	return request(unix.RTM_NEWLINK, create, linkHeader(indexA, true), append(attributes, info)...)
}

func mac(index int) net.HardwareAddr {
	return net.HardwareAddr{2, 0, 0, 0, byte(index >> 8), byte(index)}
}

func up(index int) *nl.NetlinkRequest { return request(unix.RTM_NEWLINK, 0, linkHeader(index, true)) }

// look has the kernel do what it has put off about a link's carrier.
func look(index int) *nl.NetlinkRequest {
	return request(unix.RTM_GETLINK, 0, linkHeader(index, false))
}

func newAddress(index int, ip net.IP, bits uint8) *nl.NetlinkRequest {
	h := nl.NewIfAddrmsg(unix.AF_INET)
	h.Index, h.Prefixlen = uint32(index), bits
	return request(unix.RTM_NEWADDR, create, h, nl.NewRtAttr(unix.IFA_LOCAL, ip.To4()))
}

// newRoute is one to ip/bits, or with bits 0 the default.
func newRoute(ip net.IP, bits uint8, via net.IP) *nl.NetlinkRequest {
	h := nl.NewRtMsg()
	h.Family, h.Dst_len = unix.AF_INET, bits
	attributes := []*nl.RtAttr{nl.NewRtAttr(unix.RTA_GATEWAY, via.To4())}
	if bits > 0 {
		attributes = append(attributes, nl.NewRtAttr(unix.RTA_DST, ip.To4()))
	}
	return request(unix.RTM_NEWROUTE, create, h, attributes...)
}

func newNeighbour(index int, ip net.IP, to net.HardwareAddr) *nl.NetlinkRequest {
	h := &neighbour{family: unix.AF_INET, index: uint32(index), state: unix.NUD_PERMANENT}
	return request(unix.RTM_NEWNEIGH, create, h, nl.NewRtAttr(unix.NDA_DST, ip.To4()), nl.NewRtAttr(unix.NDA_LLADDR, to))
}

// neighbour is struct ndmsg.
type neighbour struct {
	family uint8
	index  uint32
	state  uint16
}

func (n *neighbour) Len() int { return 12 }

func (n *neighbour) Serialize() []byte {
	b := make([]byte, n.Len())
	b[0] = n.family
	binary.NativeEndian.PutUint32(b[4:], n.index)
	binary.NativeEndian.PutUint16(b[8:], n.state)
	return b
}

// forward has the namespace that the thread is in forward packets.
func forward() error {
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}

func floorPair(s *spaces, _ int) error {
	return first(
		func() error { return s.addMany(2) },
		func() error {
			return s.ask(0, s.veth(0, 101, 0, 1, 102), newAddress(101, net.IPv4(10, 0, 0, 1), 24))
		},
		func() error { return s.ask(1, up(102), newAddress(102, net.IPv4(10, 0, 0, 2), 24), look(102)) },
		func() error { return s.ask(0, look(101)) },
		func() error { return s.enter(0) },
		func() error { return s.ping(net.IPv4(10, 0, 0, 2)) },
	)
}

func floorMasquerade(s *spaces, _ int) error {
	const client, gateway, server = 0, 1, 2
	record := func(i int) error {
		if err := s.enter(i); err != nil {
			return err
		}
		const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // in network order
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all&0xffff)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		// Closed by a thread that ends, off the path, as the harness does.
		toClose <- fd
		return nil
	}
	return first(
		func() error { return s.addMany(3) },
		func() error {
			return s.ask(client, s.veth(client, 101, 0, gateway, 102), newAddress(101, net.IPv4(10, 1, 0, 2), 24))
		},
		func() error {
			return s.ask(server, s.veth(server, 104, 0, gateway, 103), newAddress(104, net.IPv4(10, 2, 0, 2), 24))
		},
		func() error {
			return s.ask(gateway, up(102), up(103), newAddress(102, net.IPv4(10, 1, 0, 1), 24), newAddress(103, net.IPv4(10, 2, 0, 1), 24), look(102), look(103))
		},
		func() error { return s.ask(client, look(101), newRoute(nil, 0, net.IPv4(10, 1, 0, 1))) },
		func() error { return s.ask(server, look(104)) },
		func() error { return s.enter(gateway) },
		forward,
		masqueradeRule,
		func() error { return record(gateway) },
		func() error { return record(server) },
		func() error { return record(client) },
		func() error { return s.ping(net.IPv4(10, 2, 0, 2)) },
	)
}

// toClose takes the sockets of the recording: to close one waits for the kernel
// (see capture), which is done aside.
var toClose = func() chan<- int {
	c := make(chan int, 64)
	go func() {
		for fd := range c {
			go unix.Close(fd)
		}
	}()
	return c
}()

// masqueradeRule adds a table, a chain and the rule in one transaction.
func masqueradeRule() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	table := c.AddTable(&nftables.Table{Name: "nat", Family: nftables.TableFamilyIPv4})
	post := c.AddChain(&nftables.Chain{Name: "post", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource})
	c.AddRule(&nftables.Rule{Table: table, Chain: post, Exprs: []expr.Any{
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: append([]byte("veth103"), make([]byte, 9)...)},
		&expr.Masq{},
	}})
	return c.Flush()
}

func ip(i int) net.IP { return net.IPv4(10, 0, byte(i>>8), byte(i)) }

// Interface indexes, and with them MACs, of a network on a bridge.
const firstHost, firstPort, bridge = 101, 5001, 10_000

// floorBridged is a bridge (the last namespace) and so many nodes.
func floorBridged(s *spaces, size int) error {
	if err := s.addMany(size + 1); err != nil {
		return err
	}
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	br := request(unix.RTM_NEWLINK, create, linkHeader(bridge, true), nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated("br0")), info)
	if err := s.ask(size, br); err != nil {
		return err
	}
	for i := range size {
		err := first(
			func() error {
				requests := []*nl.NetlinkRequest{s.veth(size, firstPort+i, bridge, i, firstHost+i)}
				if i > 0 { // the port before, whose other end is up by now
					requests = append(requests, look(firstPort+i-1))
				}
				return s.ask(size, requests...)
			},
			func() error {
				return s.ask(i, up(firstHost+i), newAddress(firstHost+i, ip(i+1), 16), look(firstHost+i))
			},
		)
		if err != nil {
			return err
		}
	}
	return s.ask(size, look(firstPort+size-1), look(bridge))
}

func floorBridge(s *spaces, size int) error {
	return first(
		func() error { return floorBridged(s, size) },
		func() error { return s.enter(0) },
		func() error { return s.ping(ip(size)) },
	)
}

func floorChain(s *spaces, routers int) error {
	if err := s.addMany(routers + 2); err != nil {
		return err
	}
	link := func(i, host int) net.IP { return net.IPv4(10, 0, byte(i), byte(host)) }
	for i := range routers + 1 {
		err := first(
			func() error { return s.ask(i, s.veth(i, 101, 0, i+1, 102), newAddress(101, link(i, 1), 24)) },
			func() error { return s.ask(i+1, up(102), newAddress(102, link(i, 2), 24), look(102)) },
		)
		if err != nil {
			return err
		}
	}
	for i := range routers + 2 {
		requests := []*nl.NetlinkRequest{look(1)}
		if i <= routers {
			requests[0] = look(101)
		}
		switch {
		case i < routers:
			requests = append(requests, newRoute(nil, 0, link(i, 2)))
		case i == routers+1:
			requests = append(requests, newRoute(nil, 0, link(i-1, 1)))
		}
		if i > 1 && i <= routers {
			requests = append(requests, newRoute(link(0, 0), 24, link(i-1, 1)))
		}
		if err := s.ask(i, requests...); err != nil {
			return err
		}
		if i > 0 && i <= routers {
			if err := first(func() error { return s.enter(i) }, forward); err != nil {
				return err
			}
		}
	}
	return first(
		func() error { return s.enter(0) },
		func() error { return s.ping(link(routers, 2)) },
	)
}

func floorMatrix(size int, permanent bool) (a answer, err error) {
	err = floored(func(s *spaces, _ int) error {
		if err := floorBridged(s, size); err != nil {
			return err
		}
		for i := 0; permanent && i < size; i++ {
			var entries []*nl.NetlinkRequest
			for j := range size {
				if j != i {
					entries = append(entries, newNeighbour(firstHost+i, ip(j+1), mac(firstHost+j)))
				}
			}
			if err := s.ask(i, entries...); err != nil {
				return err
			}
		}
		start := time.Now()
		for i := range size {
			if err := s.enter(i); err != nil {
				return err
			}
			for j := range size {
				if i == j {
					continue
				}
				if err := s.ping(ip(j + 1)); err != nil {
					return err
				}
			}
		}
		a.Seconds = time.Since(start).Seconds()
		return nil
	})(size)
	return a, err
}

// ping sends one echo request from a raw socket and waits for the reply.
func (s *spaces) ping(to net.IP) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		return err
	}
	echo := make([]byte, 64)
	echo[0] = 8                                         // echo request
	binary.BigEndian.PutUint16(echo[2:], ^uint16(8<<8)) // its checksum: all else is 0
	if err := unix.Sendto(fd, echo, 0, &unix.SockaddrInet4{Addr: [4]byte(to.To4())}); err != nil {
		return os.NewSyscallError("send an echo", err)
	}
	reply := make([]byte, 128)
	for {
		n, from, err := unix.Recvfrom(fd, reply, 0)
		if err != nil {
			return fmt.Errorf("no reply from %s: %w", to, err)
		}
		if sender, ok := from.(*unix.SockaddrInet4); ok && sender.Addr == [4]byte(to.To4()) && n == 20+len(echo) && reply[20] == 0 {
			return nil
		}
	}
}

// floorCapture sends the frames, and nobody records them.
func floorCapture(size, count int) (a answer, err error) {
	err = floored(func(s *spaces, _ int) error {
		return first(
			func() error { return s.addMany(2) },
			func() error { return s.ask(1, s.veth(1, 101, 0, 0, 102)) },
			func() error { return s.ask(0, up(102), look(102)) },
			func() error { return s.ask(1, look(101)) },
			func() error {
				start := time.Now()
				err := sendFrames("veth101", fmt.Sprint(size), fmt.Sprint(count))
				a.Seconds = time.Since(start).Seconds()
				return err
			},
		)
	})(size)
	return a, err
}

// floorRest returns when the kernel has taken apart every namespace that was
// given up before. It does so in order: when the other end of a veth is seen
// gone with its namespace, so are those from before.
func floorRest() (a answer, err error) {
	start := time.Now()
	err = floored(func(s *spaces, _ int) error {
		if err := s.addMany(2); err != nil {
			return err
		}
		if err := s.ask(1, s.veth(1, 101, 0, 0, 102)); err != nil {
			return err
		}
		for _, fd := range s.fds[:2] { // the first namespace
			unix.Close(fd)
		}
		s.fds = s.fds[2:]
		for end := time.Now().Add(5 * time.Minute); ; time.Sleep(time.Millisecond) {
			err := s.ask(1, look(101))
			if err == unix.ENODEV {
				return nil
			}
			if err != nil {
				return err
			}
			if time.Now().After(end) {
				return fmt.Errorf("the kernel has not taken a namespace apart in 5 minutes")
			}
		}
	})(0)
	a.Seconds = time.Since(start).Seconds()
	return a, err
}
