package assert_test

import (
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
	testify "github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What users of networks have met beyond the faults of scenarios' TestFaults: the
// packet that died, its end, and the reason.
func TestFurtherFaultsAreExplained(t *testing.T) {
	for _, test := range []struct {
		name     string
		programs []string
		plant    func(client, router, server *harness.Node)
		ask      func(tb testing.TB, client *harness.Node)
		want     []string
	}{
		{"a fragment is lost", []string{"nft"}, func(_, r, _ *harness.Node) {
			r.Run("nft", "table ip n { chain c { type filter hook forward priority 0; ip frag-off & 0x1fff != 0 counter drop; }; }")
		}, func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "10.0.2.2", assert.Size(3000)) },
			[]string{"the fragment at byte 1480 of the echo request ended in router: filtered out (forward); last seen entering router:left", "drop counted"}},
		{"a neighbour's answer is dropped without a count", []string{"nft"}, func(_, r, _ *harness.Node) {
			r.Run("nft", "table netdev n { chain c { type filter hook egress device right priority 0; icmpv6 type nd-neighbor-advert drop; }; }")
			r.FlushNeighbors()
		}, func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "fd02::2") },
			[]string{"the neighbour solicitation ended in router: filtered out (egress); last seen entering router:right", "which does not count", "waited for it in server"}},
		{"a router has the sender's address", nil, func(_, r, _ *harness.Node) { r.AddAddress("lo", "10.0.1.2/32") },
			func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "10.0.2.2") },
			[]string{"the ARP request ended in router: dropped by the stack (martian source)", "the source 10.0.1.2 is its own, on lo"}},
		{"a datagram is answered from another address", []string{"ip"}, func(_, _, s *harness.Node) {
			s.AddAddress("eth0", "10.0.2.50/24")
			s.Run("ip", "route", "replace", "default", "via", "10.0.2.1", "src", "10.0.2.50")
			s.Serve("udp", ":54")
		}, func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "udp:10.0.2.2:54") },
			[]string{"the UDP answer ended in client: wrong host; last seen entering client:eth0", "it came from server (10.0.2.50), but 10.0.2.2 was asked"}},
		{"a datagram that nobody takes, and no way back for the error", nil, func(_, _, s *harness.Node) { s.DelRoute("default", "10.0.2.1") },
			func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "udp:10.0.2.2:54") },
			[]string{"the UDP datagram ended in server: refused; last seen entering server:eth0", "the ICMP error about it never left server, which has no route back to client (10.0.1.2)"}},
		{"the error about a datagram is lost on its way back", nil, func(_, r, _ *harness.Node) { r.DelRoute("10.0.1.0/24", "", harness.Device("left")) },
			func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "udp:10.0.2.2:54") },
			[]string{"the UDP datagram ended in server: refused; last seen entering server:eth0", "the ICMP error (destination unreachable) about it ended in router: no route; last seen entering router:right", "router has no route to client (10.0.1.2)"}},
		{"a connection that nobody takes, and no way back for the reset", nil, func(_, _, s *harness.Node) { s.DelRoute("default", "10.0.2.1") },
			func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "tcp:10.0.2.2:54") },
			[]string{"the TCP reset ended in server: no route; it never left server, where the TCP SYN was last seen entering server:eth0", "nobody listens on 10.0.2.2 port 54"}},
		{"the sender's socket has a mark", nil, func(c, _, _ *harness.Node) {
			c.AddRoutingRule(harness.RoutingRule{Priority: 100, Mark: 2, Type: "unreachable"})
		}, func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "10.0.2.2", assert.Mark(2)) },
			[]string{"the echo request ended in client: null routed (unreachable route); it never left client", "the sender's socket has the mark 0x2"}},
		{"a socket is bound to another device", nil, func(_, _, s *harness.Node) {
			datagrams(s, func(fd int) error { return unix.BindToDevice(fd, "lo") })
		}, func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "udp:10.0.2.2:54") },
			[]string{"the UDP datagram ended in server: refused; last seen entering server:eth0", "server: the socket on 0.0.0.0:54 is bound to lo (SO_BINDTODEVICE), and it came in by eth0"}},
		{"a socket is connected to somebody else", nil, func(_, _, s *harness.Node) {
			datagrams(s, func(fd int) error {
				return unix.Connect(fd, &unix.SockaddrInet4{Port: 1000, Addr: [4]byte{10, 0, 2, 1}})
			})
		}, func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "udp:10.0.2.2:54") },
			[]string{"the UDP datagram ended in server: refused; last seen entering server:eth0", "server: the socket on 10.0.2.2:54 is connected to 10.0.2.1:1000, and takes from nobody else; it came from 10.0.1.2:"}},
		{"a socket has a filter that wants nothing", nil, func(_, _, s *harness.Node) {
			datagrams(s, func(fd int) error { // BPF_RET | BPF_K, 0
				return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &unix.SockFilter{Code: unix.BPF_RET}})
			})
		}, func(tb testing.TB, c *harness.Node) {
			assert.Reachable(tb, c, "udp:10.0.2.2:54", assert.Within(50*time.Millisecond))
		}, []string{"the UDP datagram ended in server: dropped by the stack (the socket's own filter); last seen entering server:eth0", "server: the socket on 0.0.0.0:54 has thrown away "}},
		{"nobody reads a socket", nil, func(_, _, s *harness.Node) {
			datagrams(s, func(fd int) error {
				if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
					return err
				}
				for range 8 { // to itself, more than the kernel's least buffer takes
					if err := unix.Sendto(fd, make([]byte, 1400), 0, &unix.SockaddrInet4{Port: 54, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
						return err
					}
				}
				return nil
			})
		}, func(tb testing.TB, c *harness.Node) {
			assert.Reachable(tb, c, "udp:10.0.2.2:54", assert.Within(50*time.Millisecond))
		}, []string{"the UDP datagram ended in server: dropped by the stack (the socket's buffer is full); last seen entering server:eth0", "UdpRcvbufErrors moved"}},
		{"a listener is bound to another device", nil, func(_, _, s *harness.Node) {
			listen(s, func(fd int) error { return unix.BindToDevice(fd, "lo") })
		}, func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "tcp:10.0.2.2:80") },
			[]string{"the TCP SYN ended in server: refused; last seen entering server:eth0", "server: the socket on 0.0.0.0:80 is bound to lo (SO_BINDTODEVICE), and it came in by eth0"}},
		{"a listener wants packets of neighbours only", nil, func(_, _, s *harness.Node) {
			listen(s, func(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MINTTL, 64) })
		}, func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "tcp:10.0.2.2:80") },
			[]string{"the TCP SYN ended in server: dropped by the stack (TcpExtTCPMinTTLDrop); last seen entering server:eth0"}},
		{"a mark by a port leads a connection astray", []string{"nft", "ip"}, func(_, r, s *harness.Node) {
			s.Serve("tcp", ":80")
			r.Run("ip", "route", "add", "default", "via", "10.0.1.9", "table", "100")
			r.AddRoutingRule(harness.RoutingRule{Priority: 100, Mark: 2, Table: 100})
			r.Run("nft", "table ip n { chain c { type filter hook prerouting priority -150; tcp dport 80 counter meta mark set 2; }; }")
		}, func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "tcp:10.0.2.2:80") },
			[]string{"the ARP request ended in client: neighbour unreachable; last seen entering client:eth0", "nobody on the link of router:left has 10.0.1.9", "tcp dport 80 meta mark set 0x2 set the mark, and counted 1"}},
		{"a mark that connection tracking remembers leads answers astray", []string{"nft", "ip"}, func(_, r, _ *harness.Node) {
			r.Run("ip", "route", "add", "default", "via", "10.0.2.9", "table", "100")
			r.AddRoutingRule(harness.RoutingRule{Priority: 100, Mark: 2, Table: 100})
			r.Run("nft", "table ip n { chain c { type filter hook prerouting priority -150; ct direction original ct mark set 2; ct direction reply counter meta mark set ct mark; }; }")
		}, func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "10.0.2.2") },
			[]string{"the ARP request ended in server: neighbour unreachable", "meta mark set ct mark sets the mark, and counted 1: to what is known by the way that the packet took", "the echo reply waited for it in router"}},
		{"a map of verdicts passed it on", []string{"nft"}, func(_, r, s *harness.Node) {
			r.Run("nft", "table ip n { chain c { type filter hook forward priority 0; counter ct state vmap { established : accept, invalid : drop }; }; }")
			s.Drop(harness.Filter{Hook: harness.Input, Protocol: "icmp"})
		}, func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "10.0.2.2") },
			[]string{"the echo request ended in server: filtered in (input); last seen entering server:eth0"}},
		{"a map of verdicts drops it", []string{"nft"}, func(_, r, _ *harness.Node) {
			r.Run("nft", "table ip n { chain c { type filter hook forward priority 0; counter icmp type vmap { echo-request : drop, echo-reply : accept }; }; }")
		}, func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "10.0.2.2") },
			[]string{"the echo request ended in router: filtered out (forward); last seen entering router:left", "icmp type vmap { 0 : accept, 8 : drop } counted 1, and drops some"}},
		{"a copy goes elsewhere, and the target filters", []string{"nft"}, func(_, r, s *harness.Node) {
			r.Run("nft", "table netdev n { chain c { type filter hook ingress device left priority 0; ip protocol icmp counter dup to right; }; }")
			s.Drop(harness.Filter{Hook: harness.Input, Protocol: "icmp"})
		}, func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "10.0.2.2") },
			[]string{"the echo request ended in server: filtered in (input); last seen entering server:eth0"}},
		{"packets are handed to a program that is not there", []string{"iptables-nft"}, func(_, r, _ *harness.Node) {
			if out, err := r.Command("iptables-nft", "-A", "FORWARD", "-j", "NFQUEUE", "--queue-num", "3").CombinedOutput(); err != nil {
				r.Lab().Skipf("this kernel's packet filter has no NFQUEUE: %s", out)
			}
		}, func(tb testing.TB, c *harness.Node) { assert.Reachable(tb, c, "10.0.2.2") },
			[]string{"the echo request ended in router: filtered out (forward); last seen entering router:left", "hands packets to a program (NFQUEUE)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, p := range test.programs {
				harness.RequireProgram(t, p)
			}
			text := explanation(t, func(tb testing.TB) {
				client, router, server := chain(tb)
				test.plant(client, router, server)
				test.ask(tb, client)
			})
			for _, want := range test.want {
				testify.Contains(t, text, want)
			}
			if strings.Contains(test.want[0], "filtered in") {
				testify.NotContains(t, text, "router:", "it is innocent")
			}
		})
	}
}

// datagrams opens a socket of UDP on port 54 that nobody reads, and changes it by set.
func datagrams(n *harness.Node, set func(fd int) error) {
	socket(n, unix.SOCK_DGRAM, func(fd int) error { return unix.Bind(fd, &unix.SockaddrInet4{Port: 54}) }, set)
}

// listen opens a socket of TCP that listens on port 80, changed by set.
func listen(n *harness.Node, set func(fd int) error) {
	socket(n, unix.SOCK_STREAM, set, func(fd int) error { return unix.Bind(fd, &unix.SockaddrInet4{Port: 80}) }, func(fd int) error { return unix.Listen(fd, 5) })
}

// socket opens a socket of IPv4, and does with it one thing after the other.
func socket(n *harness.Node, kind int, steps ...func(fd int) error) {
	tb := n.Lab().TB
	require.NoError(tb, n.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		tb.Cleanup(func() { _ = unix.Close(fd) })
		for _, do := range steps {
			if err := do(fd); err != nil {
				return err
			}
		}
		return nil
	}))
}
