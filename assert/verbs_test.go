package assert_test

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/try"
	testify "github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestReachable(t *testing.T) {
	t.Parallel()
	client, _, srv := chain(t)
	for _, to := range []string{"10.0.2.2", "fd02::2"} {
		e := assert.Reachable(t, client, to)
		assert.TTL(t, e, 63)
		testify.Positive(t, e.RTT)
		testify.Len(t, e.Request.Hops, 4)
		testify.Len(t, e.Reply.Hops, 4)

		// With any option the echo is our own; it must see the same.
		e = assert.Reachable(t, client, to, assert.Size(0))
		assert.TTL(t, e, 63)
		testify.Len(t, e.Request.Hops, 4)
		e = assert.Reachable(t, client, to, assert.Size(1000), assert.DontFragment(), assert.OutgoingTTL(9), assert.Count(3))
		testify.Equal(t, 9, e.Request.First().TTL)
		testify.Equal(t, 8, e.Request.Last().TTL)
		testify.Len(t, e.Window.Find(capture.Match{Node: "client", Kind: capture.EchoReply}), 3)
		testify.Len(t, e.Request.First().Payload, 1000)
	}
	for _, network := range []string{"tcp", "udp"} {
		s := srv.Serve(network, ":80")
		for _, at := range []string{"10.0.2.2:80", "[fd02::2]:80"} {
			e := assert.Reachable(t, client, network+":"+at)
			assert.TTL(t, e, 63)
			testify.Equal(t, s.Peers()[len(s.Peers())-1], e.ServerSaw)
			testify.Contains(t, []string{"10.0.1.2", "fd01::2"}, e.ServerSaw.Addr().String())
		}
	}
}

// A listener of the test's own is no netrig server; what arrived there is told
// all the same.
func TestServerSawFromThePackets(t *testing.T) {
	t.Parallel()
	client, _, srv := chain(t)
	_, err := srv.Listen("tcp", "10.0.2.2:443")
	require.NoError(t, err)
	e := assert.Reachable(t, client, "tcp:10.0.2.2:443", assert.Source("10.0.1.2"))
	testify.Equal(t, netip.MustParseAddr("10.0.1.2"), e.ServerSaw.Addr())
	testify.NotZero(t, e.ServerSaw.Port())
}

func TestSourceAndInterface(t *testing.T) {
	t.Parallel()
	client, _, _ := chain(t)
	client.AddAddress("lo", "10.0.7.7/32")
	e := assert.Unreachable(t, client, "10.0.2.2", assert.Silence, assert.Source("10.0.7.7"))
	testify.Equal(t, "10.0.7.7", e.Request.First().Src.String())
	// The own address through an interface: out on the wire, and not answered.
	assert.Reachable(t, client, "10.0.1.1", assert.Interface("eth0"))
	assert.Unreachable(t, client, "10.0.1.1", assert.Cause{}, assert.Interface("lo"))
}

func TestSelf(t *testing.T) {
	t.Parallel()
	client, _, _ := chain(t)
	assert.TTL(t, assert.Reachable(t, client, "10.0.1.2"), 64)
	assert.TTL(t, assert.Reachable(t, client, "127.0.0.1"), 64)
	assert.TTL(t, assert.Reachable(t, client, "::1", assert.Size(10)), 64)
}

// A sender that is not recorded can still be asked about.
func TestUnrecorded(t *testing.T) {
	t.Parallel()
	client, router, srv := chain(t)
	srv.Serve("tcp", ":80")
	for _, n := range []*harness.Node{client, router, srv} {
		n.StopRecording()
	}
	assert.TTL(t, assert.Reachable(t, client, "10.0.2.2"), 63)
	assert.TTL(t, assert.Reachable(t, client, "fd02::2", assert.Size(9)), 63)
	assert.Reachable(t, client, "tcp:10.0.2.2:80")
	assert.Unreachable(t, client, "10.0.2.77", assert.HostUnreachable.By("router"))
	router.Drop(harness.Filter{Out: "right"})
	assert.Unreachable(t, client, "10.0.2.2", assert.Silence)
	assert.Unreachable(t, client, "tcp:10.0.2.2:80", assert.Silence, assert.Within(20*time.Millisecond))
}

