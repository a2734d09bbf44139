package harness_test

import (
	"slices"
	"testing"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/explain"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWatchDrops: the kernel names the node, the packet and the reason; where it
// does not let itself be asked, the facts say why.
func TestWatchDrops(t *testing.T) {
	lab, a, b, _ := pair(t)
	b.Drop(harness.Filter{Hook: harness.Input, Protocol: "udp"})
	listener := b.Serve("udp", ":53")
	defer listener.Close()
	w := lab.WatchDrops()
	w.Await()
	conn, err := a.Dial("udp", "192.168.0.2:53")
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("lost"))
	require.NoError(t, err)
	lab.Settle()
	facts := &explain.Facts{}
	w.Tell(facts)
	if facts.NoDrops != "" {
		assert.Empty(t, facts.Drops)
		assert.Regexp(t, "root on the machine itself|Linux 5.17|no BTF", facts.NoDrops)
		return
	}
	i := slices.IndexFunc(facts.Drops, func(d explain.Drop) bool { return d.Packet.Kind == capture.UDP })
	require.GreaterOrEqual(t, i, 0, "%v", facts.Drops)
	d := facts.Drops[i]
	assert.Equal(t, "b", d.Node)
	assert.Equal(t, "NETFILTER_DROP", d.Reason)
	assert.Contains(t, d.Function, "nf", "a function of the packet filter")
	assert.Equal(t, "b", d.Packet.Node)
	assert.Equal(t, "veth1", d.Packet.Interface)
	assert.Contains(t, d.Text, "> 192.168.0.2:53  UDP 4 bytes  ttl 64")
}
