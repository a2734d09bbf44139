package assert_test

import (
	"strings"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	testify "github.com/stretchr/testify/assert"
)

// A matrix asks once for each pair, whatever comes of it.
func TestMatrixAsksOnce(t *testing.T) {
	t.Parallel()
	client, router, srv := chain(t)
	nodes := []*harness.Node{client, router, srv}
	for _, protocol := range []string{"icmp", "icmpv6"} {
		router.Drop(harness.Filter{In: "left", Out: "right", Protocol: protocol})
	}
	w := client.Lab().Record(func() {
		assert.Matrix(t, nodes, func(from, to *harness.Node) assert.Cause {
			if from == client && to == srv || from == srv && to == client {
				return assert.Silence // the request is dropped, or the reply
			}
			return assert.Reached
		})
	})
	sent, v6 := map[string]int{}, 0
	for _, p := range w.Find(capture.Match{Kind: capture.EchoRequest, Direction: capture.Out}) {
		if p.Node != "router" || p.TTL == 64 { // else passed on
			sent[p.Node+" > "+p.Dst.String()]++
		}
	}
	for pair, times := range sent {
		if strings.Contains(pair, ":") { // the same for IPv6
			delete(sent, pair)
			testify.Equal(t, 1, times, "%s", pair)
			v6++
		}
	}
	testify.Equal(t, 8, v6, "%s", w)
	testify.Equal(t, map[string]int{
		"client > 10.0.1.1": 1, "client > 10.0.2.1": 1, "client > 10.0.2.2": 1,
		"router > 10.0.1.2": 1, "router > 10.0.2.2": 1,
		"server > 10.0.1.1": 1, "server > 10.0.2.1": 1, "server > 10.0.1.2": 1,
	}, sent, "%s", w)
}

// An answer that must not come is told with its packets.
func TestMatrixTellsAnAnswer(t *testing.T) {
	t.Parallel()
	client, router, _ := chain(t)
	text := failure(t, func(t testing.TB) {
		assert.Matrix(t, []*harness.Node{client, router}, func(_, _ *harness.Node) assert.Cause { return assert.Silence })
	})
	testify.Contains(t, text, "2 of 2 pairs are not as demanded")
	testify.Regexp(t, `client > router \(10\.0\.1\.1\): reached, want silence`, text)
	testify.Contains(t, text, "echo reply")
}
