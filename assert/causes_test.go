package assert_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	testify "github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// trouble is a way to be unreachable, and the cause that must be told from all
// the others.
type trouble struct {
	name    string
	make    func(client, router, server *harness.Node)
	to      [2]string // IPv4, IPv6
	options []assert.Option
	want    [2]assert.Cause
}

func both(c assert.Cause) [2]assert.Cause { return [2]assert.Cause{c, c} }

func nothing(_, _, _ *harness.Node) {}

var (
	server    = [2]string{"10.0.2.2", "fd02::2"}
	serverTCP = [2]string{"tcp:10.0.2.2:80", "tcp:[fd02::2]:80"}
	serverUDP = [2]string{"udp:10.0.2.2:80", "udp:[fd02::2]:80"}
)

var troubles = []trouble{
	{"no route", func(c, _, _ *harness.Node) { c.DelRoute("default", "10.0.1.1"); c.DelRoute("::/0", "fd01::1") }, server, nil, both(assert.NoRoute.By("local"))},
	{"no route, TCP", func(c, _, _ *harness.Node) { c.DelRoute("default", "10.0.1.1"); c.DelRoute("::/0", "fd01::1") }, serverTCP, nil, both(assert.NoRoute.By("local"))},
	{"no route, UDP", func(c, _, _ *harness.Node) { c.DelRoute("default", "10.0.1.1"); c.DelRoute("::/0", "fd01::1") }, serverUDP, nil, both(assert.NoRoute.By("local"))},
	{"a router without a route", nothing, [2]string{"10.0.9.9", "fd09::9"}, nil, both(assert.NetUnreachable.By("router"))},
	{"a router without a route, TCP", nothing, [2]string{"tcp:10.0.9.9:80", "tcp:[fd09::9]:80"}, nil, both(assert.NetUnreachable.By("router"))},
	{"a router without a route, UDP", nothing, [2]string{"udp:10.0.9.9:80", "udp:[fd09::9]:80"}, nil, both(assert.NetUnreachable.By("router"))},
	{"nobody behind the router", nothing, [2]string{"10.0.2.77", "fd02::77"}, nil, both(assert.HostUnreachable.By("router"))},
	{"nobody behind the router, TCP", nothing, [2]string{"tcp:10.0.2.77:80", "tcp:[fd02::77]:80"}, nil, both(assert.HostUnreachable.By("router"))},
	{"nobody on the own link", nothing, [2]string{"10.0.1.77", "fd01::77"}, nil, both(assert.HostUnreachable.By("client"))},
	{"nobody on the own link, UDP", nothing, [2]string{"udp:10.0.1.77:80", "udp:[fd01::77]:80"}, nil, both(assert.HostUnreachable.By("client"))},
	{"nobody listens, TCP", nothing, serverTCP, nil, both(assert.Reset.By("server"))},
	{"nobody listens, UDP", nothing, serverUDP, nil, both(assert.PortUnreachable.By("server"))},
	{"rejected", func(_, r, _ *harness.Node) { r.Reject(harness.Filter{Out: "right"}, harness.AnswerProhibited) }, server, nil, both(assert.Prohibited.By("router"))},
	{"rejected, TCP", func(_, r, _ *harness.Node) { r.Reject(harness.Filter{Out: "right"}, harness.AnswerProhibited) }, serverTCP, nil, both(assert.Prohibited.By("router"))},
	{"rejected with a reset", func(_, r, _ *harness.Node) {
		r.Reject(harness.Filter{Out: "right", Protocol: "tcp"}, harness.AnswerReset)
	}, serverTCP, nil, [2]assert.Cause{assert.Reset, assert.Reset}},
	{"TTL ran out", nothing, server, []assert.Option{assert.OutgoingTTL(1)}, both(assert.TimeExceeded.By("router"))},
	{"TTL ran out, TCP", nothing, serverTCP, []assert.Option{assert.OutgoingTTL(1)}, both(assert.TimeExceeded.By("router"))},
	{"dropped on the way", func(_, r, _ *harness.Node) { r.Drop(harness.Filter{Out: "right"}) }, server, nil, both(assert.Silence)},
	{"dropped on the way, TCP", func(_, r, _ *harness.Node) { r.Drop(harness.Filter{Out: "right"}) }, serverTCP, nil, both(assert.Silence)},
	{"dropped on the way, UDP", func(_, r, _ *harness.Node) { r.Drop(harness.Filter{Out: "right"}) }, serverUDP, nil, both(assert.Silence)},
	{"the answer dropped", func(_, r, _ *harness.Node) { r.Drop(harness.Filter{Out: "left"}) }, server, nil, both(assert.Silence)},
	{"not forwarded", func(_, r, _ *harness.Node) { r.DisableForwarding() }, server, nil, both(assert.Silence)},
	{"dropped at home", func(c, _, _ *harness.Node) { c.Drop(harness.Filter{Hook: harness.Output, Out: "eth0"}) }, server, nil, both(assert.NotPermitted.By("local"))},
	{"null routed", func(c, _, _ *harness.Node) {
		c.AddRoute("10.0.2.0/24", "", harness.RouteType("blackhole"))
		c.AddRoute("fd02::/64", "", harness.RouteType("blackhole"))
	}, server, nil, both(assert.NullRouted.By("local"))},
	{"prohibited at home", func(c, _, _ *harness.Node) {
		c.AddRoute("10.0.2.0/24", "", harness.RouteType("prohibit"))
		c.AddRoute("fd02::/64", "", harness.RouteType("prohibit"))
	}, server, nil, both(assert.Prohibited.By("local"))},
	{"unreachable at home", func(c, _, _ *harness.Node) {
		c.AddRoute("10.0.2.0/24", "", harness.RouteType("unreachable"))
		c.AddRoute("fd02::/64", "", harness.RouteType("unreachable"))
	}, server, nil, both(assert.HostUnreachable.By("local"))},
	{"prohibited by a route of the router", func(_, r, _ *harness.Node) {
		r.AddRoute("10.0.9.0/24", "", harness.RouteType("prohibit"))
		r.AddRoute("fd09::/64", "", harness.RouteType("prohibit"))
	}, [2]string{"10.0.9.9", "fd09::9"}, nil, both(assert.Prohibited.By("router"))},
	{"too long for the own link", nothing, server, []assert.Option{assert.Size(2000), assert.DontFragment()}, both(assert.MessageTooLong.By("local"))},
	{"an echo ignored", func(_, _, s *harness.Node) {
		s.SetSysctl("net.ipv4.icmp_echo_ignore_all", 1)
		s.SetSysctl("net.ipv6.icmp.echo_ignore_all", 1)
	}, server, nil, both(assert.Silence)},
}

func TestEachCauseIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range troubles {
		for i, version := range []string{"IPv4", "IPv6"} {
			t.Run(c.name+"/"+version, func(t *testing.T) {
				t.Parallel()
				client, router, server := chain(t)
				c.make(client, router, server)
				e := assert.Unreachable(t, client, c.to[i], c.want[i], c.options...)
				testify.Equal(t, c.want[i].Kind, e.Cause.Kind)
				testify.Zero(t, e.TTL)
			})
		}
	}
}

// With lo down and no address at all there is no way either; of IPv6 the kernel
// first misses an address to send from.
func TestNoRouteInABareNode(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"127.0.0.1", "::1", "tcp:[::1]:80", "udp:[::1]:80", "fd00::2"} {
		bare := harness.New(t).Node("bare", harness.LoopbackDown())
		assert.Unreachable(t, bare, to, assert.NoRoute.By("local"))
		text := failure(t, func(t testing.TB) { assert.Reachable(t, bare, to) })
		testify.Contains(t, text, "bare cannot reach "+to+": no route")
	}
}

// A router with a smaller link behind it says so, with the size that fits; once
// told, the sender knows by itself.
func TestTooBig(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		target string
		size   int
	}{{"10.0.2.2", 1472}, {"fd02::2", 1452}} {
		lab := harness.New(t)
		client, router, server := lab.Node("client"), lab.Node("router"), lab.Node("server")
		lab.Connect(client.Port("eth0", "10.0.1.2/24", "fd01::2/64"), router.Port("left", "10.0.1.1/24", "fd01::1/64"))
		lab.Connect(router.Port("right", "10.0.2.1/24", "fd02::1/64"), server.Port("eth0", "10.0.2.2/24", "fd02::2/64"), harness.MTU(1400))
		client.AddDefaultRoute("10.0.1.1")
		client.AddDefaultRoute("fd01::1")
		server.AddDefaultRoute("10.0.2.1")
		server.AddDefaultRoute("fd02::1")
		router.EnableForwarding()

		options := []assert.Option{assert.Size(v.size), assert.DontFragment()}
		e := assert.Unreachable(t, client, v.target, assert.Cause{Kind: "too big", From: "router", MTU: 1400}, options...)
		require.NotNil(t, e.Error)
		quoted, ok := e.Error.First().Quoted()
		require.True(t, ok)
		testify.Equal(t, v.target, quoted.Dst.String())
		assert.NotSeen(t, e.Window, capture.Match{Node: "server"})
		assert.Unreachable(t, client, v.target, assert.MessageTooLong, options...)
		assert.Reachable(t, client, v.target, assert.Size(v.size-100), assert.DontFragment())
	}
}

