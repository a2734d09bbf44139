package scenarios

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/require"
)

// TestPing: between every two nodes of every network, ping prints the TTL that
// assert.Reachable has, or the error of assert.Unreachable and who said it.
// traceroute prints the hops that end echoes of too small a TTL, to those that
// answer, and to one of each cause that do not; arping the hardware address of a
// neighbour that the node's table has, and none of one that it has not.
func TestPing(t *testing.T) {
	t.Parallel()
	harness.RequireProgram(t, "ping", "arping", "traceroute")
	var compared tally
	for _, n := range networks {
		for _, f := range n.families() {
			compared.await()
			t.Run(n.name+f.name, func(t *testing.T) {
				t.Parallel()
				lab := n.body(t, f, "nftables")
				var reached, silent []echoPair
				causes := map[string]bool{}
				for _, p := range echoPairs(lab, f) {
					ours := askByEcho(t, p)
					compared.add("ping: " + ours.cause)
					switch ours.cause {
					case assert.Reached.Kind:
						reached = append(reached, p)
					case assert.Silence.Kind:
						silent = append(silent, p)
						continue
					}
					program, printed := runPing(p)
					require.Equal(t, ours, program, "%s: the verb, and ping, which printed:\n%s", p, printed)
					// A program's error by its own kernel has no hops.
					if ours.cause == assert.Reached.Kind || ours.from != "local" && !causes[ours.cause] {
						causes[ours.cause] = true
						compared.add("traceroute: " + checkTraceroute(t, p))
					}
				}
				checkSilence(t, silent)
				if !f.v6 {
					checkArping(t, lab, reached, &compared)
				}
				compared.done()
			})
		}
	}
	compared.demand(t, "ping: reached", "ping: silence", "ping: host unreachable", "ping: no route",
		"traceroute: reached", "traceroute: host unreachable", "arping: answered", "arping: not answered")
}

// tally counts what was compared, so that a test which compares nothing fails.
type tally struct {
	mu           sync.Mutex
	counts       map[string]int
	wanted, over int // networks
}

// await says that one more network is to be compared, done that it was.
func (c *tally) await() { c.wanted++ }

func (c *tally) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over++
}

func (c *tally) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[what]++
}

// demand fails the test at its end when something was never compared, unless
// -run has left out networks, or one of them failed.
func (c *tally) demand(t *testing.T, each ...string) {
	t.Cleanup(func() {
		t.Logf("compared in %d of %d networks: %v", c.over, c.wanted, c.counts)
		for _, what := range each {
			if c.over == c.wanted && c.counts[what] == 0 {
				t.Errorf("no network has %q: compared were %v", what, c.counts)
			}
		}
	})
}

// echoPair is a node, and an address of another.
type echoPair struct {
	from *harness.Node
	to   string
}

func (p echoPair) String() string { return p.from.Name() + " to " + p.to }

// echoPairs are every node with every address of every other.
func echoPairs(lab *harness.Lab, f family) (all []echoPair) {
	for _, from := range lab.All() {
		for _, to := range lab.All() {
			if from == to {
				continue
			}
			for _, i := range to.Interfaces() {
				for _, a := range i.Addresses {
					if a.Prefix.Addr().Is6() == f.v6 && a.Scope == "global" {
						all = append(all, echoPair{from, a.Prefix.Addr().String()})
					}
				}
			}
		}
	}
	return all
}

// askByEcho is what the verbs say to an echo. One that was redirected is
// repeated: the next one takes the way that the redirect tells.
func askByEcho(t *testing.T, p echoPair, o ...assert.Option) echoAnswer {
	var e *assert.Exchange
	for range 2 {
		r := try.Run("reached", func(tb testing.TB) { e = assert.Reachable(tb, p.from, p.to, o...) })
		if r.Failed {
			r = try.Run("not reached", func(tb testing.TB) { e = assert.Unreachable(tb, p.from, p.to, assert.Cause{}, o...) })
		}
		require.False(t, r.Failed, "%s: %s", p, r.Log())
		if e.Window.First(capture.Match{Kind: capture.Redirect}) == nil {
			break
		}
	}
	return echoAnswer{e.TTL, e.Cause.Kind, e.Cause.From}
}

// runPing is what ping prints, and what we read in it.
func runPing(p echoPair) (echoAnswer, string) {
	printed, _ := p.from.Command("ping", "-n", "-c1", "-W10", p.to).CombinedOutput() // exits with 1 when nothing came back
	return readPing(string(printed)), string(printed)
}

// late is how long programs wait for an answer that is not to come: several
// times as long as the kernel takes to find that a neighbour does not answer,
// which is when the last errors are sent.
const late = 250 * time.Millisecond

