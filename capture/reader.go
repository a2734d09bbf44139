package capture

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batch   = 16  // messages that one call to the kernel reads
	ctlSize = 128 // control messages of a packet: time stamp and auxdata, with room to spare
)

const (
	tagSize       = 4  // bytes of a VLAN tag
	addressesSize = 12 // bytes before it
)

// reader reads packets in batches. It belongs to one thread.
type reader struct {
	messages [batch]message
	froms    [batch]unix.RawSockaddrLinklayer
	iovs     [batch]unix.Iovec
	controls [batch][ctlSize]byte
	links    [16 << 10]byte // for announcements of interfaces
	buffer   []byte         // a slot for each message
	slot     int
	seen     []reading
}

// message is the kernel's struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
}

func (r *reader) init(set settings) {
	if set.ring > 0 || r.slot == set.whole {
		return
	}
	r.slot = set.whole
	r.buffer = make([]byte, batch*r.slot)
	for i := range r.messages {
		r.iovs[i].Base = &r.buffer[i*r.slot]
		r.iovs[i].SetLen(set.whole)
		header := &r.messages[i].header
		header.Name = (*byte)(unsafe.Pointer(&r.froms[i]))
		header.Iov = &r.iovs[i]
		header.SetIovlen(1)
		header.Control = &r.controls[i][0]
	}
}

// receive reads what one call gets, and tells how many packets that were.
func (r *reader) receive(fd int) (int, error) {
	for i := range r.messages {
		r.messages[i].header.Namelen = unix.SizeofSockaddrLinklayer
		r.messages[i].header.SetControllen(ctlSize)
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.messages[0])), batch, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EAGAIN:
			return 0, nil
		case unix.EINTR:
		default:
			return 0, os.NewSyscallError("recvmmsg", errno)
		}
	}
}

// read moves packets from the tap's socket to the store, until there are no
// more. Where it is told a time it also stops at a packet from after it: the
// kernel stamps a packet before it queues it, and so what is queued behind
// that one was queued after the time too. It runs on the thread.
//
// Without a time it stops after some batches, so that a node under a flood does
// not keep the others from being read; the socket stays readable.
func (r *recorder) read(t *Tap, until int64) error {
	if t == nil || t.fd < 0 {
		return nil // detached in the same turn
	}
	if t.ring != nil {
		return r.readRing(t, until)
	}
	for turns := 0; until > 0 || turns < 64; turns++ {
		n, err := r.reader.receive(t.fd)
		if err != nil {
			return fmt.Errorf("read the packets of %s: %w", t.node, err)
		}
		last := r.reader.take(t, n)
		r.keep()
		if n < batch || until > 0 && last > until {
			return nil
		}
	}
	return nil
}

// take makes sense of the first n messages. It returns the last time stamp.
func (r *reader) take(t *Tap, n int) (last int64) {
	r.seen = r.seen[:0]
	if n > 0 {
		t.names.update(r.links[:])
	}
	for i := range n {
		m := &r.messages[i]
		s := t.reading(&r.froms[i])
		s.length = int(m.length)
		aux := r.control(i, &s)
		s.data = r.buffer[i*r.slot:][:m.length]
		s.untag(aux.tci, aux.tpid)
		r.seen = append(r.seen, s)
		last = s.at
	}
	return last
}

// reading is a sighting of which the kernel says so much by its address.
func (t *Tap) reading(from *unix.RawSockaddrLinklayer) reading {
	s := reading{
		tap: t, index: int(from.Ifindex), hardware: from.Hatype, direction: In,
		protocol: swap(from.Protocol), name: t.names.of(int(from.Ifindex)),
	}
	if from.Pkttype == unix.PACKET_OUTGOING {
		s.direction = Out
	}
	return s
}

// untag notes the outermost VLAN tag, which the kernel keeps beside the frame.
func (s *reading) untag(tci, tpid uint16) {
	if s.status&unix.TP_STATUS_VLAN_VALID == 0 || len(s.data) < addressesSize {
		return
	}
	if s.status&unix.TP_STATUS_VLAN_TPID_VALID == 0 {
		tpid = unix.ETH_P_8021Q
	}
	s.tagged = true
	be.PutUint16(s.tag[:], tpid)
	be.PutUint16(s.tag[2:], tci)
	s.length += tagSize
}

// swap puts a number from a sockaddr_ll into the machine's byte order.
func swap(v uint16) uint16 { return be.Uint16((*[2]byte)(unsafe.Pointer(&v))[:]) }

// auxdata is the kernel's struct tpacket_auxdata (linux/if_packet.h).
type auxdata struct {
	status, length, kept uint32
	mac, net, tci, tpid  uint16
}

// control takes the time stamp, the original length and the state of the
// checksum out of a packet's control messages.
func (r *reader) control(i int, s *reading) (aux auxdata) {
	b := r.controls[i][:r.messages[i].header.Controllen]
	for len(b) >= unix.SizeofCmsghdr {
		header := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		size := int(header.Len)
		if size < unix.SizeofCmsghdr || size > len(b) {
			break
		}
		body := b[unix.CmsgLen(0):size]
		switch {
		case header.Level == unix.SOL_SOCKET && header.Type == unix.SCM_TIMESTAMPNS && len(body) >= int(unsafe.Sizeof(unix.Timespec{})):
			s.at = (*unix.Timespec)(unsafe.Pointer(&body[0])).Nano()
		case header.Level == unix.SOL_PACKET && header.Type == unix.PACKET_AUXDATA && len(body) >= int(unsafe.Sizeof(aux)):
			aux = *(*auxdata)(unsafe.Pointer(&body[0]))
			s.status, s.length = aux.status, int(aux.length)
		}
		b = b[min(unix.CmsgSpace(size-unix.SizeofCmsghdr), len(b)):]
	}
	return aux
}
