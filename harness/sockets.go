package harness

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/netrig/netrig/internal/explain"
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

// listeners are the sockets that wait for others (proc_net_tcp of the kernel's
// documentation).
func (n *Node) listeners() []explain.Listener {
	var all []explain.Listener
	err := n.space.Do(func() error {
		for _, file := range []struct{ name, network, state string }{
			{"tcp", "tcp", "0A"}, {"tcp6", "tcp", "0A"}, {"udp", "udp", "07"}, {"udp6", "udp", "07"},
		} {
			raw, err := os.ReadFile("/proc/thread-self/net/" + file.name)
			if errors.Is(err, fs.ErrNotExist) {
				continue // a kernel without IPv6
			}
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(raw)) {
				words := strings.Fields(line)
				if len(words) < 4 || words[3] != file.state {
					continue
				}
				addr, err := procAddress(words[1])
				if err != nil {
					return err
				}
				all = append(all, explain.Listener{Network: file.network, Addr: addr})
			}
		}
		return nil
	})
	n.must(err, "list the sockets")
	return all
}

// procAddress reads "0100007F:0050": words of four bytes in the machine's order.
func procAddress(text string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	number, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("the kernel lists a socket at %q, which is not understood", text)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	a, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(a, uint16(number)), nil
}
