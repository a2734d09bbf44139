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
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// listeners are the sockets that take what comes for them: those that wait for
// others, and connected ones of UDP, which take from their peer only
// (proc_net_tcp of the kernel's documentation). The devices that they are bound to
// are told where the kernel can be asked.
func (n *Node) listeners() []explain.Listener {
	var all []explain.Listener
	bound := n.boundSockets()
	err := n.space.Do(func() error {
		for _, file := range []struct{ name, network string }{{"tcp", "tcp"}, {"tcp6", "tcp"}, {"udp", "udp"}, {"udp6", "udp"}} {
			raw, err := os.ReadFile("/proc/thread-self/net/" + file.name)
			if errors.Is(err, fs.ErrNotExist) {
				continue // a kernel without IPv6
			}
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(raw)) {
				l, inode, ok, err := listenerOf(file.network, strings.Fields(line))
				if err != nil {
					return err
				}
				if l.Device = bound[inode]; ok {
					all = append(all, l)
				}
			}
		}
		return nil
	})
	n.must(err, "list the sockets")
	return all
}

// listenerOf reads a line of /proc/net/tcp or udp; it is not ok for a socket that
// waits for nothing.
func listenerOf(network string, words []string) (l explain.Listener, inode uint64, ok bool, err error) {
	const local, remote, state, inodeAt, drops = 1, 2, 3, 9, 12
	if len(words) <= inodeAt {
		return l, 0, false, nil // the heading
	}
	if inode, err = strconv.ParseUint(words[inodeAt], 10, 64); err != nil {
		return l, 0, false, nil
	}
	l.Network = network
	switch network + words[state] {
	case "tcp0A", "udp07": // TCP_LISTEN, TCP_CLOSE of include/net/tcp_states.h
	case "udp01": // TCP_ESTABLISHED
		if l.Peer, err = procAddress(words[remote]); err != nil {
			return l, 0, false, err
		}
	default:
		return l, 0, false, nil
	}
	if network == "udp" && len(words) > drops {
		l.Drops, _ = strconv.ParseUint(words[drops], 10, 64)
	}
	l.Addr, err = procAddress(words[local])
	return l, inode, err == nil, err
}

// boundSockets are the devices that sockets of the node are bound to
// (SO_BINDTODEVICE), by the inodes of the sockets. It is empty where the question
// would have the kernel load a module, or is not answered.
func (n *Node) boundSockets() map[uint64]string {
	if !diagnoses() {
		return nil
	}
	names := linkNames(n.links())
	bound := map[uint64]string{}
	_ = n.space.Do(func() error {
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			for _, ask := range []func(uint8) ([]*netlink.Socket, error){netlink.SocketDiagUDP, netlink.SocketDiagTCP} {
				list, err := ask(family)
				if err != nil {
					continue
				}
				for _, s := range list {
					if s.ID.Interface != 0 {
						bound[uint64(s.INode)] = names[int(s.ID.Interface)]
					}
				}
			}
		}
		return nil
	})
	return bound
}

// diagnoses tells whether the kernel answers questions about sockets (sock_diag(7))
// without loading a module for them.
func diagnoses() bool {
	loaded, err := os.ReadFile("/proc/modules")
	if errors.Is(err, fs.ErrNotExist) {
		return true // it can't load any
	}
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	builtin, _ := os.ReadFile("/lib/modules/" + unix.ByteSliceToString(name.Release[:]) + "/modules.builtin")
	for _, module := range []string{"inet_diag", "udp_diag", "tcp_diag"} {
		if !bytes.Contains(append([]byte("\n"), loaded...), []byte("\n"+module+" ")) && !bytes.Contains(builtin, []byte("/"+module+".ko")) {
			return false
		}
	}
	return true
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
