package harness

import (
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// Relay starts a TCP relay in the node: whoever connects to address (":22") is
// joined to a connection of the node's own to the address and port `to`
// ("192.168.1.2:22"), as ssh -J does on the host that it jumps over. These are
// two connections, each with the node at one end: nothing is forwarded. A
// caller is hung up on when the target can't be reached. Peers are those who
// called the relay. It ends with the test.
func (n *Node) Relay(network, address, to string) *Server {
	n.lab.TB.Helper()
	if !slices.Contains([]string{"tcp", "tcp4", "tcp6"}, network) {
		n.fatalf("relay %s %s to %s: the network is not tcp, tcp4 or tcp6", network, address, to)
	}
	target, err := netip.ParseAddrPort(to)
	if err != nil || target.Port() == 0 {
		n.fatalf("relay %s %s: the target %q is not an address and a port, as in \"192.168.1.2:22\"", network, address, to)
	}
	if four := target.Addr().Unmap().Is4(); network == "tcp4" && !four || network == "tcp6" && four {
		n.fatalf("relay %s %s to %s: the target is not of the network; tcp relays from either family to either", network, address, to)
	}
	l, err := n.Listen(network, address)
	n.must(err, "relay %s %s to %s", network, address, to)
	s := n.newServer(network, addrPortOf(l.Addr()), l)
	n.did("%s %s to %s", network, address, to)

	// The lab's end waits for every call: one that dials later would enter a
	// namespace whose descriptor is another's by then.
	ctx, cancel := context.WithCancel(context.Background())
	var calls sync.WaitGroup
	calls.Go(func() {
		s.acceptAll(l, func(c net.Conn) { calls.Go(func() { n.relay(ctx, c, network, to) }) })
	})
	n.onStop(func() {
		cancel()
		s.Close()
		calls.Wait()
	})
	return s
}

// relay joins a caller to the target, until both have said all, or ctx ends.
func (n *Node) relay(ctx context.Context, caller net.Conn, network, to string) {
	defer caller.Close()
	target, err := n.DialContext(ctx, network, to)
	if err != nil {
		return
	}
	defer target.Close()
	defer context.AfterFunc(ctx, func() {
		caller.Close()
		target.Close()
	})()

	var ways sync.WaitGroup
	for _, way := range [][2]net.Conn{{caller, target}, {target, caller}} {
		ways.Go(func() {
			_, _ = io.Copy(way[1], way[0])
			// This side has said all; the other may still have something to say.
			_ = way[1].(*net.TCPConn).CloseWrite()
		})
	}
	ways.Wait()
}
