package harness_test

import (
	"testing"

	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// peer is the other end of an interface, as the facts have it.
func peer(t testing.TB, lab *harness.Lab, node, name string) string {
	t.Helper()
	facts, _ := lab.Facts()
	require.Empty(t, facts.Errors)
	for _, l := range facts.Node(node).Links {
		if l.Name == name {
			return l.Peer
		}
	}
	require.Fail(t, "there is no such interface", "%s:%s", node, name)
	return ""
}

// The other end of a cable is the kernel's to say: also of cables that the lab
// did not make, that were renamed, or that both ends are of one node.
func TestPeersAreTheKernels(t *testing.T) {
	t.Parallel()
	lab, a, b, _ := pair(t)
	c, d := lab.Node("c"), lab.Node("d")
	assert.Equal(t, "b:veth1", peer(t, lab, "a", "veth0"))

	// All four ends get the same index, 7, as ends in fresh namespaces do.
	a.Run("ip", "link", "add", "left", "index", "7", "type", "veth", "peer", "name", "right", "index", "7", "netns", c.NetnsPath())
	b.Run("ip", "link", "add", "one", "index", "7", "type", "veth", "peer", "name", "two", "index", "7", "netns", d.NetnsPath())
	b.Run("ip", "link", "add", "here", "index", "8", "type", "veth", "peer", "name", "there", "index", "9")
	assert.Equal(t, "c:right", peer(t, lab, "a", "left"))
	assert.Equal(t, "a:left", peer(t, lab, "c", "right"))
	assert.Equal(t, "d:two", peer(t, lab, "b", "one"))
	assert.Equal(t, "b:one", peer(t, lab, "d", "two"))
	assert.Equal(t, "b:there", peer(t, lab, "b", "here"))
	assert.Equal(t, "b:here", peer(t, lab, "b", "there"))

	c.Run("ip", "link", "set", "right", "name", "other")
	assert.Equal(t, "c:other", peer(t, lab, "a", "left"))
	a.Run("ip", "link", "delete", "veth0")
	facts, _ := lab.Facts()
	for _, l := range facts.Node("b").Links {
		assert.NotEqual(t, "veth1", l.Name, "it goes with its other end")
	}

	t.Run("macvlan", func(t *testing.T) {
		if text, err := b.Command("ip", "link", "add", "link", "one", "name", "upon", "type", "macvlan").CombinedOutput(); err != nil {
			require.Contains(t, string(text), "Unknown device type")
			t.Skip("this kernel has no macvlan")
		}
		assert.Empty(t, peer(t, lab, "b", "upon"))
		facts, _ := lab.Facts()
		for _, l := range facts.Node("b").Links {
			if l.Name == "upon" {
				assert.Equal(t, "one", l.Parent)
			}
		}
	})
}
