package assert

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/netrig/netrig/capture"
	"golang.org/x/sys/unix"
)

// udp asks by a datagram with a payload of its own, which a server (such as
// that of Node.Serve) answers with anything.
type udp struct {
	*socket
	payload []byte
}

func newUDP(p *probe) (*udp, error) {
	s, err := p.open(unix.SOCK_DGRAM, unix.IPPROTO_UDP)
	if err != nil {
		return nil, err
	}
	u := &udp{socket: s, payload: make([]byte, p.size)}
	_, _ = rand.Read(u.payload) // never fails (crypto/rand)
	level, option := unix.IPPROTO_IP, unix.IP_RECVERR
	if p.family() == unix.AF_INET6 {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	// Without it, errors that may pass (host unreachable) are not told.
	if err := unix.SetsockoptInt(s.fd, level, option, 1); err != nil {
		s.close()
		return nil, err
	}
	return u, nil
}

func (u *udp) send() error {
	if err := unix.Connect(u.fd, u.to); err != nil {
		return err
	}
	_, err := unix.Write(u.fd, u.payload)
	return err
}

func (u *udp) answer(d time.Duration) (answer, bool) {
	if !u.readable(d) {
		return answer{}, false
	}
	if cause, ok := u.queuedError(); ok {
		return answer{cause: cause, at: time.Now()}, true
	}
	_, _, ttl, err := u.receive(make([]byte, 65536))
	if err != nil {
		// The error itself also waits on the socket, once.
		return answer{}, false
	}
	return answer{cause: Reached, ttl: ttl, at: time.Now()}, true
}

// queuedError reads the socket's error queue: struct sock_extended_err of
// ip(7), and who sent the ICMP error.
func (u *udp) queuedError() (Cause, bool) {
	control := make([]byte, 512)
	data := make([]byte, 65536)
	_, cn, _, _, err := unix.Recvmsg(u.fd, data, control, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return Cause{}, false
	}
	messages, err := unix.ParseSocketControlMessage(control[:cn])
	if err != nil {
		return Cause{}, false
	}
	for _, m := range messages {
		v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
		v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if v4 || v6 {
			return causeOfExtendedError(m.Data)
		}
	}
	return Cause{}, false
}

func causeOfExtendedError(b []byte) (Cause, bool) {
	const size = 16 // of struct sock_extended_err; the sender's sockaddr follows
	if len(b) < size {
		return Cause{}, false
	}
	errno, origin, kind, code := unix.Errno(binary.NativeEndian.Uint32(b)), b[4], b[5], b[6]
	mtu := int(binary.NativeEndian.Uint32(b[8:]))
	switch {
	case origin == unix.SO_EE_ORIGIN_ICMP && len(b) >= size+8:
		return causeOfICMP(4, kind, code, netip.AddrFrom4([4]byte(b[size+4:size+8])), mtu)
	case origin == unix.SO_EE_ORIGIN_ICMP6 && len(b) >= size+24:
		return causeOfICMP(6, kind, code, netip.AddrFrom16([16]byte(b[size+8:size+24])), mtu)
	}
	return causeOfErrno(errno)
}

func (u *udp) request() capture.Match {
	return capture.Match{
		Node: u.probe.node.Name(), Direction: capture.Out, Protocol: unix.IPPROTO_UDP,
		Dst: u.probe.target.addr.WithZone(""), DstPort: u.probe.target.port,
		// Of a large one the first fragment, or what was kept of a long frame.
		Func: func(p *capture.Packet) bool {
			return bytes.HasPrefix(u.payload, p.Payload) && (len(p.Payload) == len(u.payload) || p.Cut() || p.Fragment.Is())
		},
	}
}

func (u *udp) reply() capture.Match {
	return capture.Match{
		Node: u.probe.node.Name(), Direction: capture.In, Protocol: unix.IPPROTO_UDP,
		Src: u.probe.target.addr.WithZone(""), SrcPort: u.probe.target.port,
	}
}
