package scenarios

import (
	"os"
	"strings"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// ipsecFaults are policies of IPsec (ip-xfrm(8)), which no route and no packet
// filter shows.
func ipsecFaults(f family) []*fault {
	policy := func(node, way string, from, to int, what ...string) func(l *planted) {
		return func(l *planted) {
			l.requireXfrm(node)
			l.run(node, append([]string{"ip", "xfrm", "policy", "add", "src", f.net(from), "dst", f.net(to), "dir", way}, what...)...)
		}
	}
	block := []string{"action", "block"}
	wrap := func(from, to string) []string {
		return []string{"tmpl", "src", from, "dst", to, "proto", "esp", "mode", "transport"}
	}
	one, two := f.addr(1, 2), f.addr(2, 2)
	const end = "dropped by the stack (IPsec policy)"
	return []*fault{
		{
			name: "the sender's policy blocks", in: "Router", at: "forwarding",
			plant:  policy("ns0", "out", 1, 2, block...),
			packet: "echo request", node: "ns0", end: end, seen: "it never left ns0", cause: "dir out action block blocks it",
		},
		{
			name: "the sender's policy wants a state that is not there", in: "Router", at: "forwarding",
			plant:  policy("ns0", "out", 1, 2, wrap(one, two)...),
			packet: "echo request", node: "ns0", end: end, seen: "it never left ns0", cause: "wants a state that is not there (ip xfrm state): src " + one + " dst " + two + " proto esp mode transport",
		},
		{
			name: "the router's policy blocks", in: "Router", at: "forwarding",
			plant:  policy("router", "fwd", 1, 2, block...),
			packet: "echo request", node: "router", end: end, seen: entering("router:veth1", ttl64), cause: "dir fwd action block blocks it",
		},
		{
			name: "the router's policy blocks the answers", in: "Router", at: "forwarding", reply: true,
			plant:  policy("router", "fwd", 2, 1, block...),
			packet: "echo reply", node: "router", end: end, seen: entering("router:veth3", ttl64), cause: "dir fwd action block blocks it",
		},
		{
			name: "the target's policy blocks", in: "Router", at: "forwarding",
			plant:  policy("ns1", "in", 1, 2, block...),
			packet: "echo request", node: "ns1", end: end, seen: entering("ns1:veth2", ttl63), cause: "dir in action block blocks it",
		},
		{
			name: "the target takes only what is wrapped", in: "Router", at: "forwarding",
			plant:  policy("ns1", "in", 1, 2, wrap(one, two)...),
			packet: "echo request", node: "ns1", end: end, seen: entering("ns1:veth2", ttl63), cause: "takes only what comes by it, and the packet came without",
		},
		{
			name: "the target's policy blocks the answers", in: "Router", at: "forwarding", reply: true,
			plant:  policy("ns1", "out", 2, 1, block...),
			packet: "echo reply", node: "ns1", end: end, seen: never("ns1", "echo request", "ns1:veth2", ttl63), cause: "dir out action block blocks it",
		},
		{
			name: "the sender takes only answers that are wrapped", in: "Fragmented", at: "built", reply: true,
			plant:  policy("ns0", "in", 2, 1, wrap(two, one)...),
			packet: "echo reply", node: "ns0", end: end, seen: entering("ns0:veth0", ttl63), cause: "takes only what comes by it",
		},
		{
			name: "a policy about others", in: "Router", at: "forwarding",
			plant:  policy("router", "fwd", 7, 9, block...),
			passes: "its selector is for other addresses",
		},
	}
}

// requireXfrm skips where a question to xfrm would have the kernel load a module:
// one that is there has a socket of its own in every namespace.
func (p *planted) requireXfrm(node string) {
	there := false
	require.NoError(p, p.node(node).Do(func() error {
		raw, err := os.ReadFile("/proc/thread-self/net/netlink")
		for line := range strings.Lines(string(raw)) {
			if words := strings.Fields(line); len(words) > 2 && words[1] == "6" && words[2] == "0" {
				there = true
			}
		}
		return err
	}))
	if !there {
		p.Skipf("this kernel has no netlink protocol %d (xfrm_user), or has not loaded it", unix.NETLINK_XFRM)
	}
}