// An answer from the wrong address is no answer.
func TestWrongHostAnswers(t *testing.T) {
	t.Parallel()
	text := failure(t, func(t testing.TB) {
		client, router, _ := chain(t)
		router.SNAT(harness.NAT{Out: "left", To: "10.0.1.1", Protocol: "udp"})
		// Not connection tracking's own reversal but another flow: the router
		// answers from its own address for the server.
		router.AddAddress("lo", "10.0.2.2/32")
		router.SetSysctl("net.ipv4.icmp_echo_ignore_all", 1)
		assert.Reachable(t, client, "10.0.2.2")
	})
	testify.Contains(t, text, "the echo request ended in router: accepted; last seen entering router:left (ttl 64)")
}

// A request that never leaves its node has a cause all the same: the node's own
// kernel says that nobody answers for the next hop.
func TestNobodyOnTheOwnLink(t *testing.T) {
	t.Parallel()
	for target, from := range map[string]string{
		"10.0.1.77": "10.0.1.2", "fd01::77": "fd01::2", "tcp:10.0.1.77:80": "10.0.1.2", "udp:[fd01::77]:80": "fd01::2",
	} {
		text := failure(t, func(t testing.TB) {
			client, _, _ := chain(t)
			assert.Reachable(t, client, target)
		})
		testify.Contains(t, text, "client cannot reach "+target+": host unreachable from "+from)
		testify.Contains(t, text, "neighbour unreachable")
	}
}

func TestTTLFails(t *testing.T) {
	t.Parallel()
	text := failure(t, func(t testing.TB) {
		client, _, _ := chain(t)
		assert.TTL(t, assert.Reachable(t, client, "10.0.2.2"), 64)
	})
	testify.Contains(t, text, "the answer from 10.0.2.2 came to client with ttl 63, want 64")
}

func TestNeighborVerbs(t *testing.T) {
	t.Parallel()
	client, router, srv := chain(t)
	assert.NoNeighbor(t, client, "10.0.1.1")
	assert.Reachable(t, client, "10.0.2.2")
	entry := assert.Neighbor(t, client, "10.0.1.1", router.MAC("left"))
	testify.Equal(t, "eth0", entry.Interface)
	assert.Unreachable(t, client, "10.0.1.77", assert.HostUnreachable)
	assert.NeighborState(t, client, "10.0.1.77", harness.NeighborFailed)
	assert.NoNeighbor(t, client, "10.0.1.77")

	for says, f := range map[string]func(testing.TB){
		"client does not know the neighbour 10.0.1.99":                            func(t testing.TB) { assert.Neighbor(t, client, "10.0.1.99", nil) },
		"want it usable at " + srv.MAC("eth0").String() + " (server:eth0)":        func(t testing.TB) { assert.Neighbor(t, client, "10.0.1.1", srv.MAC("eth0")) },
		"client knows the neighbour 10.0.1.1, but must not":                       func(t testing.TB) { assert.NoNeighbor(t, client, "10.0.1.1") },
		"FAILED; want REACHABLE":                                                  func(t testing.TB) { assert.NeighborState(t, client, "10.0.1.77", harness.NeighborReachable) },
		"client has no entry for the neighbour 10.0.1.99, want one that is STALE": func(t testing.TB) { assert.NeighborState(t, client, "10.0.1.99", harness.NeighborStale) },
		`"x" is not an IP address`:                                                func(t testing.TB) { assert.Neighbor(t, client, "x", nil) },
	} {
		testify.Contains(t, failure(t, f), says)
	}
}

