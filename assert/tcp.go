package assert

import (
	"fmt"
	"time"

	"github.com/netrig/netrig/capture"
	"golang.org/x/sys/unix"
)

// tcp asks by connecting.
type tcp struct {
	*socket
	local     uint16 // the port that the kernel chose
	connected bool
}

func newTCP(p *probe) (*tcp, error) {
	s, err := p.open(unix.SOCK_STREAM, unix.IPPROTO_TCP)
	return &tcp{socket: s}, err
}

// send sends the SYN: the socket does not block, so that connect returns once
// the SYN is on its way (tcp_v4_connect sends it before it returns).
func (t *tcp) send() error {
	err := unix.Connect(t.fd, t.to)
	if err == unix.EINPROGRESS {
		err = nil
	}
	if sa, e := unix.Getsockname(t.fd); e == nil {
		switch sa := sa.(type) {
		case *unix.SockaddrInet4:
			t.local = uint16(sa.Port)
		case *unix.SockaddrInet6:
			t.local = uint16(sa.Port)
		}
	}
	if err == unix.ECONNREFUSED {
		return nil // on a link without delay the answer can be there already
	}
	return err
}

func (t *tcp) answer(d time.Duration) (answer, bool) {
	if !t.poll(unix.POLLOUT, d) {
		return answer{}, false
	}
	code, err := unix.GetsockoptInt(t.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	a := answer{at: time.Now()}
	switch err {
	case nil:
		// A refused connect whose error was read already polls as writable too.
		if _, err := unix.Getpeername(t.fd); err != nil {
			a.cause = Reset
			return a, true
		}
		a.cause, t.connected = Reached, true
	case unix.ECONNREFUSED:
		a.cause = Reset
	default:
		cause, known := causeOfErrno(err)
		if !known {
			cause = Cause{Kind: fmt.Sprint(err)}
		}
		cause.From = "" // an ICMP error, from somebody that connect does not name
		if cause.Kind == NoRoute.Kind {
			cause = NetUnreachable
		}
		a.cause = cause
	}
	return a, true
}

// close leaves a connection open until the lab ends: the end of a connection
// takes packets too, some at the pace of the program at the other end, which
// would turn up in windows that they do not belong to. And connection tracking
// holds it as established meanwhile.
//
// It is shut down then, and not only closed: a program that another test is about to
// start holds a copy of each descriptor until it runs, and the connection would go on
// until the last of them is closed. A journal then had it as established at times.
func (t *tcp) close() {
	if t.connected {
		t.probe.node.Lab().Cleanup(func() {
			_ = unix.Shutdown(t.socket.fd, unix.SHUT_WR) // fails where the other end has reset it
			t.socket.close()
		})
		return
	}
	t.socket.close()
}

func (t *tcp) request() capture.Match {
	return capture.Match{
		Node: t.probe.node.Name(), Direction: capture.Out, Protocol: unix.IPPROTO_TCP,
		Dst: t.probe.target.addr.WithZone(""), DstPort: t.probe.target.port, SrcPort: t.local,
		Func: func(p *capture.Packet) bool { return p.TCPFlags&(capture.SYN|capture.ACK) == capture.SYN },
	}
}

func (t *tcp) reply() capture.Match {
	return capture.Match{
		Node: t.probe.node.Name(), Direction: capture.In, Protocol: unix.IPPROTO_TCP,
		Src: t.probe.target.addr.WithZone(""), SrcPort: t.probe.target.port, DstPort: t.local,
		Func: func(p *capture.Packet) bool {
			return p.TCPFlags&(capture.SYN|capture.ACK) == capture.SYN|capture.ACK || p.TCPFlags&capture.RST != 0
		},
	}
}
