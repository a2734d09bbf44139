package harness

import (
	"fmt"

	"github.com/netrig/netrig/internal/ns"
	"golang.org/x/sys/unix"
)

// injectFrames sends frames out of an interface, past routing and packet filters
// (packet(7)), one right after the other: to close such a socket takes the kernel
// 12 ms, and on a slow machine a second.
func injectFrames(space *ns.Namespace, index int, frames [][]byte) error {
	return space.Do(func() error {
		// Protocol 0: the socket receives nothing.
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open a packet socket: %w", err)
		}
		defer unix.Close(fd)
		for i, frame := range frames {
			if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: index}); err != nil {
				return fmt.Errorf("frame %d of %d (%d bytes): %w", i+1, len(frames), len(frame), err)
			}
		}
		return nil
	})
}