// The kernel may have forgotten a neighbour that failed (the flush stands for
// that): it counts as failed if it was asked for and the kernel has tidied up
// since, and only then.
func TestForgottenNeighborsHaveFailed(t *testing.T) {
	t.Parallel()
	client, _, _ := chain(t)
	for _, subnet := range []string{"10.0.1.", "fd01::"} {
		dead, other := netip.MustParseAddr(subnet+"77"), netip.MustParseAddr(subnet+"99")
		assert.Unreachable(t, client, dead.String(), assert.HostUnreachable)
		testify.True(t, assert.Forgotten(client, dead, harness.NeighborTable{Collections: 1}))
		testify.False(t, assert.Forgotten(client, dead, harness.NeighborTable{}), "the kernel has dropped nothing")
		testify.False(t, assert.Forgotten(client, other, harness.NeighborTable{Collections: 1}), "it was never asked for")

		client.FlushNeighbors()
		r := try.Run("after a flush", func(t testing.TB) { assert.NeighborState(t, client, dead.String(), harness.NeighborFailed) })
		testify.True(t, r.Failed || client.Lab().NeighborTable(dead.Is6()).Collections > 0, "somebody else has removed the entry")
		text := failure(t, func(t testing.TB) { assert.NeighborState(t, client, other.String(), harness.NeighborFailed) })
		testify.Contains(t, text, "client has no entry for the neighbour "+other.String()+", want one that is FAILED")
		text = failure(t, func(t testing.TB) { assert.NeighborState(t, client, dead.String(), harness.NeighborStale) })
		testify.Contains(t, text, "want one that is STALE")
	}
}

// A message about what failed while the neighbour table was full says so, and
// what to do. (To fill it here would fail other tests of the machine.)
func TestOverflowOfTheNeighborTable(t *testing.T) {
	t.Parallel()
	testify.Empty(t, assert.Overflowed(harness.NeighborTable{Entries: 1024, Limit: 1024}), "every entry has fitted")
	text := assert.Overflowed(harness.NeighborTable{Entries: 1000, Limit: 1024, Overflows: 3})
	for _, says := range []string{"1024 entries for all namespaces of the machine together", "net.ipv4.neigh.default.gc_thresh3", "3 times", "1000 now", "-parallel", "Lab.PermanentNeighbors"} {
		testify.Contains(t, text, says)
	}
}

// The same of the table of tracked connections (internal/trial fills one, in a
// machine).
func TestNoRoomToTrack(t *testing.T) {
	t.Parallel()
	for _, enough := range []harness.ConntrackTable{
		{}, {Entries: 4, Limit: 4}, {Entries: 3, Limit: 4, Dropped: 1}, {Entries: 4, Dropped: 1}, // of a clash; of no limit
	} {
		testify.Empty(t, assert.OutOfRoom(enough), "%+v", enough)
	}
	text := assert.OutOfRoom(harness.ConntrackTable{Entries: 4, Limit: 4, Dropped: 7})
	for _, says := range []string{"tracks 4 connections, of 4", "net.netfilter.nf_conntrack_max", "dropped 7 packets", "as root and outside of the test"} {
		testify.Contains(t, text, says)
	}
	testify.Contains(t, assert.OutOfRoom(harness.ConntrackTable{Entries: 2, Limit: 4, EarlyDropped: 5}), "given up 5 connections for new ones")
}