// The right refusal for the wrong reason is a failure, and says both.
func TestWrongCause(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		to   string
		want assert.Cause
		says []string
	}{
		{"10.0.9.9", assert.NoRoute, []string{"client cannot reach 10.0.9.9, but for another reason: network unreachable from 10.0.1.1; want no route"}},
		{"10.0.9.9", assert.NetUnreachable.By("server"), []string{"want network unreachable from server"}},
		{"tcp:10.0.2.2:80", assert.Silence, []string{"reset from 10.0.2.2", "want silence", "TCP SYN seq"}},
		{"10.0.2.2", assert.Silence, []string{"client reaches 10.0.2.2 (ttl 63", "must not", "want silence"}},
	} {
		text := failure(t, func(t testing.TB) {
			client, _, _ := chain(t)
			assert.Unreachable(t, client, c.to, c.want)
		})
		for _, part := range c.says {
			testify.Contains(t, text, part)
		}
	}
}

// A broadcast address is refused by the kernel with the error of a route that
// prohibits, which it is not.
func TestBroadcastIsNotProhibited(t *testing.T) {
	t.Parallel()
	text := failure(t, func(t testing.TB) {
		client, _, _ := chain(t)
		assert.Unreachable(t, client, "10.0.1.255", assert.Prohibited)
	})
	testify.Contains(t, text, "permission denied")
}

func TestFailureSaysWhereThePacketStopped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		make func(client, router, server *harness.Node)
		says []string
	}{
		{"router does not forward", func(_, r, _ *harness.Node) { r.DisableForwarding() },
			[]string{"client cannot reach 10.0.2.2: no reply, and none under way", "the echo request ended in router: not forwarded; last seen entering router:left (ttl 64)", "router:left", "ARP who has router (10.0.1.1), tell client (10.0.1.2)"}},
		{"reply has no way back", func(_, _, s *harness.Node) { s.DelRoute("default", "10.0.2.1") },
			[]string{"the echo reply ended in server: no route; it never left server, where the echo request was last seen entering server:eth0 (ttl 63)"}},
		{"reply is dropped", func(_, r, _ *harness.Node) { r.Drop(harness.Filter{Out: "left"}) },
			[]string{"the echo reply ended in router: filtered out (forward); last seen entering router:right (ttl 64)"}},
		{"nothing sent", func(c, _, _ *harness.Node) { c.DelRoute("default", "10.0.1.1") },
			[]string{"no route, said by the sender's own kernel", "the echo request ended in client: no route; it never left client"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := failure(t, func(t testing.TB) {
				client, router, server := chain(t)
				c.make(client, router, server)
				assert.Reachable(t, client, "10.0.2.2")
			})
			for _, part := range c.says {
				testify.Contains(t, text, part)
			}
		})
	}
}

