package assert_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/try"
	testify "github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// explanation is what a failure says between its first line and the story.
func explanation(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	text := failure(t, f)
	lines := strings.Split(text, "\n")[1:]
	var kept []string
	for _, l := range lines {
		if strings.Contains(l, " ms  ") || strings.Contains(l, "no packet was seen") {
			break
		}
		kept = append(kept, l)
	}
	testify.LessOrEqual(t, len(kept), 20)
	return strings.Join(kept, "\n")
}

func TestTooBigIsExplained(t *testing.T) {
	t.Parallel()
	for _, blackHole := range []bool{false, true} {
		text := explanation(t, func(tb testing.TB) {
			client, router, _ := chain(tb)
			require.NoError(tb, router.Command("ip", "link", "set", "right", "mtu", "1280").Run())
			if blackHole {
				client.Drop(harness.Filter{Hook: harness.Input, Protocol: "icmp", ICMPType: harness.ICMPType(3)})
			}
			assert.Reachable(tb, client, "10.0.2.2", assert.Size(1400), assert.DontFragment())
		})
		testify.Contains(t, text, "the echo request ended in router: too big; last seen entering router:left (ttl 64)")
		testify.Contains(t, text, "router:right an MTU of 1280; the error says 1280")
	}
}

func TestLostErrorIsExplained(t *testing.T) {
	t.Parallel()
	text := explanation(t, func(tb testing.TB) {
		client, router, _ := chain(tb)
		router.Drop(harness.Filter{Hook: harness.Output, Protocol: "icmp", ICMPType: harness.ICMPType(11)})
		assert.Reachable(tb, client, "10.0.2.2", assert.OutgoingTTL(1))
	})
	testify.Contains(t, text, "TTL exceeded")
}

func TestReachedThoughUnwantedIsExplained(t *testing.T) {
	t.Parallel()
	text := explanation(t, func(tb testing.TB) {
		client, _, _ := chain(tb)
		assert.Unreachable(tb, client, "10.0.2.2", assert.Silence)
	})
	testify.Contains(t, text, "the echo reply ended in client: accepted; last seen entering client:eth0 (ttl 63)")
	testify.Contains(t, text, "the answer set out from server:eth0 with ttl 64")
	testify.Contains(t, text, "passed on by router")
}

func TestPathIsExplained(t *testing.T) {
	t.Parallel()
	text := explanation(t, func(tb testing.TB) {
		client, router, _ := chain(tb)
		router.Drop(harness.Filter{Out: "right"})
		e := assert.Unreachable(tb, client, "10.0.2.2", assert.Silence)
		assert.Path(tb, e.Request, "client:eth0", "router:left", "router:right", "server:eth0")
	})
	testify.Contains(t, text, "missing     router:right")
	testify.Contains(t, text, "the echo request ended in router: filtered out (forward); last seen entering router:left (ttl 64)")
}

// TestNeighborOfKernelTimers: where a dead neighbour takes 3 s, the explanation
// does not take them again.
func TestNeighborOfKernelTimers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for the kernel's own 3 s")
	}
	var last time.Time
	text := explanation(t, func(tb testing.TB) {
		client, _, _ := chain(tb, harness.WithTimers(harness.KernelTimers))
		tb.Cleanup(func() {
			w := client.Lab().Recording().All()
			for _, p := range w.Find(capture.Match{Kind: capture.DestinationUnreachable}) {
				last = p.Time
			}
			// Another 3 s would be more, and a busy machine may take its time.
			testify.Less(t, time.Since(last), deadline.Of(2500*time.Millisecond))
		})
		assert.Reachable(tb, client, "10.0.2.77")
	})
	testify.Contains(t, text, "the ARP request ended in server: neighbour unreachable; last seen entering server:eth0")
	testify.Contains(t, text, "nobody on the link of router:right has 10.0.2.77")
}

// BenchmarkExplain is a failure with its explanation, against the same probe
// that was to fail.
func BenchmarkExplain(b *testing.B) {
	b.Run("router", func(b *testing.B) {
		client, router, _ := chain(b)
		router.DisableForwarding()
		explains(b, client, "10.0.2.2")
	})
	b.Run("switch of 60", func(b *testing.B) {
		lab := harness.New(b)
		br := lab.Node("switch").Bridge("br0")
		nodes := lab.Nodes("ns%d", 60)
		for i, n := range nodes {
			lab.Connect(n.Port("eth0", fmt.Sprintf("10.0.0.%d/24", i+1)), br.Port(fmt.Sprintf("veth%d", i+1)))
		}
		nodes[59].SetSysctl("net.ipv4.icmp_echo_ignore_all", 1)
		explains(b, nodes[0], "10.0.0.60")
	})
}

// explains measures a silence that is expected, and one that is to be explained.
func explains(b *testing.B, from *harness.Node, to string) {
	b.Run("expected", func(b *testing.B) {
		for b.Loop() {
			assert.Unreachable(b, from, to, assert.Silence)
		}
	})
	b.Run("explained", func(b *testing.B) {
		for b.Loop() {
			try.Run("failing", func(tb testing.TB) { assert.Unreachable(tb, from, to, assert.NoRoute) })
		}
	})
}
