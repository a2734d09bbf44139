package capture

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batch   = 16  // messages that one call to the kernel reads
	tagSize = 4   // a VLAN tag
	ctlSize = 128 // control messages of a packet: time stamp and auxdata, with room to spare
)

// reader reads packets in batches. It belongs to one thread.
type reader struct {
	messages [batch]message
	froms    [batch]unix.RawSockaddrLinklayer
	iovs     [batch]unix.Iovec
	controls [batch][ctlSize]byte
	links    [16 << 10]byte // for announcements of interfaces
	buffer   []byte         // a slot for each message, with room for a VLAN tag before it
	slot     int
	records  []record
	slab     []byte // what is left of the memory that frames are kept in
	next     int    // size of the next slab
}

// message is the kernel's struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
}

func (r *reader) init(set settings) {
	r.slot = tagSize + set.whole
	r.buffer = make([]byte, batch*r.slot)
	r.next = 4 << 10
	for i := range r.messages {
		r.iovs[i].Base = &r.buffer[i*r.slot+tagSize]
		r.iovs[i].SetLen(set.whole)
		header := &r.messages[i].header
		header.Name = (*byte)(unsafe.Pointer(&r.froms[i]))
		header.Iov = &r.iovs[i]
		header.SetIovlen(1)
		header.Control = &r.controls[i][0]
	}
}

// keep copies a frame into memory that stays.
func (r *reader) keep(frame []byte) []byte {
	if len(frame) > len(r.slab) {
		r.slab = make([]byte, max(r.next, len(frame)))
		r.next = min(r.next*4, 256<<10) // few packets cost little, many cost few slabs
	}
	n := copy(r.slab, frame)
	kept := r.slab[:n:n]
	r.slab = r.slab[n:]
	return kept
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
	for turns := 0; until > 0 || turns < 64; turns++ {
		n, err := r.reader.receive(t.fd)
		if err != nil {
			return fmt.Errorf("read the packets of %s: %w", t.node, err)
		}
		last := r.reader.take(t, n)
		r.store.add(r.reader.records)
		if n < batch || until > 0 && last > until {
			return nil
		}
	}
	return nil
}

// take makes records of the first n messages. It returns the last time stamp.
func (r *reader) take(t *Tap, n int) (last int64) {
	r.records = r.records[:0]
	if n > 0 {
		t.names.update(r.links[:])
	}
	for i := range n {
		m, from := &r.messages[i], &r.froms[i]
		rec := record{
			tap: t, index: int(from.Ifindex), hardware: from.Hatype, direction: In,
			protocol: swap(from.Protocol), length: int(m.length),
		}
		if from.Pkttype == unix.PACKET_OUTGOING {
			rec.direction = Out
		}
		frame := r.buffer[i*r.slot+tagSize:][:m.length]
		aux := r.control(i, &rec)
		if rec.status&unix.TP_STATUS_VLAN_VALID != 0 && len(frame) >= 12 {
			// The kernel keeps the outermost tag beside the frame. It goes back
			// behind the addresses, which move into the room before the slot.
			tagged := r.buffer[i*r.slot:][:tagSize+len(frame)]
			copy(tagged, frame[:12])
			tpid := aux.tpid
			if rec.status&unix.TP_STATUS_VLAN_TPID_VALID == 0 {
				tpid = unix.ETH_P_8021Q
			}
			be.PutUint16(tagged[12:], tpid)
			be.PutUint16(tagged[14:], aux.tci)
			frame = tagged
			rec.length += tagSize
		}
		rec.data = r.keep(frame)
		rec.name = t.names.of(rec.index)
		r.records = append(r.records, rec)
		last = rec.at
	}
	return last
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
func (r *reader) control(i int, rec *record) (aux auxdata) {
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
			rec.at = (*unix.Timespec)(unsafe.Pointer(&body[0])).Nano()
		case header.Level == unix.SOL_PACKET && header.Type == unix.PACKET_AUXDATA && len(body) >= int(unsafe.Sizeof(aux)):
			aux = *(*auxdata)(unsafe.Pointer(&body[0]))
			rec.status, rec.length = aux.status, int(aux.length)
		}
		b = b[min(unix.CmsgSpace(size-unix.SizeofCmsghdr), len(b)):]
	}
	return aux
}