func TestBadTargets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		to      string
		options []assert.Option
		says    string
	}{
		{"server", nil, `"server" is not an IP address`},
		{"tcp:10.0.0.1", nil, "tcp:192.168.1.2:80"},
		{"udp:10.0.0.1:0", nil, "udp:192.168.1.2:80"},
		{"fe80::1", nil, "link-local"},
		{"::ffff:10.0.0.1", nil, "write it as 10.0.0.1"},
		{"0.0.0.0", nil, "not the address of one node"},
		{"ff02::1", nil, "not the address of one node"},
		{"tcp:[fe80::1]:80", nil, "link-local"},
		{"udp:[::ffff:10.0.0.1]:80", nil, "write it as 10.0.0.1"},
		{"fe80::1%nope", nil, "the zone of fe80::1%nope"},
		{"10.0.0.1", []assert.Option{assert.OutgoingTTL(0)}, "TTL of 0"},
		{"10.0.0.1", []assert.Option{assert.Source("")}, `source ""`},
		{"10.0.0.1", []assert.Option{assert.Interface("")}, "empty"},
		{"tcp:10.0.0.1:80", []assert.Option{assert.Size(9)}, "no Size"},
		{"10.0.0.1", []assert.Option{assert.Size(-1)}, "-1 bytes"},
		{"10.0.0.1", []assert.Option{assert.OutgoingTTL(256)}, "256"},
		{"10.0.0.1", []assert.Option{assert.Count(0)}, "count of 0"},
		{"10.0.0.1", []assert.Option{assert.Source("me")}, `"me"`},
		{"10.0.0.1", []assert.Option{assert.Source("fd00::1")}, "different families"},
		{"10.0.2.2", []assert.Option{assert.Source("10.9.9.9")}, "not an address of the node"},
		{"10.0.2.2", []assert.Option{assert.Interface("eth7")}, "no such interface"},
	} {
		text := failure(t, func(t testing.TB) {
			client, _, _ := chain(t)
			assert.Reachable(t, client, c.to, c.options...)
		})
		testify.Contains(t, text, c.says, fmt.Sprint(c.to))
		testify.Contains(t, text, "node client")
	}
}

// TestLateAnswer: an answer that has arrived is waited for, beyond the time that
// an answer may take, when the program is slow to take it in.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	client, _, _ := chain(t)
	e, err := assert.AskLate(client, "10.0.2.2", 1500*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, assert.Reached, e.Cause)
}

// What a queue holds back comes later, however long that takes: a silence until
// then proves nothing, and is nobody's.
func TestSilenceWhileHeld(t *testing.T) {
	harness.RequireProgram(t, "tc")
	t.Parallel()
	lab := harness.New(t)
	a, b := lab.Node("a"), lab.Node("b")
	lab.Connect(a.Port("eth0", "10.0.0.1/24"), b.Port("eth0", "10.0.0.2/24"))
	assert.Reachable(t, a, "10.0.0.2")
	// 100 bytes a second, with enough to begin with for one large echo.
	b.Run("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "800bit", "burst", "1100", "limit", "30000")
	assert.Reachable(t, a, "10.0.0.2", assert.Size(1000))
	err := harness.Try("held", func(tb testing.TB) { assert.Unreachable(tb, a, "10.0.0.2", assert.Silence, assert.Size(1000)) })
	require.ErrorContains(t, err, "no reply, which proves nothing while node b holds")
	require.ErrorContains(t, err, "packets back in a queueing discipline (tbf)")
}
