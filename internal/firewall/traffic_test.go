package firewall

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/ns"
)

const patience = 5 * time.Second

func soon() time.Time { return time.Now().Add(deadline.Of(patience)) }

// tcpServer answers each connection with the address that it came from.
func (l *topology) tcpServer(n *ns.Namespace, port uint16) {
	l.Helper()
	var listener net.Listener
	require.NoError(l, n.Do(func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(l.any(), port).String())
		return err
	}))
	l.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			c.Write([]byte(c.RemoteAddr().String()))
			c.Close()
		}
	}()
}

func (l *topology) any() netip.Addr {
	if l.family == IPv6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// dialTCP connects and returns the address that the server saw.
func (l *topology) dialTCP(from *ns.Namespace, to netip.Addr, port uint16) (saw netip.AddrPort, err error) {
	ctx, cancel := deadline.Context(patience)
	defer cancel()
	var c net.Conn
	err = from.Do(func() (err error) {
		c, err = new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(to, port).String())
		return err
	})
	if err != nil {
		return saw, err
	}
	defer c.Close()
	c.SetDeadline(soon())
	text := make([]byte, 100)
	size, err := c.Read(text)
	if err != nil {
		return saw, err
	}
	return netip.ParseAddrPort(string(text[:size]))
}

// overTCP is dialTCP that must succeed.
func (l *topology) overTCP(from *ns.Namespace, to netip.Addr, port uint16) netip.Addr {
	l.Helper()
	saw, err := l.dialTCP(from, to, port)
	require.NoError(l, err)
	return saw.Addr()
}

func (l *topology) udp(n *ns.Namespace, port uint16) *net.UDPConn {
	l.Helper()
	var c *net.UDPConn
	require.NoError(l, n.Do(func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.any(), port)))
		return err
	}))
	l.Cleanup(func() { c.Close() })
	return c
}

func (l *topology) send(c *net.UDPConn, to netip.Addr, port uint16, text string) {
	l.Helper()
	_, err := c.WriteToUDPAddrPort([]byte(text), netip.AddrPortFrom(to, port))
	require.NoError(l, err)
}

// receive is the next datagram and its sender.
func (l *topology) receive(c *net.UDPConn) (text string, from netip.AddrPort) {
	l.Helper()
	require.NoError(l, c.SetReadDeadline(soon()))
	buffer := make([]byte, 2000)
	size, from, err := c.ReadFromUDPAddrPort(buffer)
	require.NoError(l, err)
	return string(buffer[:size]), netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// overUDP sends a datagram from a fresh socket to the listening one, and
// returns the address that it arrived from.
func (l *topology) overUDP(from *ns.Namespace, to netip.Addr, port uint16, listening *net.UDPConn) netip.AddrPort {
	l.Helper()
	l.send(l.udp(from, 0), to, port, "hello")
	text, saw := l.receive(listening)
	require.Equal(l, "hello", text)
	return saw
}

// nothing proves that no datagram is waiting. Whoever calls it has seen that
// what was sent has been dealt with.
func (l *topology) nothing(c *net.UDPConn) {
	l.Helper()
	raw, err := c.SyscallConn()
	require.NoError(l, err)
	buffer, size := make([]byte, 2000), 0
	require.NoError(l, raw.Control(func(fd uintptr) {
		size, _, err = unix.Recvfrom(int(fd), buffer, unix.MSG_DONTWAIT)
	}))
	require.ErrorIs(l, err, unix.EAGAIN, "arrived: %q", buffer[:max(size, 0)])
}

// ping sends echo requests and waits for the reply to each.
func (l *topology) ping(from *ns.Namespace, to netip.Addr, count int) {
	l.Helper()
	network, echo, reply := "ip4:icmp", icmp.Type(ipv4.ICMPTypeEcho), icmp.Type(ipv4.ICMPTypeEchoReply)
	number := 1
	if l.family == IPv6 {
		network, echo, reply, number = "ip6:ipv6-icmp", ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply, 58
	}
	var c *icmp.PacketConn
	require.NoError(l, from.Do(func() (err error) { c, err = icmp.ListenPacket(network, l.any().String()); return err }))
	defer c.Close()
	require.NoError(l, c.SetDeadline(soon()))
	for sequence := 1; sequence <= count; sequence++ {
		request, err := (&icmp.Message{Type: echo, Body: &icmp.Echo{ID: 77, Seq: sequence, Data: []byte("netrig")}}).Marshal(nil)
		require.NoError(l, err)
		_, err = c.WriteTo(request, &net.IPAddr{IP: to.AsSlice()})
		require.NoError(l, err)
		for answered, buffer := false, make([]byte, 2000); !answered; {
			size, _, err := c.ReadFrom(buffer)
			require.NoError(l, err)
			m, err := icmp.ParseMessage(number, buffer[:size])
			require.NoError(l, err)
			body, ok := m.Body.(*icmp.Echo)
			answered = ok && m.Type == reply && body.Seq == sequence
		}
	}
}

// errorOverUDP is what a socket that asks for all ICMP errors is told about a
// datagram. (TCP forgets an ICMPv6 error that comes while connect(2) still
// holds the socket, and tries again after a second.)
func (l *topology) errorOverUDP(from *ns.Namespace, to netip.Addr, port uint16) error {
	l.Helper()
	var c *net.UDPConn
	require.NoError(l, from.Do(func() (err error) {
		c, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addrPort(to, port)))
		return err
	}))
	defer c.Close()
	raw, err := c.SyscallConn()
	require.NoError(l, err)
	require.NoError(l, raw.Control(func(fd uintptr) {
		if l.family == IPv6 {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
		} else {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1)
		}
	}))
	require.NoError(l, err)
	require.NoError(l, c.SetDeadline(soon()))
	if _, err := c.Write([]byte("hello")); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 100))
	return err
}

// refusedWith requires that a connection fails with that error.
func (l *topology) refusedWith(want error, from *ns.Namespace, to netip.Addr, port uint16) {
	l.Helper()
	_, err := l.dialTCP(from, to, port)
	require.ErrorIs(l, err, want)
	require.False(l, errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded))
}

func addrPort(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }
