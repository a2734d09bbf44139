package scenarios

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
)

// requireBridgeFilter skips the test on a kernel whose bridges can't show their
// packets to the packet filter.
func requireBridgeFilter(t testing.TB) {
	t.Helper()
	harness.RequireSysctl(t, "net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables")
}

// showBridged has the node's bridges show their packets to its packet filter.
func showBridged(n *harness.Node) {
	n.SetSysctl("net.bridge.bridge-nf-call-iptables", 1)
	n.SetSysctl("net.bridge.bridge-nf-call-ip6tables", 1)
}

// rulesLike are the rules that a node has with this text: one for each family.
func rulesLike(n *harness.Node, text string) (found []harness.RuleEntry) {
	for _, rule := range n.Rules() {
		if rule.Text == text {
			found = append(found, rule)
		}
	}
	return found
}

// hookCounts counts the ICMP packets of one kind at each hook of a node.
type hookCounts struct {
	rules []*harness.Rule
	seen  []uint64
}

var allHooks = []harness.Hook{harness.Prerouting, harness.Input, harness.Forwarded, harness.Output, harness.Postrouting}

// countAtHooks counts packets of a kind from here on; of IPv4, whose neighbours
// are asked for by ARP, there are none of that kind at any hook.
func countAtHooks(n *harness.Node, f family, kind capture.Kind) *hookCounts {
	types := map[capture.Kind]uint8{capture.EchoRequest: 8, capture.EchoReply: 0}
	protocol := "icmp"
	if f.v6 {
		types = map[capture.Kind]uint8{capture.EchoRequest: 128, capture.EchoReply: 129, capture.NeighborSolicitation: 135}
		protocol = "icmpv6"
	}
	counts := &hookCounts{}
	if icmp, ok := types[kind]; ok {
		for _, hook := range allHooks {
			counts.rules = append(counts.rules, n.Count(harness.Filter{Hook: hook, Protocol: protocol, ICMPType: harness.ICMPType(icmp)}))
		}
	}
	counts.seen = make([]uint64, len(counts.rules))
	return counts
}

// since are the hooks that packets have passed since the last call: "prerouting
// 1, forward 1".
func (c *hookCounts) since() string {
	var passed []string
	for i, now := range harness.Counts(c.rules...) {
		if now.Packets != c.seen[i] {
			passed = append(passed, fmt.Sprintf("%s %d", allHooks[i], now.Packets-c.seen[i]))
		}
		c.seen[i] = now.Packets
	}
	return strings.Join(passed, ", ")
}

// all is the prefix of every address of the family.
func (f family) all() string {
	if f.v6 {
		return "::/0"
	}
	return "0.0.0.0/0"
}
