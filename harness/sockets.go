package harness

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
)

// HasUDPSockets tells whether any program has a UDP socket in the node, on
// whatever port: only then can a datagram be answered there.
func (n *Node) HasUDPSockets() bool {
	n.lab.TB.Helper()
	found := false
	err := n.space.Do(func() error {
		for _, file := range []string{"udp", "udp6"} {
			// thread-self: /proc/net is the main thread's, in another namespace.
			raw, err := os.ReadFile("/proc/thread-self/net/" + file)
			if errors.Is(err, fs.ErrNotExist) {
				continue // a kernel without IPv6
			}
			if err != nil {
				return err
			}
			found = found || bytes.Count(raw, []byte("\n")) > 1 // below the heading
		}
		return nil
	})
	n.must(err, "list the UDP sockets")
	return found
}
