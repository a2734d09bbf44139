package harness_test

import (
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/require"
)

// Fragments that connection tracking puts together and the kernel takes apart
// again are recorded as they came, where the recorder does not share their
// buffers with the kernel, which writes the outgoing headers into them.
func TestRingKeepsFragments(t *testing.T) {
	t.Parallel()
	lab := harness.New(t, harness.WithCapture(capture.Ring(1<<20)))
	inside, gateway, outside := lab.Node("inside"), lab.Node("gateway"), lab.Node("outside")
	cable := lab.Connect(inside.Port("eth0", "10.1.0.2/24"), gateway.Port("in", "10.1.0.1/24"))
	lab.Connect(gateway.Port("out", "10.2.0.1/24"), outside.Port("eth0", "10.2.0.2/24"))
	inside.AddDefaultRoute("10.1.0.1")
	gateway.EnableForwarding()
	gateway.Masquerade(harness.NAT{Source: "10.1.0.0/24", Out: "out"})
	w := lab.Record(func() { assert.Reachable(t, inside, "10.2.0.2", assert.Size(4000)) })
	came := w.Find(capture.Match{Node: "gateway", Interface: "in", Direction: capture.In})
	fragments := 0
	for _, p := range came {
		if !p.Fragment.Is() {
			continue
		}
		fragments++
		require.Equal(t, 64, p.TTL, "%s\n%s", p, w)
		require.Equal(t, cable.A.MAC(), p.SrcMAC, "%s\n%s", p, w)
		require.Equal(t, "10.1.0.2", p.Src.String(), "%s\n%s", p, w)
	}
	require.Equal(t, 3, fragments, "%s", w)
}

func TestWithCaptureNil(t *testing.T) {
	t.Parallel()
	r := try.Run("nil", func(t testing.TB) { harness.New(t, harness.WithCapture(capture.Ring(1<<20), nil)) })
	require.True(t, r.Failed)
	require.Contains(t, r.Log(), "option 2 of WithCapture is nil")
}
