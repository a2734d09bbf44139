package scenarios

import (
	"bytes"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/require"
)

// TestPing: between every two nodes of every network, ping prints the TTL that
// assert.Reachable has, or the error of assert.Unreachable and who said it.
// Where an answer came, traceroute prints the hops that end echoes of too small
// a TTL, and arping the hardware address of a neighbour that the node's table has.
func TestPing(t *testing.T) {
	t.Parallel()
	harness.RequireProgram(t, "ping", "arping", "traceroute")
	for _, n := range networks {
		if n.timer {
			continue // a dead neighbour takes 3 s there
		}
		for _, f := range n.families() {
			t.Run(n.name+f.name, func(t *testing.T) {
				t.Parallel()
				lab := n.body(t, f, "nftables")
				var reached []echoPair
				for _, p := range echoPairs(lab, f) {
					ours := askByEcho(t, p)
					program, printed := runPing(p, ours)
					require.Equal(t, ours, program, "%s: the verb, and ping, which printed:\n%s", p, printed)
					if ours.cause == assert.Reached.Kind {
						reached = append(reached, p)
						checkTraceroute(t, p)
					}
				}
				if !f.v6 {
					checkArping(t, lab, reached)
				}
			})
		}
	}
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

// runPing is what ping prints, and what we read in it; where the verbs have
// found silence it need not wait long.
func runPing(p echoPair, ours echoAnswer) (echoAnswer, string) {
	wait := "10"
	if ours.cause == assert.Silence.Kind {
		wait = "0.02"
	}
	printed, _ := p.from.Command("ping", "-n", "-c1", "-W"+wait, p.to).CombinedOutput() // exits with 1 when nothing came back
	return readPing(string(printed)), string(printed)
}

// checkTraceroute has traceroute find the hops.
func checkTraceroute(t *testing.T, p echoPair) {
	var ours []string
	for reached := false; !reached && len(ours) < 8; {
		answer := askByEcho(t, p, assert.OutgoingTTL(len(ours)+1))
		if reached = answer.cause == assert.Reached.Kind; reached {
			answer.from = p.to
		}
		ours = append(ours, answer.from)
	}
	printed := p.from.Run("traceroute", "-n", "-I", "-q1", "-w5", "-m8", p.to)
	require.Equal(t, ours, readTraceroute(printed), "%s: the hops of the verbs, and of traceroute, which printed:\n%s", p, printed)
}

// checkArping has arping ask for the neighbours that answer, which a node may
// have known from before. The programs end at the same time: each takes the
// kernel 10 to 80 ms, in which it closes a packet socket.
func checkArping(t *testing.T, lab *harness.Lab, reached []echoPair) {
	for _, n := range lab.All() {
		n.FlushNeighbors()
	}
	var checks []func()
	for _, p := range reached {
		route, err := p.from.RouteTo(p.to)
		if err != nil || route.Gateway.IsValid() || askByEcho(t, p).cause != assert.Reached.Kind {
			continue
		}
		known := knownMAC(p.from, p.to)
		cmd := p.from.Command("arping", "-c1", "-w5", "-I", route.Device, p.to)
		var printed bytes.Buffer
		cmd.Stdout, cmd.Stderr = &printed, &printed
		require.NoError(t, cmd.Start())
		checks = append(checks, func() {
			_ = cmd.Wait() // exits with 1 when nobody answers
			require.Equal(t, known, readArping(printed.String(), p.to), "%s: the neighbour table, and arping, which printed:\n%s", p, &printed)
		})
	}
	for _, check := range checks {
		check()
	}
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
