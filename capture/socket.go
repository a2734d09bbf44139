package capture

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// open opens the tap's sockets in the namespace that the calling thread is in.
func (t *Tap) open(set settings) error {
	if !set.told {
		if err := t.names.open(); err != nil {
			return err
		}
	}
	// Protocol 0 receives nothing. Only when all is set does bind switch the
	// socket on: for every protocol, on every interface of the namespace.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open an AF_PACKET socket: %w (needs CAP_NET_RAW in the namespace's user namespace)", err)
	}
	t.fd = fd
	t.names.ask = fd
	// Without CAP_NET_ADMIN in the initial user namespace the kernel refuses
	// to go beyond net.core.rmem_max.
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, set.buffer)
	t.room = 2 * set.buffer
	if errors.Is(err, unix.EPERM) {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, set.buffer)
		if room, unknown := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); unknown == nil {
			t.room = room
		}
	}
	filter := snap(set)
	err = errors.Join(
		os.NewSyscallError("set SO_RCVBUF", err),
		os.NewSyscallError("set SO_TIMESTAMPNS", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)),
		os.NewSyscallError("set PACKET_AUXDATA", unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1)),
		os.NewSyscallError("set SO_ATTACH_FILTER", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})),
	)
	if err == nil && set.ring > 0 {
		err = t.openRing(set)
		t.room = set.ring
	}
	if err != nil {
		return err
	}
	all := &unix.SockaddrLinklayer{Protocol: be.Uint16([]byte{unix.ETH_P_ALL & 0xff, unix.ETH_P_ALL >> 8})}
	return os.NewSyscallError("bind an AF_PACKET socket", unix.Bind(fd, all))
}

// close closes what is open of that, at once.
func (t *Tap) close() {
	t.closeRing()
	if t.fd >= 0 {
		unix.Close(t.fd)
		t.fd = -1
	}
	t.names.close()
}

// snap is the filter: the number that it returns is how many bytes of the
// frame are queued. The original length comes with PACKET_AUXDATA.
func snap(set settings) []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN},
		{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: uint32(set.whole), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: uint32(set.cut)},
		{Code: unix.BPF_RET | unix.BPF_K, K: uint32(set.whole)},
	}
}