func TestPathVerb(t *testing.T) {
	t.Parallel()
	client, router, srv := chain(t)
	e := assert.Reachable(t, client, "10.0.2.2")
	assert.Path(t, e.Request,
		"client:eth0  10.0.1.2 > 10.0.2.2  out ttl 64  mac "+client.MAC("eth0").String()+" > "+router.MAC("left").String(),
		"router:left  in ttl 64  * > 10.0.2.2",
		"router:right out ttl 63  mac * > "+srv.MAC("eth0").String(),
		"server:eth0")

	for says, hops := range map[string][]string{
		"missing     server:eth0 in":                 {"client:eth0", "router:left", "router:right", "server:eth0", "server:eth0 in"},
		"unexpected  server:eth0 in":                 {"client:eth0", "router:left", "router:right"},
		"wrong       router:right out":               {"client:eth0", "router:left", "router:right ttl 64", "server:eth0"},
		"ttl 63, want 64":                            {"client:eth0", "router:left", "router:right ttl 64", "server:eth0"},
		"10.0.1.2, want 10.0.1.3":                    {"client:eth0 10.0.1.3 > 10.0.2.2", "router:left", "router:right", "server:eth0"},
		`"client" is not of the form node:interface`: {"client"},
		`"64" is not understood`:                     {"client:eth0 64"},
		`"x" is not a TTL`:                           {"client:eth0 ttl x"},
		`a number is missing`:                        {"client:eth0 ttl"},
		`"z" is not a hardware address`:              {"client:eth0 mac z > *"},
		`"q" is neither an address`:                  {"client:eth0 q > *"},
		"it is empty":                                {""},
	} {
		testify.Contains(t, failure(t, func(t testing.TB) { assert.Path(t, e.Request, hops...) }), says)
	}
	testify.Contains(t, failure(t, func(t testing.TB) { assert.Path(t, nil, "a:b") }), "no packet to follow")
}

func TestPacketsVerb(t *testing.T) {
	t.Parallel()
	client, _, _ := chain(t)
	lab := client.Lab()
	assert.Reachable(t, client, "10.0.1.1")
	w := lab.Record(func() { assert.Reachable(t, client, "10.0.1.1") })
	want := []capture.Match{
		{Node: "client", Kind: capture.EchoRequest}, {Node: "router", Kind: capture.EchoRequest},
		{Node: "router", Kind: capture.EchoReply}, {Node: "client", Kind: capture.EchoReply},
	}
	assert.Packets(t, w, want...)
	assert.Packets(t, lab.Record(func() {}))
	assert.Seen(t, w, want[0])
	assert.NotSeen(t, w, capture.Match{Node: "server"})

	swapped := []capture.Match{want[1], want[0], want[2], want[3]}
	testify.Contains(t, failure(t, func(t testing.TB) { assert.Packets(t, w, swapped...) }), "wrong       client:eth0")
	testify.Contains(t, failure(t, func(t testing.TB) { assert.Packets(t, w, want[:3]...) }), "unexpected  client:eth0")
	testify.Contains(t, failure(t, func(t testing.TB) { assert.Packets(t, w, append(want, want[0])...) }), "missing     ")
	testify.Contains(t, failure(t, func(t testing.TB) { assert.Packets(t, w) }), "0 wanted, 4 seen")
	testify.Contains(t, failure(t, func(t testing.TB) { assert.Seen(t, w, capture.Match{Node: "server"}) }), "the closest is")
	testify.Contains(t, failure(t, func(t testing.TB) { assert.NotSeen(t, w, want[0]) }), "but none must")
}

func TestMatrixVerb(t *testing.T) {
	t.Parallel()
	client, router, srv := chain(t)
	nodes := []*harness.Node{client, router, srv}
	all := func(_, _ *harness.Node) assert.Cause { return assert.Reached }
	assert.Matrix(t, nodes, all)
	router.Drop(harness.Filter{In: "left", Out: "right", Protocol: "icmp"})
	assert.Matrix(t, nodes[:2], all)

	text := failure(t, func(t testing.TB) { assert.Matrix(t, nodes, all) })
	testify.Contains(t, text, "2 of 6 pairs are not as demanded")
	testify.Contains(t, text, "client > server (10.0.2.2): silence, want reached")
	testify.Contains(t, text, "expected")
	testify.Regexp(t, `client +- +ok +ok +client +- +ok +none +client +- +\. +X`, text)

	text = failure(t, func(t testing.TB) { assert.Matrix(t, nil, all) })
	testify.Contains(t, text, "needs two nodes")
}