// checkSilence has ping and traceroute hear nothing either; all wait at once.
func checkSilence(t *testing.T, pairs []echoPair) {
	wait := fmt.Sprint(late.Seconds())
	var running waiting
	for i, p := range pairs {
		running.start(t, p.from.Command("ping", "-n", "-c1", "-W"+wait, p.to), func(printed string) {
			require.Equal(t, echoAnswer{cause: assert.Silence.Kind}, readPing(printed), "%s: the verb, and ping, which printed:\n%s", p, printed)
		})
		if i > 0 {
			continue
		}
		// The first hop may answer, but the last does not.
		running.start(t, p.from.Command("traceroute", "-n", "-I", "-q1", "-w"+wait, "-m8", p.to), func(printed string) {
			hops := readTraceroute(printed)
			require.Len(t, hops, 8, "%s: traceroute printed:\n%s", p, printed)
			require.Empty(t, hops[7], "%s: the verb has silence, and traceroute printed:\n%s", p, printed)
		})
	}
	running.check()
}

// waiting are programs that run at the same time, each with what is to be
// demanded of its output.
type waiting []func()

func (w *waiting) start(t *testing.T, cmd *harness.Cmd, check func(printed string)) {
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	require.NoError(t, cmd.Start())
	*w = append(*w, func() {
		_ = cmd.Wait() // most exit with 1 when nobody answers
		check(printed.String())
	})
}

func (w waiting) check() {
	for _, check := range w {
		check()
	}
}

// checkTraceroute has traceroute find the hops, and what the last one says; it
// returns the cause.
func checkTraceroute(t *testing.T, p echoPair) string {
	var ours []string
	var answer echoAnswer
	for over := false; !over && len(ours) < 8; {
		answer = askByEcho(t, p, assert.OutgoingTTL(len(ours)+1))
		switch answer.cause {
		case assert.Reached.Kind:
			answer.from, over = p.to, true
		case assert.TimeExceeded.Kind, assert.Silence.Kind:
		default:
			answer.from, over = answer.from+" "+answer.cause, true
		}
		ours = append(ours, answer.from)
	}
	printed := p.from.Run("traceroute", "-n", "-I", "-q1", "-w5", "-m8", p.to)
	require.Equal(t, ours, readTraceroute(printed), "%s: the hops of the verbs, and of traceroute, which printed:\n%s", p, printed)
	return answer.cause
}

// checkArping has arping ask for the neighbours that answer, which a node may
// have known from before, and in every subnet of a node for an address that
// nobody has. The programs end at the same time: each takes the kernel 10 to
// 80 ms, in which it closes a packet socket.
func checkArping(t *testing.T, lab *harness.Lab, reached []echoPair, compared *tally) {
	for _, n := range lab.All() {
		n.FlushNeighbors()
	}
	var running waiting
	ask := func(p echoPair, command ...string) {
		route, err := p.from.RouteTo(p.to)
		if err != nil || route.Gateway.IsValid() {
			return
		}
		answers := askByEcho(t, p).cause == assert.Reached.Kind
		known := knownMAC(p.from, p.to)
		if !answers && known != "none" {
			return // asked once more, it did not answer to an echo
		}
		compared.add(map[bool]string{true: "arping: answered", false: "arping: not answered"}[answers])
		command = append(command, "arping", "-c1", "-w5", "-I", route.Device, p.to)
		running.start(t, p.from.Command(command[0], command[1:]...), func(printed string) {
			if !answers && !strings.Contains(printed, "Sent 1 probe") {
				// It was ended before it had begun: then by itself, a second long.
				again, _ := p.from.Command("arping", "-c1", "-w1", "-I", route.Device, p.to).CombinedOutput()
				printed = string(again)
			}
			require.Equal(t, known, readArping(printed, p.to), "%s: the neighbour table, and arping, which printed:\n%s", p, printed)
			require.Contains(t, printed, map[bool]string{true: "Received 1 response", false: "Received 0 response"}[answers])
		})
	}
	for _, p := range reached {
		ask(p)
	}
	for _, p := range unusedAddresses(lab) {
		ask(p, "timeout", "--signal=INT", fmt.Sprint(late.Seconds())) // arping itself would wait for a second
	}
	running.check()
}

// unusedAddresses are addresses that nobody has, one in each subnet, and who
// may ask for them.
func unusedAddresses(lab *harness.Lab) (all []echoPair) {
	seen := map[string]bool{}
	for _, n := range lab.All() {
		for _, i := range n.Interfaces() {
			for _, a := range i.Addresses {
				if !a.Prefix.Addr().Is4() || a.Scope != "global" {
					continue
				}
				bytes := a.Prefix.Addr().As4()
				bytes[3] = 77
				if to := netip.AddrFrom4(bytes).String(); !seen[to] {
					seen[to] = true
					all = append(all, echoPair{n, to})
				}
			}
		}
	}
	return all
}

// knownMAC is a neighbour's hardware address by the node's own table.
func knownMAC(n *harness.Node, address string) string {
	for _, e := range n.Neighbors() {
		if e.Addr.String() == address && e.State.Usable() {
			return e.MAC.String()
		}
	}
	return "none"
}
