package harness

import (
	"fmt"

	"github.com/netrig/netrig/internal/ns"
	"golang.org/x/sys/unix"
)

// injectFrame sends a frame out of an interface, past routing and packet
// filters (packet(7)).
func injectFrame(space *ns.Namespace, index int, frame []byte) error {
	return space.Do(func() error {
		// Protocol 0: the socket receives nothing.
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open a packet socket: %w", err)
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: index})
	})
}
