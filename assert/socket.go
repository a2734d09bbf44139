package assert

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/netrig/netrig/harness"
	"golang.org/x/sys/unix"
)

// socket is a non-blocking socket in the probe's node, with the probe's
// options set.
type socket struct {
	probe  *probe
	kind   int // SOCK_*
	fd     int
	to     unix.Sockaddr
	buffer []byte
}

// space is room for an answer to the probe, or for an ICMP error about it (at
// most 1280 bytes: RFC 4443, section 2.4). What is longer is about something
// else.
func (s *socket) space() []byte {
	if s.buffer == nil {
		s.buffer = make([]byte, s.probe.size+2048)
	}
	return s.buffer
}

func (p *probe) family() int {
	if p.target.addr.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func (p *probe) open(kind, proto int) (*socket, error) {
	s := &socket{probe: p, kind: kind, fd: -1}
	leave, err := p.node.Enter()
	if err != nil {
		return nil, err
	}
	if s.fd, err = unix.Socket(p.family(), kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto); err != nil {
		err = fmt.Errorf("in node %s: open a socket: %w", p.node, err)
	} else if err = s.configure(); err != nil {
		err = fmt.Errorf("in node %s: %w", p.node, err)
	}
	leave()
	if err == nil {
		s.to, err = sockaddr(p.node, p.target.addr, p.target.port)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) configure() error {
	p := s.probe
	level, ttl, recvTTL, discover, do := unix.IPPROTO_IP, unix.IP_TTL, unix.IP_RECVTTL, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO
	if p.family() == unix.AF_INET6 {
		level, ttl, recvTTL, discover, do = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, unix.IPV6_RECVHOPLIMIT, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO
	}
	set := func(level, option, value int) error { return unix.SetsockoptInt(s.fd, level, option, value) }
	if err := set(level, recvTTL, 1); err != nil {
		return fmt.Errorf("ask for the TTL of answers: %w", err)
	}
	if p.ttl != 0 {
		if err := set(level, ttl, p.ttl); err != nil {
			return fmt.Errorf("set the outgoing TTL to %d: %w", p.ttl, err)
		}
	}
	if p.dontFragment {
		if err := set(level, discover, do); err != nil {
			return fmt.Errorf("forbid fragmenting: %w", err)
		}
	}
	if p.mark != 0 {
		if err := set(unix.SOL_SOCKET, unix.SO_MARK, int(p.mark)); err != nil {
			return fmt.Errorf("set the mark 0x%x: %w", p.mark, err)
		}
	}
	if p.device != "" {
		if err := unix.BindToDevice(s.fd, p.device); err != nil {
			return fmt.Errorf("send out of interface %s: %w: the node has no such interface", p.device, err)
		}
	}
	if p.source.IsValid() {
		sa, err := sockaddr(p.node, p.source, 0)
		if err == nil {
			err = unix.Bind(s.fd, sa)
		}
		if err != nil {
			return fmt.Errorf("send from %s: %w: it is not an address of the node", p.source, err)
		}
	}
	return nil
}

func (s *socket) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}

// readable waits up to d for the socket to have something, or to be told an
// error.
func (s *socket) readable(d time.Duration) bool { return s.poll(unix.POLLIN, d) }

func (s *socket) poll(events int16, d time.Duration) bool {
	for until := time.Now().Add(d); ; {
		fds := []unix.PollFd{{Fd: int32(s.fd), Events: events}}
		timeout := unix.NsecToTimespec(int64(max(time.Until(until), 0)))
		n, err := unix.Ppoll(fds, &timeout, nil)
		if err == unix.EINTR {
			continue
		}
		return n > 0 && err == nil
	}
}

// receive reads one message, with its sender and its TTL or hop limit. Of
// IPv4's raw sockets the IP header is taken off.
func (s *socket) receive(buf []byte) (data []byte, from netip.Addr, ttl int, err error) {
	control := make([]byte, 128)
	n, cn, _, sa, err := unix.Recvmsg(s.fd, buf, control, unix.MSG_DONTWAIT)
	if err != nil {
		return nil, noAddr, 0, err
	}
	data = buf[:n]
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		from = netip.AddrFrom4(sa.Addr)
	case *unix.SockaddrInet6:
		from = netip.AddrFrom16(sa.Addr)
	}
	messages, err := unix.ParseSocketControlMessage(control[:cn])
	if err != nil {
		return nil, noAddr, 0, err
	}
	for _, m := range messages {
		v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_TTL
		v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_HOPLIMIT
		if (v4 || v6) && len(m.Data) >= 4 {
			ttl = int(binary.NativeEndian.Uint32(m.Data))
		}
	}
	if s.kind == unix.SOCK_RAW && from.Is4() && n >= 20 {
		data = data[min(int(data[0]&0x0f)*4, n):]
	}
	return data, from, ttl, nil
}

func sockaddr(n *harness.Node, a netip.Addr, port uint16) (unix.Sockaddr, error) {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4(), Port: int(port)}, nil
	}
	sa := &unix.SockaddrInet6{Addr: a.As16(), Port: int(port)}
	if zone := a.Zone(); zone != "" {
		var iface *net.Interface
		err := n.Do(func() (err error) { iface, err = net.InterfaceByName(zone); return err })
		if err != nil {
			return nil, fmt.Errorf("the zone of %s: %w", a, err)
		}
		sa.ZoneId = uint32(iface.Index)
	}
	return sa, nil
}
