package assert

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
)

// Connection demands a tracked connection in a node that agrees with every
// field that is set in want (addresses with port 0 leave the port open), and
// returns it.
func Connection(t testing.TB, n *harness.Node, want harness.Connection) harness.Connection {
	t.Helper()
	checkProtocol(t, want.Protocol)
	if c, ok := recordedConnection(n, want); ok {
		return c
	}
	all := n.Conntrack()
	var lines strings.Builder
	for _, c := range all {
		if connectionMatches(c, want) {
			return c
		}
		fmt.Fprintf(&lines, "\n    %s", c)
	}
	if len(all) == 0 {
		lines.WriteString("\n    it tracks none")
	}
	fatalf(t, "%s tracks no connection like the one wanted (%s)%s", n, wish(want), lines.String())
	panic("unreachable")
}

// recordedConnection looks for the connection among those whose packets were
// seen coming into the node: to ask for them one by one is a hundred times
// faster than to have the kernel go through its whole table.
func recordedConnection(n *harness.Node, want harness.Connection) (harness.Connection, bool) {
	if !n.Recorded() {
		return harness.Connection{}, false
	}
	const most = 32 // more would be no faster than the table
	asked := map[harness.Tuple]bool{}
	var wanted []capture.Match
	for kind := range protocolsOf {
		wanted = append(wanted, capture.Match{Node: n.Name(), Direction: capture.In, Kind: kind})
	}
	for _, p := range slices.Backward(n.Lab().Recording().All().Find(wanted...)) {
		first := harness.Tuple{Source: netip.AddrPortFrom(p.Src, p.SrcPort), Destination: netip.AddrPortFrom(p.Dst, p.DstPort)}
		protocol := protocolsOf[p.Kind]
		if p.Kind == capture.EchoRequest {
			first.Source, first.Destination = netip.AddrPortFrom(p.Src, p.ICMPID), netip.AddrPortFrom(p.Dst, p.ICMPID)
			if p.Src.Is6() {
				protocol = "icmpv6"
			}
		}
		if want.Protocol != "" && protocol != want.Protocol || asked[first] || !endMatches(first.Source, want.Original.Source) {
			continue
		}
		if asked[first] = true; len(asked) > most {
			break
		}
		if c, ok := n.Tracked(protocol, first); ok && connectionMatches(c, want) {
			return c, true
		}
	}
	return harness.Connection{}, false
}

// protocolsOf are the protocols of the packets that begin connections; of an echo
// request over IPv6 it is ICMPv6.
var protocolsOf = map[capture.Kind]string{capture.TCP: "tcp", capture.UDP: "udp", capture.EchoRequest: "icmp"}

// NoConnection demands that a node tracks no connection that agrees with want.
func NoConnection(t testing.TB, n *harness.Node, want harness.Connection) {
	t.Helper()
	checkProtocol(t, want.Protocol)
	for _, c := range n.Conntrack() {
		if connectionMatches(c, want) {
			fatalf(t, "%s tracks the connection %s, but must not", n, c)
		}
	}
}

// checkProtocol refuses a protocol that no entry can have, by which an absence
// would be true for the wrong reason.
func checkProtocol(t testing.TB, protocol string) {
	t.Helper()
	if _, err := strconv.ParseUint(protocol, 10, 8); err != nil && !slices.Contains([]string{"", "tcp", "udp", "icmp", "icmpv6"}, protocol) {
		fatalf(t, "netrig: the protocol %q is not tcp, udp, icmp, icmpv6 or a number", protocol)
	}
}

func connectionMatches(c, want harness.Connection) bool {
	return (want.Protocol == "" || want.Protocol == c.Protocol) &&
		(want.State == "" || want.State == c.State) &&
		(!want.SourceNAT || c.SourceNAT) && (!want.DestinationNAT || c.DestinationNAT) &&
		(!want.SeenReply || c.SeenReply) && (!want.Assured || c.Assured) &&
		(want.Mark == 0 || want.Mark == c.Mark) && (want.Zone == 0 || want.Zone == c.Zone) &&
		endMatches(c.Original.Source, want.Original.Source) && endMatches(c.Original.Destination, want.Original.Destination) &&
		endMatches(c.Reply.Source, want.Reply.Source) && endMatches(c.Reply.Destination, want.Reply.Destination)
}

func endMatches(got, want netip.AddrPort) bool {
	return (!want.Addr().IsValid() || got.Addr() == want.Addr()) && (want.Port() == 0 || got.Port() == want.Port())
}

// wish writes the fields of want that are set.
func wish(want harness.Connection) string {
	var parts []string
	add := func(set bool, text string) {
		if set {
			parts = append(parts, text)
		}
	}
	add(want.Protocol != "", want.Protocol)
	add(want.State != "", want.State)
	add(want.SourceNAT, "source translated")
	add(want.DestinationNAT, "destination translated")
	add(want.SeenReply, "answered")
	add(want.Assured, "assured")
	add(want.Mark != 0, fmt.Sprintf("mark %d", want.Mark))
	add(want.Zone != 0, fmt.Sprintf("zone %d", want.Zone))
	for _, end := range []struct {
		name string
		at   netip.AddrPort
	}{
		{"original source", want.Original.Source}, {"original destination", want.Original.Destination},
		{"reply source", want.Reply.Source}, {"reply destination", want.Reply.Destination},
	} {
		add(end.at.Addr().IsValid() || end.at.Port() != 0, end.name+" "+end.at.String())
	}
	if parts == nil {
		return "any at all"
	}
	return strings.Join(parts, ", ")
}
