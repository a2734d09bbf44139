package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstPrefix starts the value of NETRIG_SANDBOX that makes a process the first
// of a sandbox.
const firstPrefix = "first,"

// order is what the outside tells the first process of the sandbox.
type order struct {
	fd    int    // the socket between the two
	pids  bool   // whether there is a PID namespace
	mount string // the mount namespace of the outside
}

func (o order) String() string {
	return fmt.Sprintf("%s%d,%t,%s", firstPrefix, o.fd, o.pids, o.mount)
}

func parseOrder(s string) (o order, err error) {
	parts := strings.Split(strings.TrimPrefix(s, firstPrefix), ",")
	if len(parts) != 3 || parts[2] == "" {
		return o, fmt.Errorf("%s=%q is not what a test binary sets", envSandbox, s)
	}
	o.mount = parts[2]
	if o.fd, err = strconv.Atoi(parts[0]); err == nil {
		o.pids, err = strconv.ParseBool(parts[1])
	}
	if err != nil {
		return o, fmt.Errorf("%s=%q: %w", envSandbox, s, err)
	}
	return o, nil
}

// check finds out whether this process really is the first of a sandbox, and
// not one that somebody gave the variable: what it is about to mount must not
// be mounted on the machine.
func (o order) check() error {
	family, err := unix.GetsockoptInt(o.fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return fmt.Errorf("descriptor %d is no socket: %w", o.fd, err)
	}
	kind, err := unix.GetsockoptInt(o.fd, unix.SOL_SOCKET, unix.SO_TYPE)
	switch {
	case err != nil:
		return fmt.Errorf("descriptor %d is no socket: %w", o.fd, err)
	case family != unix.AF_UNIX || kind != unix.SOCK_SEQPACKET:
		return fmt.Errorf("descriptor %d is another socket", o.fd)
	case o.pids && os.Getpid() != 1:
		return errors.New("it is not the first process of a PID namespace")
	}
	if own := mountNamespace(); own == "" || own == o.mount {
		return errors.New("it is in the mount namespace that it was started from")
	}
	return nil
}

// report is the one message that the first process sends to the outside.
type report struct {
	kind  byte
	value uint32 // reportEnd: the wait status of the tests; else an errno
	step  string // what failed
}

const (
	reportEnd    = 'e' // the tests ended
	reportFailed = 'f' // a step of making the sandbox failed
	reportNoProc = 'p' // /proc can't be mounted: go on without a PID namespace
)

// marshal keeps to one datagram of the socket, 512 bytes at most.
func (r report) marshal() []byte {
	b := binary.LittleEndian.AppendUint32([]byte{r.kind}, r.value)
	return append(b, r.step[:min(len(r.step), maxReport-5)]...)
}

const maxReport = 512

func parseReport(b []byte) (report, bool) {
	if len(b) < 5 {
		return report{}, false
	}
	return report{b[0], binary.LittleEndian.Uint32(b[1:]), string(b[5:])}, true
}

// receive reads one datagram. It is empty when the other side is gone.
func receive(fd int, flags int) []byte {
	b := make([]byte, maxReport)
	for {
		n, _, err := unix.Recvfrom(fd, b, flags)
		switch err {
		case nil:
			return b[:n]
		case unix.EINTR:
		case unix.ECONNRESET:
			// The other end is gone with a message unread (unix_release_sock). That is
			// told once; what it sent before comes next.
		default:
			return nil
		}
	}
}

// send writes one datagram. That the other side is gone is for its own
// reader to notice.
func send(fd int, b []byte) {
	for unix.Sendto(fd, b, unix.MSG_NOSIGNAL, nil) == unix.EINTR {
	}
}
