package scenarios

import (
	"bufio"
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/require"
)

// TestMasqueradeNames: a namespace asks a real name server outside, dnsmasq,
// through the NAT, and pings by name. Before, the server gets the question but
// has no way back for the answer. Network 17 in the README's table.
//
//	ns1 eth0 --- veth1 | br0 | host eth0 --- eth0 outside (dnsmasq)
func TestMasqueradeNames(t *testing.T) { onEachBackend(t, masqueradeNames) }

func masqueradeNames(t testing.TB, f family, backend string) *harness.Lab {
	harness.RequireProgram(t, "dnsmasq", "ping")
	lab := harness.New(t, harness.WithBackend(backend))
	ns1, host, outside := lab.Node("ns1"), lab.Node("host"), lab.Node("outside")
	br0 := host.Bridge("br0", harness.Address(f.with(1, 254)))
	lab.Connect(ns1.Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(host.Port("eth0", f.with(9, 1)), outside.Port("eth0", f.with(9, 2)))
	host.EnableForwarding()
	said := runDNSMasq(lab, outside, f.addr(9, 2), "outside.test")
	said("started")
	ns1.UseResolver(f.addr(9, 2))
	assert.TTL(t, assert.Reachable(t, host, f.addr(9, 2)), 64)

	// Without a route the question does not even leave.
	_, err := ns1.LookupHost(t.Context(), "outside.test")
	require.ErrorContains(lab, err, syscall.ENETUNREACH.Error())

	// With one it arrives, and the answer has nowhere to go: the server says so,
	// and who asks would wait for its time-out.
	ns1.AddDefaultRoute(f.addr(1, 254))
	asking, giveUp := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	lost := lab.Record(func() {
		go func() { _, err := ns1.LookupHost(asking, "outside.test"); failed <- err }()
		said("from " + f.addr(1, 1))
		said("failed to send packet: Network is unreachable")
		require.Empty(lab, failed, "the look-up is over, but nobody has answered")
		giveUp()
		require.ErrorIs(lab, <-failed, context.Canceled)
	})
	question := assert.Seen(t, lost, capture.Match{Node: "ns1", Direction: capture.Out, Kind: capture.UDP, DstPort: 53})
	assert.Path(t, lost.Follow(question), "ns1:eth0 out ttl 64", "host:veth1 in", "host:br0 in", "host:eth0 out ttl 63",
		"outside:eth0 "+to(f, 1, 1, 9, 2, 53)+" in ttl 63")
	assert.NotSeen(t, lost, capture.Match{SrcPort: 53})

	rule := host.Masquerade(harness.NAT{Source: f.net(1), Out: "eth0"})
	var addrs []string
	asked := lab.Record(func() { addrs, err = ns1.LookupHost(t.Context(), "outside.test") })
	require.NoError(lab, err)
	require.Equal(lab, []string{f.addr(9, 2)}, addrs)
	said("from " + f.addr(9, 1))
	question = assert.Seen(t, asked, capture.Match{Node: "ns1", Direction: capture.Out, Kind: capture.UDP, DstPort: 53})
	assert.Path(t, asked.Follow(question), "ns1:eth0 "+to(f, 1, 1, 9, 2, 53)+" out ttl 64", "host:veth1 in", "host:br0 in",
		"host:eth0 "+to(f, 9, 1, 9, 2, 53)+" out ttl 63", "outside:eth0 "+to(f, 9, 1, 9, 2, 53)+" in ttl 63")
	answer := assert.Seen(t, asked, capture.Match{Node: "outside", Direction: capture.Out, SrcPort: 53})
	assert.Path(t, asked.Follow(answer), "outside:eth0 out ttl 64", "host:eth0 in", "host:br0 out ttl 63", "host:veth1 out",
		"ns1:eth0 "+at(f, 9, 2, 53).String()+" > "+f.addr(1, 1)+" in ttl 63")
	assert.Connection(t, host, harness.Connection{Protocol: "udp", SourceNAT: true, SeenReply: true,
		Reply: harness.Tuple{Source: at(f, 9, 2, 53), Destination: at(f, 9, 1, 0)}})

	// By name: the programs of the namespace have its name server too.
	require.Contains(lab, ns1.Run("ping", "-n", "-c1", "-W5", "outside.test"), "ttl=63 ")
	assert.TTL(t, assert.Reachable(t, ns1, addrs[0]), 63)
	assert.Neighbor(t, outside, f.addr(9, 1), host.MAC("eth0"))
	require.NotZero(lab, rule.Packets())
	return lab
}

// runDNSMasq runs dnsmasq in a node, with one name, which stands for the address
// that it listens on. It returns when the log has a line that contains the text
// given to the function returned, from where that has read on.
func runDNSMasq(lab *harness.Lab, n *harness.Node, address, name string) (said func(text string)) {
	lab.Helper()
	ctx, cancel := deadline.Context(10 * time.Second)
	lab.Cleanup(cancel)
	// -d: no change of user, which an ordinary user's sandbox has only one of.
	c := n.CommandContext(ctx, "dnsmasq", "-d", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--log-facility=-", "--log-queries",
		"--bind-interfaces", "--listen-address="+address, "--local=/"+name+"/", "--host-record="+name+","+address)
	out, err := c.StderrPipe()
	require.NoError(lab, err)
	require.NoError(lab, c.Start())
	log := bufio.NewScanner(out)
	return func(text string) {
		lab.Helper()
		var read strings.Builder
		for log.Scan() {
			if strings.Contains(log.Text(), text) {
				return
			}
			read.WriteString("\n    " + log.Text())
		}
		lab.Fatalf("dnsmasq never said %q; it said%s", text, read.String())
	}
}
