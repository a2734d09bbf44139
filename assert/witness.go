package assert

import (
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// witness is a second raw socket beside go-ping's, which gets a copy of every ICMP packet
// that the kernel delivers (raw_local_deliver in net/ipv4/raw.c). go-ping tells of an answer
// when its goroutines have had their turn, which can take seconds on a busy machine; an
// answer that the node's own packet filter has taken it never tells of. The witness knows
// the one from the other, so that only the first is waited for.
type witness struct {
	fd     int
	there  bool
	family int
	seen   bool
	read   int
}

// most is how many packets fit into the witness's buffer for certain. Where more came, one
// may have been lost, and nothing is known.
const most = 100

// open opens the socket in the namespace that the calling thread is in. Without one nothing
// is known.
func (w *witness) open(family int) {
	protocol := unix.IPPROTO_ICMP
	if family == unix.AF_INET6 {
		protocol = unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	w.fd, w.there, w.family = fd, err == nil, family
}

func (w *witness) close() {
	if w.there {
		unix.Close(w.fd)
		w.there = false
	}
}

// saw tells whether the answer to an echo has been delivered, or whether that can't be
// known.
func (w *witness) saw(id, seq uint16) bool {
	if !w.there {
		return true
	}
	var buf [128]byte // the head is enough
	for !w.seen && w.read < most {
		n, _, err := unix.Recvfrom(w.fd, buf[:], unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err != unix.EAGAIN // else there are no more
		}
		w.read++
		w.seen = answers(buf[:n], w.family, id, seq)
	}
	return true
}

// answers tells whether bytes as a raw socket gives them are the answer to an echo. Those
// of IPv4 come with their header.
func answers(b []byte, family int, id, seq uint16) bool {
	protocol := unix.IPPROTO_ICMPV6
	if family == unix.AF_INET {
		protocol = unix.IPPROTO_ICMP
		if len(b) == 0 {
			return false
		}
		b = b[min(int(b[0]&0xf)*4, len(b)):]
	}
	m, err := icmp.ParseMessage(protocol, b)
	if err != nil || m.Type != ipv4.ICMPTypeEchoReply && m.Type != ipv6.ICMPTypeEchoReply {
		return false
	}
	echo, ok := m.Body.(*icmp.Echo)
	return ok && echo.ID == int(id) && echo.Seq == int(seq)
}
