package scenarios

import (
	"errors"
	"net/netip"

	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// natFaults are about translated addresses, and the servers behind them.
func natFaults(f family) []*fault {
	forwarded := func(to string) func(l *planted) {
		return func(l *planted) {
			l.forget("host")
			l.node("host").PortForward(harness.Forward{Port: 8088, In: "br0", NotIn: true, To: to})
		}
	}
	web := f.addr(1, 1)
	socket := func(port string) string { return f.either(web+":"+port, "["+web+"]:"+port) }
	return []*fault{
		{
			name: "masquerade is missing", in: "Masquerade", at: "masquerade", rules: true, reply: true,
			plant:  func(l *planted) { l.forget("gateway") },
			packet: "echo reply", node: "server", end: "no route", seen: never("server", "echo request", "server:eth0", ttl63), cause: "server has no route to client (" + f.addr(1, 2),
		},
		{
			name: "answers are not tracked", in: "Masquerade", at: "masquerade", reply: true,
			plant: func(l *planted) {
				l.node("gateway").NoTrack(harness.Filter{Hook: harness.Prerouting, In: "eth0"})
			},
			packet: "echo reply", node: "gateway", end: "wrong host", seen: entering("gateway:eth0", ttl64), cause: "gateway takes it for itself: it has " + f.addr(9, 1) + " on eth0",
		},
		{
			name: "nobody listens", in: "Masquerade", at: "pinged",
			plant: func(l *planted) {
				for _, s := range l.node("server").Servers() {
					s.Close()
				}
			},
			packet: "TCP SYN", node: "server", end: "refused", seen: entering("server:eth0", ttl63), cause: "nobody listens on " + f.addr(9, 2) + " port 80",
		},
		{
			name: "the gateway drops established connections", in: "Masquerade", at: "masquerade", rules: true, reply: true,
			plant: func(l *planted) {
				l.drop("gateway", harness.Filter{Hook: harness.Forwarded, States: []string{"established"}})
			},
			packet: "echo reply", node: "gateway", end: "filtered out (forward)", seen: entering("gateway:eth0", ttl64), cause: "ESTABLISHED",
		},
		{
			name: "forwarded to a port where nobody listens", in: "PortForward", at: "forward", rules: true,
			plant:  forwarded(socket("81")),
			packet: "TCP SYN", node: "web", end: "refused", seen: entering("web:eth0", ttl63), cause: "nobody listens on " + web + " port 81",
		},
		{
			name: "forwarded to nobody", in: "PortForward", at: "forward", rules: true,
			plant:  forwarded(f.either(f.addr(1, 9)+":80", "["+f.addr(1, 9)+"]:80")),
			packet: f.ask(), node: "web", end: "neighbour unreachable", seen: entering("web:eth0", f.neighborTTL()), cause: "nobody on the link of host:br0 has " + f.addr(1, 9), about: []string{"host"},
		},
		{
			name: "the rule is missing", in: "PortForward", at: "forward", rules: true,
			plant:  func(l *planted) { l.forget("host") },
			packet: "TCP SYN", node: "host", end: "refused", seen: entering("host:eth0", ttl64), cause: "nobody listens on " + f.addr(9, 1) + " port 8088",
		},
		{
			name: "forwarding is off", in: "PortForward", at: "forward",
			plant:  func(l *planted) { l.node("host").DisableForwarding() },
			packet: "TCP SYN", node: "host", end: "not forwarded", seen: entering("host:eth0", ttl64), cause: web + " is no address of its own",
		},
		{
			name: "the web server has no way back", in: "PortForward", at: "forward", reply: true,
			plant:  func(l *planted) { l.node("web").DelRoute("default", f.addr(1, 254)) },
			packet: "TCP SYN-ACK", node: "web", end: "no route", seen: never("web", "TCP SYN", "web:eth0", ttl63), cause: "web has no route to client (" + f.addr(9, 2),
		},
		{
			name: "the web server is filtered", in: "PortForward", at: "forward", rules: true,
			plant:  func(l *planted) { l.drop("web", harness.Filter{Hook: harness.Input, Protocol: "tcp", Port: 80}) },
			packet: "TCP SYN", node: "web", end: "filtered in (input)", seen: entering("web:eth0", ttl63), cause: "DROP counted",
		},
		{
			name: "the web server's answers are filtered", in: "PortForward", at: "forward", rules: true, reply: true,
			plant: func(l *planted) {
				l.drop("web", harness.Filter{Hook: harness.Output, Protocol: "tcp", SourcePort: 80})
			},
			packet: "TCP SYN-ACK", node: "web", end: "filtered out (output)", seen: never("web", "TCP SYN", "web:eth0", ttl63), cause: "DROP counted",
		},
		{
			name: "the host drops the answers", in: "PortForward", at: "forward", rules: true, reply: true,
			plant: func(l *planted) {
				l.drop("host", harness.Filter{In: "br0", Protocol: "tcp", SourcePort: 80})
			},
			packet: "TCP SYN-ACK", node: "host", end: "filtered out (forward)", seen: entering("host:br0", ttl64), cause: "DROP counted",
		},
		{
			name: "the rule is for those behind the host, too", in: "PortForward", at: "forward", rules: true,
			plant: func(l *planted) {
				l.node("host").PortForward(harness.Forward{Port: 8088, In: "br0", To: socket("80")})
			},
			// IPv6 takes a packet from itself, and the answer goes to itself.
			packet: f.either("TCP SYN", "TCP SYN-ACK"), node: "web", end: f.either("dropped by the stack (martian source)", "wrong host"),
			seen: f.either(entering("web:eth0", ttl63), entering("web:lo", ttl64)), cause: f.either("host: made "+web+" > "+web+" out of", f.addr(9, 1)+" was asked"), about: []string{"host"},
		},
		{
			name: "untracked calls are not translated", in: "PortForward", at: "forward", rules: true,
			plant: func(l *planted) {
				l.node("host").NoTrack(harness.Filter{Hook: harness.Prerouting, Protocol: "tcp", Port: 8088})
			},
			packet: "TCP SYN", node: "host", end: "refused", seen: entering("host:eth0", ttl64), cause: "did not apply",
		},
		{
			name: "the connection is still tracked as a wrong rule said", in: "PortForward", at: "forward", rules: true, programs: []string{"sysctl"},
			plant: func(l *planted) {
				// All calls of the client are one connection to the host.
				l.run("client", "sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40000")
				l.forget("host")
				wrong := l.node("host").PortForward(harness.Forward{Port: 8088, In: "br0", NotIn: true, To: f.either(f.addr(1, 9)+":80", "["+f.addr(1, 9)+"]:80")})
				l.knock("client", netip.AddrPortFrom(netip.MustParseAddr(f.addr(9, 1)), 8088))
				wrong.Remove()
				l.node("host").PortForward(harness.Forward{Port: 8088, In: "br0", NotIn: true, To: socket("80")})
			},
			packet: f.ask(), node: "web", end: "neighbour unreachable", seen: entering("web:eth0", f.neighborTTL()), cause: "though no rule says so any more", about: []string{"host"},
		},
	}
}

// knock calls a port and does not wait for an answer.
func (p *planted) knock(node string, to netip.AddrPort) {
	require.NoError(p, p.node(node).Do(func() error {
		family, target := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()})
		if to.Addr().Is4() {
			family, target = unix.AF_INET, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
		}
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, target); !errors.Is(err, unix.EINPROGRESS) {
			return err
		}
		return nil
	}))
	p.Settle()
}
