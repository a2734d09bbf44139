package capture

import (
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// names knows what the interfaces of a namespace are called.
//
// A packet comes with the index of its interface. Names change: interfaces
// appear in mid-test, are renamed (a CNI plugin makes "veth1a2b3c4d" and calls
// it "eth0" when it is in place) and vanish. So, unless they are told, a netlink socket in the
// namespace collects the kernel's announcements, and they are looked at when
// packets have just been read and are about to be named: an announcement that
// is queued then is taken to be from before the packets. Announcements carry
// no time, so where both are queued at once their order can't be known; but
// packets are read as soon as they come, so those of an interface that is
// renamed later have their name by then, and the fresh ones are of an
// interface that was renamed before it was used.
//
// An interface that has vanished keeps its name, for packets of it may be
// queued still. An interface that was never announced has not changed since
// the tap was opened: the kernel is asked for its name when it is first seen.
type names struct {
	mu      sync.Mutex // Learn comes from other threads
	known   map[int]name
	netlink int // socket in the recorder's descriptor table, -1 for none
	ask     int // the tap's socket, which names are asked through
}

type name struct {
	text  string
	stale bool // announcements were lost since
}

func (n *names) open() (err error) {
	n.netlink, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		n.netlink = -1
		return fmt.Errorf("open a netlink socket: %w", err)
	}
	return os.NewSyscallError("bind a netlink socket",
		unix.Bind(n.netlink, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_LINK - 1)}))
}

func (n *names) close() {
	if n.netlink >= 0 {
		unix.Close(n.netlink)
		n.netlink = -1
	}
}

func (n *names) set(index int, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = map[int]name{}
	}
	n.known[index] = name{text: text}
}

// update takes in the announcements that are queued, by way of a buffer.
func (n *names) update(buf []byte) {
	if n.netlink < 0 {
		return
	}
	lost := false
	for {
		// With MSG_TRUNC the kernel tells how long the message was.
		size, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(n.netlink), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
		switch {
		case errno == unix.EINTR:
		case errno == unix.ENOBUFS || errno == 0 && int(size) > len(buf):
			lost = true // and those that are still queued are older (netlink(7))
		case errno != 0:
			if lost || errno != unix.EAGAIN {
				n.distrust()
			}
			return
		default:
			announced(buf[:size], n.set)
		}
	}
}

// distrust has each name asked for when it is needed next.
func (n *names) distrust() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for index, known := range n.known {
		n.known[index] = name{known.text, true}
	}
}

// announced calls f for each interface that a netlink message is about. The
// end of an interface comes with its name as well.
func announced(b []byte, f func(index int, text string)) {
	for len(b) >= unix.SizeofNlMsghdr {
		header := (*unix.NlMsghdr)(unsafe.Pointer(&b[0]))
		size := int(header.Len)
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return
		}
		body := b[unix.SizeofNlMsghdr:size]
		if (header.Type == unix.RTM_NEWLINK || header.Type == unix.RTM_DELLINK) && len(body) >= unix.SizeofIfInfomsg {
			info := (*unix.IfInfomsg)(unsafe.Pointer(&body[0]))
			if text := nameIn(body[unix.SizeofIfInfomsg:]); text != "" {
				f(int(info.Index), text)
			}
		}
		b = b[min((size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1), len(b)):]
	}
}

// nameIn finds IFLA_IFNAME among attributes.
func nameIn(b []byte) string {
	for len(b) >= unix.SizeofRtAttr {
		header := (*unix.RtAttr)(unsafe.Pointer(&b[0]))
		size := int(header.Len)
		if size < unix.SizeofRtAttr || size > len(b) {
			return ""
		}
		if header.Type == unix.IFLA_IFNAME {
			return unix.ByteSliceToString(b[unix.SizeofRtAttr:size])
		}
		b = b[min((size+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1), len(b)):]
	}
	return ""
}

// of is the name of an interface; "if7" of one that can't be known any more.
func (n *names) of(index int) string {
	n.mu.Lock()
	known := n.known[index]
	n.mu.Unlock()
	if known.text != "" && !known.stale {
		return known.text
	}
	if request, err := unix.NewIfreq(""); err == nil {
		request.SetUint32(uint32(index))
		if unix.IoctlIfreq(n.ask, unix.SIOCGIFNAME, request) == nil {
			known.text = request.Name()
		}
	}
	if known.text == "" {
		return fmt.Sprintf("if%d", index)
	}
	n.set(index, known.text)
	return known.text
}
