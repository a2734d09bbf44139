package harness

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Server is a small TCP or UDP server in a node. It sends back what it gets,
// and remembers who called.
type Server struct {
	node    *Node
	network string
	addr    netip.AddrPort
	closer  io.Closer

	mu      sync.Mutex
	peers   []netip.AddrPort
	changed chan struct{} // closed, and replaced, when a peer is added
}

// Serve starts a server in the node, network "tcp" or "udp" (or with a 4 or 6
// behind it), at an address such as "192.168.1.2:80" or ":80". It ends with
// the test.
func (n *Node) Serve(network, address string) *Server {
	n.lab.TB.Helper()
	switch strings.TrimRight(network, "46") {
	case "tcp":
		l, err := n.Listen(network, address)
		n.must(err, "serve %s %s", network, address)
		s := n.newServer(network, addrPortOf(l.Addr()), l)
		go s.acceptAll(l, func(c net.Conn) { go echo(c) })
		n.did("%s %s", network, address)
		return s
	case "udp":
		c, err := n.ListenPacket(network, address)
		n.must(err, "serve %s %s", network, address)
		s := n.newServer(network, addrPortOf(c.LocalAddr()), c)
		go s.answerAll(c)
		n.did("%s %s", network, address)
		return s
	}
	n.fatalf("serve %s %s: the network is not tcp or udp", network, address)
	return nil
}

func (n *Node) newServer(network string, addr netip.AddrPort, closer io.Closer) *Server {
	s := &Server{node: n, network: network, addr: addr, closer: closer, changed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.servers = append(n.servers, s)
	return s
}

// Addr is the address that the server listens on; the unspecified one where it
// listens on all.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Peers are the addresses of those who called, as the server saw them, in
// order.
func (s *Server) Peers() []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]netip.AddrPort(nil), s.peers...)
}

// WaitPeer returns the caller number i, from 0, and waits for it until ctx
// ends.
func (s *Server) WaitPeer(ctx context.Context, i int) (netip.AddrPort, error) {
	if i < 0 {
		return netip.AddrPort{}, fmt.Errorf("the %s server %s in node %s: there is no caller number %d: they are counted from 0", s.network, s.addr, s.node.name, i)
	}
	return s.wait(ctx, fmt.Sprintf("caller number %d", i), func(peers []netip.AddrPort) (netip.AddrPort, bool) {
		if i < len(peers) {
			return peers[i], true
		}
		return netip.AddrPort{}, false
	})
}

// WaitFor waits until a caller with this address has called, or ctx ends.
func (s *Server) WaitFor(ctx context.Context, peer netip.AddrPort) (netip.AddrPort, error) {
	return s.wait(ctx, peer.String(), func(peers []netip.AddrPort) (netip.AddrPort, bool) {
		return peer, slices.Contains(peers, peer)
	})
}

func (s *Server) wait(ctx context.Context, what string, find func([]netip.AddrPort) (netip.AddrPort, bool)) (netip.AddrPort, error) {
	for {
		s.mu.Lock()
		peers, changed := s.peers, s.changed
		s.mu.Unlock()
		if peer, ok := find(peers); ok {
			return peer, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return netip.AddrPort{}, fmt.Errorf("the %s server %s in node %s has seen %d callers, but not %s", s.network, s.addr, s.node.name, len(peers), what)
		}
	}
}

// Close ends the server: its port is closed.
func (s *Server) Close() {
	// A program that is just being started holds a copy of every descriptor for a
	// moment. Shut down, the socket listens no more whoever holds it.
	if l, ok := s.closer.(*net.TCPListener); ok {
		if raw, err := l.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
		}
	}
	s.closer.Close()
}

func (s *Server) add(peer net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers = append(s.peers, addrPortOf(peer))
	close(s.changed)
	s.changed = make(chan struct{})
}

// acceptAll hands each connection to answer, which must not block.
func (s *Server) acceptAll(l net.Listener, answer func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // closed
		}
		s.add(c.RemoteAddr())
		s.node.onStop(func() { c.Close() })
		answer(c)
	}
}

func echo(c net.Conn) {
	defer c.Close()
	_, _ = io.Copy(c, c)
}

func (s *Server) answerAll(c net.PacketConn) {
	buf := make([]byte, 65535)
	for {
		size, from, err := c.ReadFrom(buf)
		if err != nil {
			return // closed
		}
		s.add(from)
		_, _ = c.WriteTo(buf[:size], from)
	}
}

// Servers are the node's servers, made by Serve.
func (n *Node) Servers() []*Server {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*Server(nil), n.servers...)
}

// Serves tells whether a packet to the address reaches this server, within its
// node.
func (s *Server) Serves(network string, to netip.AddrPort) bool {
	return strings.TrimRight(s.network, "46") == network && s.addr.Port() == to.Port() &&
		(s.addr.Addr().IsUnspecified() || s.addr.Addr() == to.Addr())
}

func addrPortOf(a net.Addr) netip.AddrPort {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	// The zone is the node's own number for an interface, which no packet has.
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}
