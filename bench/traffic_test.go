package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// localExperimental is an EtherType that no protocol has (IEEE 802, local
// experimental EtherType 1): the far end drops such frames without an answer.
const localExperimental = 0x88b5

// sendFrames sends frames of the given length, Ethernet header included, out of
// an interface as fast as it can: the same for every contender.
func sendFrames(device, bytes, count string) error {
	size, err := strconv.Atoi(bytes)
	if err != nil {
		return err
	}
	left, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	i, err := net.InterfaceByName(device)
	if err != nil {
		return err
	}
	// Protocol 0: it receives nothing.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	const batch = 64
	frame := make([]byte, size)
	copy(frame, []byte{2, 0, 0, 0, 0, 0xff, 2, 0, 0, 0, 0, 0xfe, localExperimental >> 8, localExperimental & 0xff})
	to := unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Ifindex: int32(i.Index), Halen: 6}
	copy(to.Addr[:], frame)
	iov := unix.Iovec{Base: &frame[0]}
	iov.SetLen(size)
	type message struct {
		header unix.Msghdr
		length uint32
	}
	var messages [batch]message
	for i := range messages {
		h := &messages[i].header
		h.Name, h.Namelen, h.Iov = (*byte)(unsafe.Pointer(&to)), unix.SizeofSockaddrLinklayer, &iov
		h.SetIovlen(1)
	}
	for left > 0 {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])), uintptr(min(left, batch)), 0, 0, 0)
		switch errno {
		case 0:
			left -= int(n)
		case unix.EINTR, unix.ENOBUFS:
		default:
			return fmt.Errorf("send a frame of %d bytes: %w", size, errno)
		}
	}
	return nil
}

// untilListening reads what iperf3 says until it listens. The rest is read in
// the background.
func untilListening(said io.Reader) error {
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if strings.Contains(lines.Text(), "Server listening") {
			go io.Copy(io.Discard, said) //nolint:errcheck // it ends with the server
			return nil
		}
	}
	return errors.New("the server of iperf3 has ended before it listened")
}

// received is how many bits a second the server of iperf3 got (its -J).
func received(report []byte) (float64, error) {
	var r struct {
		End struct {
			Received struct {
				Bits float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		}
		Error string
	}
	if err := json.Unmarshal(report, &r); err != nil {
		return 0, err
	}
	if r.End.Received.Bits == 0 {
		return 0, fmt.Errorf("no bits were received: %s", r.Error)
	}
	return r.End.Received.Bits, nil
}
