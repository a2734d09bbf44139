package scenarios

import (
	"net/netip"

	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// listenerFaults are about the programs that connections are for.
func listenerFaults(f family) []*fault {
	closeAll := func(l *planted, node string) {
		for _, s := range l.node(node).Servers() {
			s.Close()
		}
	}
	return []*fault{
		{
			name: "the server listens on another address", in: "Masquerade", at: "pinged",
			plant: func(l *planted) {
				closeAll(l, "server")
				l.node("server").Serve("tcp", f.either("127.0.0.1:80", "[::1]:80"))
			},
			packet: "TCP SYN", node: "server", end: "refused", seen: entering("server:eth0", ttl63), cause: "server: TCP sockets wait on " + f.either("127.0.0.1:80", "[::1]:80"),
		},
		{
			name: "the server listens on the other family", in: "Masquerade", at: "pinged",
			plant: func(l *planted) {
				closeAll(l, "server")
				l.node("server").Serve("tcp", f.other().either("127.0.0.1:80", "[::1]:80"))
			},
			packet: "TCP SYN", node: "server", end: "refused", seen: entering("server:eth0", ttl63), cause: "server: TCP sockets wait on " + f.other().either("127.0.0.1:80", "[::1]:80"),
		},
		{
			name: "the listener's queue is full", in: "Masquerade", at: "pinged",
			plant: func(l *planted) {
				closeAll(l, "server")
				l.fullQueue("server", 80)
			},
			packet: "TCP SYN", node: "server", end: "dropped by the stack (the listener's queue is full)", seen: entering("server:eth0", ttl63), cause: "TcpExtListenOverflows",
		},
		{
			name: "the server resets", in: "Masquerade", at: "pinged", rules: true,
			plant: func(l *planted) {
				l.reject("server", harness.Filter{Hook: harness.Input, Protocol: "tcp", Port: 80}, harness.AnswerReset)
			},
			packet: "TCP SYN", node: "server", end: "filtered in (input)", seen: entering("server:eth0", ttl63), cause: "REJECT",
		},
		{
			name: "forwarded to the host's own loopback", in: "PortForward", at: "forward", rules: true,
			plant: func(l *planted) {
				l.forget("host")
				l.node("host").PortForward(harness.Forward{Port: 8088, In: "br0", NotIn: true, To: f.either("127.0.0.1:80", "[::1]:80")})
				l.node("host").Serve("tcp", f.either("127.0.0.1:80", "[::1]:80"))
			},
			packet: "TCP SYN", node: "host", end: "dropped by the stack (martian destination)", seen: entering("host:eth0", ttl64), cause: f.either("route_localnet", "::1"),
		},
		{
			name: "the rule is for another port", in: "PortForward", at: "forward", rules: true,
			plant: func(l *planted) {
				l.forget("host")
				l.node("host").PortForward(harness.Forward{Port: 8089, In: "br0", NotIn: true, To: netip.AddrPortFrom(netip.MustParseAddr(f.addr(1, 1)), 80).String()})
			},
			packet: "TCP SYN", node: "host", end: "refused", seen: entering("host:eth0", ttl64), cause: "did not apply",
		},
		{
			name: "the rule is for another interface", in: "PortForward", at: "forward", rules: true,
			plant: func(l *planted) {
				l.forget("host")
				l.node("host").PortForward(harness.Forward{Port: 8088, In: "br0", To: netip.AddrPortFrom(netip.MustParseAddr(f.addr(1, 1)), 80).String()})
			},
			packet: "TCP SYN", node: "host", end: "refused", seen: entering("host:eth0", ttl64), cause: "did not apply",
		},
		{
			name: "masquerade on the wrong interface", in: "Masquerade", at: "masquerade", rules: true, reply: true,
			plant: func(l *planted) {
				l.forget("gateway")
				l.node("gateway").Masquerade(harness.NAT{Source: f.net(1), Out: "eth1"})
			},
			packet: "echo reply", node: "server", end: "no route", seen: never("server", "echo request", "server:eth0", ttl63), cause: "server has no route to client (" + f.addr(1, 2),
		},
		{
			name: "masquerade for the wrong source", in: "Masquerade", at: "masquerade", rules: true, reply: true,
			plant: func(l *planted) {
				l.forget("gateway")
				l.node("gateway").Masquerade(harness.NAT{Source: f.net(7), Out: "eth0"})
			},
			packet: "echo reply", node: "server", end: "no route", seen: never("server", "echo request", "server:eth0", ttl63), cause: "server has no route to client (" + f.addr(1, 2),
		},
		{
			name: "the source is translated to an address that nobody has", in: "Masquerade", at: "masquerade", rules: true, reply: true,
			plant: func(l *planted) {
				l.forget("gateway")
				l.node("gateway").SNAT(harness.NAT{Source: f.net(1), Out: "eth0", To: f.addr(9, 77)})
			},
			packet: f.ask(), node: "gateway", end: "neighbour unreachable", seen: entering("gateway:eth0", f.neighborTTL()), cause: "nobody on the link of server:eth0 has " + f.addr(9, 77), about: []string{"server"},
		},
		{
			name: "no tracking without NAT", in: "Router", at: "forwarding",
			plant: func(l *planted) {
				l.node("router").NoTrack(harness.Filter{Hook: harness.Prerouting})
			},
			passes: "nothing in the router looks at connections",
		},
	}
}

// fullQueue listens on a port and accepts nothing, with a queue that the node
// itself has filled.
func (p *planted) fullQueue(node string, port int) {
	family, any, local := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: port}), unix.Sockaddr(&unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if p.v6 {
		family, any, local = unix.AF_INET6, &unix.SockaddrInet6{Port: port}, &unix.SockaddrInet6{Port: port, Addr: [16]byte{15: 1}}
	}
	n := p.node(node)
	open := func() (fd int, err error) {
		err = n.Do(func() error {
			fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			return err
		})
		require.NoError(p, err)
		p.Cleanup(func() { _ = unix.Close(fd) })
		return fd, err
	}
	listener, _ := open()
	require.NoError(p, unix.SetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	require.NoError(p, unix.Bind(listener, any))
	require.NoError(p, unix.Listen(listener, 0))
	for range 2 {
		caller, _ := open()
		if err := unix.Connect(caller, local); err != nil {
			require.ErrorIs(p, err, unix.EINPROGRESS)
		}
	}
	p.Settle()
}