// The kernel's neighbour table is one for the machine: a matrix that would
// overflow it is refused, and goes well with permanent neighbours.
func TestMatrixOfManyNodes(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	sw := lab.Node("sw")
	br := sw.Bridge("br0")
	nodes := lab.Nodes("n%d", 34)
	for i, n := range nodes {
		lab.Connect(n.Port("eth0", netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}).String()+"/24"), br.Port("p"+n.Name()))
	}
	all := func(_, _ *harness.Node) assert.Cause { return assert.Reached }
	text := failure(t, func(t testing.TB) { assert.Matrix(t, nodes, all) })
	testify.Contains(t, text, "34 nodes would need 1122 entries")
	testify.Contains(t, text, "gc_thresh3")
	testify.Contains(t, text, "PermanentNeighbors")
	lab.PermanentNeighbors()
	assert.Matrix(t, nodes, all)
}

func TestConnectionVerb(t *testing.T) {
	t.Parallel()
	client, router, srv := chain(t)
	srv.Serve("tcp", ":80")
	assert.NoConnection(t, router, harness.Connection{})
	router.Masquerade(harness.NAT{Out: "right"})
	e := assert.Reachable(t, client, "tcp:10.0.2.2:80")
	c := assert.Connection(t, router, harness.Connection{Protocol: "tcp", SourceNAT: true,
		Reply: harness.Tuple{Destination: netip.MustParseAddrPort("10.0.2.1:0")}})
	testify.Equal(t, e.ServerSaw, c.Reply.Destination)
	text := failure(t, func(t testing.TB) { assert.Connection(t, router, harness.Connection{Protocol: "udp", Mark: 3}) })
	testify.Contains(t, text, "router tracks no connection like the one wanted (udp, mark 3)")
	testify.Contains(t, text, "tcp ")
	testify.Contains(t, failure(t, func(t testing.TB) { assert.NoConnection(t, router, harness.Connection{Protocol: "tcp"}) }), "but must not")

	// Echoes are connections too, known by their identifier, which is looked up
	// as fast as a port is.
	for protocol, to := range map[string]string{"icmp": "10.0.2.2", "icmpv6": "fd02::2"} {
		echo := assert.Reachable(t, client, to).Request.First()
		c := assert.Connection(t, router, harness.Connection{Protocol: protocol, SourceNAT: true, SeenReply: true})
		testify.Equal(t, netip.AddrPortFrom(echo.Src, echo.ICMPID), c.Original.Source)
		one, ok := router.Tracked(protocol, c.Original)
		testify.True(t, ok)
		testify.Equal(t, c.String(), one.String())
		_, ok = router.Tracked(protocol, harness.Tuple{Source: netip.AddrPortFrom(echo.Src, echo.ICMPID+1), Destination: c.Original.Destination})
		testify.False(t, ok)
	}
}

func TestLearnedVerb(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	sw, a, b := lab.Node("sw"), lab.Node("a"), lab.Node("b")
	br := sw.Bridge("br0")
	lab.Connect(a.Port("eth0", "10.0.0.1/24"), br.Port("pa"))
	lab.Connect(b.Port("eth0", "10.0.0.2/24"), br.Port("pb"))
	assert.NotLearned(t, br, a.MAC("eth0"))
	assert.Reachable(t, a, "10.0.0.2")
	assert.Learned(t, br, a.MAC("eth0"), "pa")
	text := failure(t, func(t testing.TB) { assert.Learned(t, br, a.MAC("eth0"), "pb") })
	testify.Contains(t, text, "the bridge sw:br0 has not learned 02:00:02:00:00:01 (a:eth0) behind pb")
	testify.Contains(t, text, "02:00:02:00:00:01 (a:eth0) behind pa")
	testify.Contains(t, failure(t, func(t testing.TB) { assert.NotLearned(t, br, a.MAC("eth0")) }), "behind pa, but must not")
}

