package scenarios

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"runtime"

	"github.com/netrig/netrig/internal/link"
	"github.com/netrig/netrig/internal/ns"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// floor is what `smallest` asks of the kernel and nothing more: two namespaces,
// a veth, two addresses, one ping. No sysctls, no recording, nothing observed,
// nothing asserted but that the echo comes back. No test of this network can
// be faster.
func floor() error {
	// Sockets belong to the namespace that the thread is in.
	runtime.LockOSThread()
	home, err := ns.Current()
	if err != nil {
		return err
	}
	defer home.Close()
	defer func() {
		if unix.Setns(home.Fd(), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	var ends [2]struct {
		space *ns.Namespace
		route *link.Socket
	}
	for i := range ends {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		if ends[i].space, err = ns.Current(); err != nil {
			return err
		}
		defer ends[i].space.Close()
		if ends[i].route, err = link.Open(ends[i].space); err != nil {
			return err
		}
		defer ends[i].route.Close()
	}
	end := func(i int) link.End {
		return link.End{Namespace: ends[i].space, Name: fmt.Sprintf("veth%d", i), Index: 101 + i, MAC: net.HardwareAddr{2, 0, 0, 0, 0, byte(i + 1)}}
	}
	if err := ends[0].route.CreateVeth(end(0), end(1), true); err != nil {
		return err
	}
	if err := ends[1].route.Up(102, 0); err != nil {
		return err
	}
	for i := 1; i >= 0; i-- { // the thread is in the second one
		if err := unix.Setns(ends[i].space.Fd(), unix.CLONE_NEWNET); err != nil {
			return err
		}
		if err := addAddress(101+i, net.IP{192, 168, 1, byte(i + 1)}); err != nil {
			return err
		}
		if err := ends[i].route.Look(101 + i); err != nil {
			return err
		}
	}
	return ping([4]byte{192, 168, 1, 2})
}

// addAddress gives an interface of the thread's namespace an address of a /24.
func addAddress(index int, address net.IP) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	msg := nl.NewIfAddrmsg(unix.AF_INET)
	msg.Index, msg.Prefixlen = uint32(index), 24
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, address))
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// ping sends one echo request from a raw socket and waits for the reply.
func ping(to [4]byte) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		return err
	}
	echo := make([]byte, 64)
	echo[0] = 8                                         // echo request
	binary.BigEndian.PutUint16(echo[2:], ^uint16(8<<8)) // its checksum: all else is 0
	if err := unix.Sendto(fd, echo, 0, &unix.SockaddrInet4{Addr: to}); err != nil {
		return err
	}
	reply := make([]byte, 128)
	n, _, err := unix.Recvfrom(fd, reply, 0)
	if err != nil {
		return fmt.Errorf("no reply: %w", err)
	}
	if n != 20+len(echo) || !bytes.Equal(reply[20:22], []byte{0, 0}) {
		return fmt.Errorf("not an echo reply: %x", reply[:n])
	}
	return nil
}
