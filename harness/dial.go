package harness

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Dial connects from the node to an address ("192.168.1.2:80",
// "[fd00::2]:80", or a name that the node's resolver knows); network is "tcp"
// or "udp", or with a 4 or 6 behind it. The connection can be used from any goroutine.
func (n *Node) Dial(network, address string) (net.Conn, error) {
	return n.DialContext(context.Background(), network, address)
}

// DialContext is Dial, given up when ctx ends.
func (n *Node) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return n.dialWith(ctx, &net.Dialer{}, network, address)
}

// DialFrom is DialContext with a local address ("192.168.0.2:0").
func (n *Node) DialFrom(ctx context.Context, network, local, address string) (net.Conn, error) {
	from, err := localAddr(network, local)
	if err != nil {
		return nil, fmt.Errorf("node %s: dial from %q: %w", n.name, local, err)
	}
	return n.dialWith(ctx, &net.Dialer{LocalAddr: from}, network, address)
}

func (n *Node) dialWith(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("node %s: dial %s: %w", n.name, address, err)
	}
	hosts := []string{host}
	// A name is looked up first: package net would start goroutines for the
	// look-up and for its addresses, and they are not in the node.
	if _, err := netip.ParseAddr(host); err != nil {
		if hosts, err = n.LookupHost(ctx, host); err != nil {
			return nil, fmt.Errorf("node %s: dial %s: %w", n.name, address, err)
		}
	}
	// The same holds for a second family's attempt.
	d.FallbackDelay = -1
	d.KeepAlive = noKeepAlive
	var conn net.Conn
	for _, h := range hosts {
		err = n.space.Do(func() error {
			conn, err = d.DialContext(ctx, network, net.JoinHostPort(h, port))
			return err
		})
		if err == nil {
			return conn, nil
		}
	}
	return nil, fmt.Errorf("node %s: %w", n.name, err)
}

// noKeepAlive leaves out the probes that Go has a connection send after 15 s
// without traffic: on a slow machine they would get into captures.
const noKeepAlive = -1

func localAddr(network, local string) (net.Addr, error) {
	if strings.HasPrefix(network, "udp") {
		return net.ResolveUDPAddr(network, local)
	}
	return net.ResolveTCPAddr(network, local)
}

// Listen listens in the node, on an address such as "192.168.0.1:80" or
// ":80". The listener closes when the test ends.
func (n *Node) Listen(network, address string) (net.Listener, error) {
	var l net.Listener
	listen := net.ListenConfig{KeepAlive: noKeepAlive}
	err := n.space.Do(func() (err error) { l, err = listen.Listen(context.Background(), network, address); return err })
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", n.name, err)
	}
	n.onStop(func() { l.Close() })
	return l, nil
}

// ListenPacket is Listen for UDP and the like. The socket closes when the test
// ends.
func (n *Node) ListenPacket(network, address string) (net.PacketConn, error) {
	var c net.PacketConn
	err := n.space.Do(func() (err error) { c, err = net.ListenPacket(network, address); return err })
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", n.name, err)
	}
	n.onStop(func() { c.Close() })
	return c, nil
}

// HTTPClient is an HTTP client in the node, with the node's own resolver and
// without a proxy.
func (n *Node) HTTPClient() *http.Client {
	transport := &http.Transport{DialContext: n.DialContext}
	n.onStop(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