// A program that keeps sending in the lab takes nothing from the verdicts: what
// can't be proven is waited for.
func TestLabThatNeverRests(t *testing.T) {
	t.Parallel()
	client, router, srv := chain(t)
	noise, err := srv.DialFrom(t.Context(), "udp", "10.0.2.2:9", "10.0.2.1:9")
	require.NoError(t, err)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		// Not faster, or an ordinary user's receive buffer runs over.
		tick := time.NewTicker(100 * time.Microsecond)
		defer tick.Stop()
		for range 100_000 {
			select {
			case <-stop:
				return
			case <-tick.C:
				_, _ = noise.Write([]byte("noise"))
			}
		}
	}()
	defer func() { close(stop); <-stopped; noise.Close() }()
	assert.TTL(t, assert.Reachable(t, client, "10.0.2.2"), 63)
	router.Drop(harness.Filter{Out: "right"})
	assert.Unreachable(t, client, "10.0.2.2", assert.Silence, assert.Within(100*time.Millisecond))
}

// Large probes are followed too: in fragments, and in frames that the recorder
// has cut.
func TestLargeProbesAreFollowed(t *testing.T) {
	t.Parallel()
	for _, mtu := range []int{1500, 9000} {
		lab := harness.New(t)
		a, b := lab.Node("a"), lab.Node("b")
		lab.Connect(a.Port("eth0", "10.0.0.1/24", "fd00::1/64"), b.Port("eth0", "10.0.0.2/24", "fd00::2/64"), harness.MTU(mtu))
		slow, err := b.ListenPacket("udp", ":53")
		require.NoError(t, err)
		go answerLate(slow)
		for _, to := range []string{"10.0.0.2", "fd00::2"} {
			e := assert.Reachable(t, a, to, assert.Size(3000))
			assert.Path(t, e.Request, "a:eth0 out ttl 64", "b:eth0 in ttl 64")
			assert.Path(t, e.Reply, "b:eth0 out", "a:eth0 in")
		}
		for _, to := range []string{"udp:10.0.0.2:53", "udp:[fd00::2]:53"} {
			e := assert.Reachable(t, a, to, assert.Size(3000))
			assert.Path(t, e.Request, "a:eth0 out ttl 64", "b:eth0 in ttl 64")
		}
	}
}

// answerLate is a program that takes its time.
func answerLate(c net.PacketConn) {
	buf := make([]byte, 65535)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		// The time itself is what this is about.
		time.AfterFunc(30*time.Millisecond, func() { _, _ = c.WriteTo(buf[:n], from) })
	}
}

// A program's answer is waited for wherever the datagram may have got to one:
// behind a translation, and in a node that is not recorded.
func TestLateAnswers(t *testing.T) {
	t.Parallel()
	client, router, _ := chain(t)
	router.DNAT(harness.Forward{Protocol: "udp", Port: 53, Destination: "10.96.0.10", To: "10.0.1.1:5353"})
	c, err := router.ListenPacket("udp", ":5353")
	require.NoError(t, err)
	go answerLate(c)
	assert.Reachable(t, client, "udp:10.96.0.10:53")
	router.StopRecording()
	assert.Reachable(t, client, "udp:10.0.1.1:5353")
}

// An answer from another address is no answer, whoever asks.
func TestAnswerFromElsewhere(t *testing.T) {
	t.Parallel()
	client, router, srv := chain(t)
	harness.RequireProgram(t, "nft")
	srv.Run("nft", "add table ip lie; add chain ip lie out { type filter hook output priority 0; }; add rule ip lie out ip protocol icmp ip saddr set 10.0.2.99")
	_ = router
	for _, options := range [][]assert.Option{nil, {assert.Size(56)}} {
		text := failure(t, func(tb testing.TB) { assert.Reachable(tb, client, "10.0.2.2", options...) })
		testify.Contains(t, text, "no reply that counts: one came, from 10.0.2.99")
	}
	assert.Unreachable(t, client, "10.0.2.2", assert.Silence)
}

