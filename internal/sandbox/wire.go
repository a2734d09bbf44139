package sandbox

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstPrefix starts the value of NETRIG_SANDBOX that makes a process the first
// of a sandbox.
const firstPrefix = "first,"

// order is what the outside tells the first process of the sandbox.
type order struct {
	fd   int  // the socket between the two
	pids bool // whether there is a PID namespace
}

func (o order) String() string {
	return fmt.Sprintf("%s%d,%t", firstPrefix, o.fd, o.pids)
}

func parseOrder(s string) (o order, err error) {
	fd, pids, _ := strings.Cut(strings.TrimPrefix(s, firstPrefix), ",")
	if o.fd, err = strconv.Atoi(fd); err == nil {
		o.pids, err = strconv.ParseBool(pids)
	}
	if err != nil {
		return o, fmt.Errorf("%s=%q: %w", envSandbox, s, err)
	}
	return o, nil
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
