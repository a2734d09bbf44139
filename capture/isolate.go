package capture

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// isolate gives the calling thread a descriptor table of its own, with nothing
// in it but the standard ones and those to keep.
//
// close_range does the larger part in one step, so that no other descriptor is
// held twice even for a moment: else a listener that a test closes right now
// would still be open.
func isolate(keep []int) error {
	last := slices.Max(keep)
	if err := unix.CloseRange(uint(last)+1, math.MaxUint32, unix.CLOSE_RANGE_UNSHARE); err != nil {
		return os.NewSyscallError("close_range", err) // Linux 5.9; a seccomp filter may forbid it
	}
	for fd := 3; fd < last; fd++ {
		if !slices.Contains(keep, fd) {
			unix.Close(fd) // most are not open
		}
	}
	return nil
}

// runtimeDescriptors are the descriptors that a thread of a Go program can't do
// without, whatever it runs: the runtime's epoll instance, which a goroutine
// that starts or ends a garbage collection looks at (netpoll in
// startTheWorldWithSema), and the eventfd in it, which one that sets a timer
// writes to (netpollBreak). Where either is missing the runtime throws; where
// another file has its number it would be written to.
//
// The epoll instance is recognised by a pipe that package os has just put in
// it, the eventfd by being the only thing in it that is not edge-triggered
// (runtime/netpoll_epoll.go).
var runtimeDescriptors = sync.OnceValues(func() ([]int, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	defer w.Close()
	raw, err := r.SyscallConn()
	if err != nil {
		return nil, err
	}
	pipe := -1
	if err := raw.Control(func(fd uintptr) { pipe = int(fd) }); err != nil {
		return nil, err
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	for _, entry := range open {
		link, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err != nil || link != "anon_inode:[eventpoll]" {
			continue // the directory's own descriptor is closed again by now
		}
		epoll, err := strconv.Atoi(entry.Name())
		if err != nil {
			return nil, err
		}
		watched, err := watchedBy(epoll)
		if err != nil {
			return nil, err
		}
		if _, ok := watched[pipe]; !ok {
			continue
		}
		keep := []int{epoll}
		for fd, events := range watched {
			if events&unix.EPOLLET == 0 {
				keep = append(keep, fd)
			}
		}
		if len(keep) != 2 {
			return nil, fmt.Errorf("the Go runtime's epoll instance has %d descriptors of its own, not 1", len(keep)-1)
		}
		return keep, nil
	}
	return nil, fmt.Errorf("the Go runtime's epoll instance is not in /proc/self/fd")
})

// watchedBy reads which descriptors an epoll instance watches, and for what
// (proc(5), /proc/pid/fdinfo: "tfd: 4 events: 19 data: ...").
func watchedBy(epoll int) (map[int]uint32, error) {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", epoll))
	if err != nil {
		return nil, err
	}
	watched := map[int]uint32{}
	for lines := bufio.NewScanner(bytes.NewReader(info)); lines.Scan(); {
		var fd int
		var events uint32
		if n, _ := fmt.Sscanf(lines.Text(), "tfd: %d events: %x", &fd, &events); n == 2 {
			watched[fd] = events
		}
	}
	return watched, nil
}