func TestMatrixNeedsCommonFamilies(t *testing.T) {
	t.Parallel()
	lab := harness.New(t)
	a, b := lab.Node("a"), lab.Node("b")
	lab.Connect(a.Port("eth0", "10.0.0.1/24"), b.Port("eth0", "fd00::2/64"))
	for _, wish := range []assert.Cause{assert.Reached, assert.NoRoute} {
		text := failure(t, func(t testing.TB) {
			assert.Matrix(t, []*harness.Node{a, b}, func(_, _ *harness.Node) assert.Cause { return wish })
		})
		testify.Contains(t, text, "a > b: they have no address family in common")
	}
}

// An absence that is asked for by a name that nothing can have is refused.
func TestAbsencesOfNothing(t *testing.T) {
	t.Parallel()
	client, router, _ := chain(t)
	assert.Reachable(t, client, "fd01::1")
	linkLocal := ""
	for _, e := range router.Interface("left").Addresses {
		if e.Scope == "link" {
			linkLocal = e.Prefix.Addr().String()
		}
	}
	assert.Reachable(t, client, linkLocal+"%eth0")
	for says, f := range map[string]func(testing.TB){
		"knows the neighbour": func(t testing.TB) { assert.NoNeighbor(t, client, linkLocal+"%eth0") },
		`no interface "eth7"`: func(t testing.TB) { assert.NoNeighbor(t, client, linkLocal+"%eth7") },
		`protocol "TCP"`:      func(t testing.TB) { assert.NoConnection(t, client, harness.Connection{Protocol: "TCP"}) },
		"node is nil":         func(t testing.TB) { assert.Reachable(t, nil, "10.0.0.1") },
		"option 2 is nil":     func(t testing.TB) { assert.Reachable(t, client, "10.0.1.1", assert.Size(1), nil) },
		"node 2 of 2 is nil": func(t testing.TB) {
			assert.Matrix(t, []*harness.Node{client, nil}, func(_, _ *harness.Node) assert.Cause { return assert.Reached })
		},
		"Learned: the bridge is nil":    func(t testing.TB) { assert.Learned(t, nil, client.MAC("eth0"), "eth0") },
		"NotLearned: the bridge is nil": func(t testing.TB) { assert.NotLearned(t, nil, client.MAC("eth0")) },
		"no exchange":                   func(t testing.TB) { assert.TTL(t, nil, 64) },
	} {
		testify.Contains(t, failure(t, f), says)
	}
}

func TestNeighborOfNoNode(t *testing.T) {
	for _, verb := range []func(testing.TB){
		func(t testing.TB) { assert.Neighbor(t, nil, "10.0.1.1", nil) },
		func(t testing.TB) { assert.NoNeighbor(t, nil, "10.0.1.1") },
		func(t testing.TB) { assert.NeighborState(t, nil, "10.0.1.1", harness.NeighborFailed) },
	} {
		testify.Contains(t, failure(t, verb), "the neighbour 10.0.1.1 of which node? It is nil")
	}
}

// A connection ends with its lab although a copy of its descriptor is left, as a program
// has for a moment that another test starts meanwhile.
func TestConnectionEndsInSpiteOfCopies(t *testing.T) {
	t.Parallel()
	client, _, srv := chain(t)
	var kept []int
	t.Cleanup(func() { // after the connection's end, and before the lab's
		client.Lab().Settle()
		ends := client.Lab().Recording().All().Find(capture.Match{
			Node: "client", Direction: capture.Out, Func: func(p *capture.Packet) bool { return p.TCPFlags&capture.FIN != 0 },
		})
		testify.Len(t, ends, 1, "%s", client.Lab().Recording().All())
		for _, fd := range kept {
			unix.Close(fd)
		}
	})
	srv.Serve("tcp", ":80")
	saw := assert.Reachable(t, client, "tcp:10.0.2.2:80").ServerSaw
	names, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, name := range names {
		fd, err := strconv.Atoi(name.Name())
		require.NoError(t, err)
		own, err := unix.Getsockname(fd)
		if at, ok := own.(*unix.SockaddrInet4); err == nil && ok && netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)) == saw {
			duplicate, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
			require.NoError(t, err)
			kept = append(kept, duplicate)
		}
	}
	require.NotEmpty(t, kept)
}
