package scenarios

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestConntrack: `conntrack -L` prints the connections that Node.Conntrack has,
// in every node of every network with rules.
func TestConntrack(t *testing.T) {
	t.Parallel()
	harness.RequireProgram(t, "conntrack")
	var compared tally
	for _, n := range networks {
		if !n.filters {
			continue // nothing asks for connections to be tracked
		}
		for _, f := range n.families() {
			compared.await()
			t.Run(n.name+f.name, func(t *testing.T) {
				t.Parallel()
				lab := n.body(t, f, "nftables")
				lab.Settle()
				for _, node := range lab.All() {
					ours, program := node.Conntrack(), listConntrack(t, node, f)
					require.Empty(t, tellApart(ours, program), "node %s", node.Name())
					if len(ours) > 0 {
						seeAlteredConnections(t, ours, program)
						compared.add("connections")
					}
				}
				compared.done()
			})
		}
	}
	compared.demand(t, "connections")
}

// listConntrack is what conntrack prints. Which entries are translated it tells
// only by leaving out the others.
func listConntrack(t *testing.T, n *harness.Node, f family) []harness.Connection {
	list := func(only ...string) (all []harness.Connection) {
		version := map[bool]string{false: "ipv4", true: "ipv6"}[f.v6]
		args := append([]string{"-L", "-o", "extended", "-f", version}, only...)
		for line := range strings.Lines(n.Run("conntrack", args...)) {
			c, err := readConntrack(line)
			require.NoError(t, err)
			all = append(all, c)
		}
		return all
	}
	all := list()
	if len(all) == 0 {
		return nil
	}
	sources, destinations := list("--src-nat"), list("--dst-nat")
	for i, c := range all {
		all[i].SourceNAT, all[i].DestinationNAT = slices.Contains(sources, c), slices.Contains(destinations, c)
		if c.Protocol == "icmp" || c.Protocol == "icmpv6" {
			// It takes type and code of an echo for a destination port, and so lists
			// every translated one as --dst-nat: go by the addresses that it prints.
			all[i].SourceNAT = c.Original.Source.Addr() != c.Reply.Destination.Addr()
			all[i].DestinationNAT = c.Original.Destination.Addr() != c.Reply.Source.Addr()
		}
	}
	return all
}

// readConntrack reads a line of conntrack, as in
//
//	ipv4     2 tcp      6 119 TIME_WAIT src=192.168.1.2 dst=192.168.9.2 sport=4000 dport=80 src=192.168.9.2 dst=192.168.9.1 sport=80 dport=4000 [ASSURED] mark=0 use=1
//
// The third and fourth number are the protocol's and the seconds left.
func readConntrack(line string) (c harness.Connection, err error) {
	words := strings.Fields(line)
	if len(words) < 6 {
		return c, fmt.Errorf("conntrack printed %q", line)
	}
	c.Protocol, c.SeenReply = words[2], true
	if !strings.Contains(words[5], "=") {
		c.State = words[5]
	}
	values := map[string][]string{} // of the two tuples
	for _, word := range words[5:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "[UNREPLIED]":
			c.SeenReply = false
		case "[ASSURED]":
			c.Assured = true
		default:
			values[name] = append(values[name], value)
		}
	}
	for i, tuple := range []*harness.Tuple{&c.Original, &c.Reply} {
		from, to := "sport", "dport"
		if values["id"] != nil {
			from, to = "id", "id"
		}
		for _, end := range []struct {
			at         *netip.AddrPort
			addr, port string
		}{{&tuple.Source, "src", from}, {&tuple.Destination, "dst", to}} {
			if len(values[end.addr]) != 2 || len(values[end.port]) != 2 {
				return c, fmt.Errorf("conntrack printed %q", line)
			}
			addr, err := netip.ParseAddr(values[end.addr][i])
			if err != nil {
				return c, err
			}
			port, err := strconv.ParseUint(values[end.port][i], 10, 16)
			if err != nil {
				return c, err
			}
			*end.at = netip.AddrPortFrom(addr, uint16(port))
		}
	}
	for name, into := range map[string]func(uint64){
		"mark": func(n uint64) { c.Mark = uint32(n) },
		"zone": func(n uint64) { c.Zone = uint16(n) },
	} {
		if values[name] == nil {
			continue
		}
		n, err := strconv.ParseUint(values[name][0], 10, 32)
		if err != nil {
			return c, err
		}
		into(n)
	}
	return c, nil
}

// tellApart lists the connections that only one side has. The time that is left
// to them goes on between two looks, and is not compared.
func tellApart(ours, program []harness.Connection) (lines []string) {
	count := map[harness.Connection]int{}
	for _, c := range ours {
		c.Timeout = 0
		count[c]++
	}
	for _, c := range program {
		count[c]--
	}
	type fields harness.Connection // all of them, which its String leaves out
	for c, n := range count {
		if n > 0 {
			lines = append(lines, fmt.Sprintf("only Node.Conntrack has %+v", fields(c)))
		}
		if n < 0 {
			lines = append(lines, fmt.Sprintf("only conntrack has %+v", fields(c)))
		}
	}
	return lines
}

// seeAlteredConnections demands that tellApart notices each field that is
// wrong, and a connection that is not there.
func seeAlteredConnections(t *testing.T, ours, program []harness.Connection) {
	next := func(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), a.Port()+1) }
	for name, alter := range map[string]func(c *harness.Connection){
		"protocol":             func(c *harness.Connection) { c.Protocol = "sctp" },
		"original source":      func(c *harness.Connection) { c.Original.Source = next(c.Original.Source) },
		"original destination": func(c *harness.Connection) { c.Original.Destination = next(c.Original.Destination) },
		"reply source":         func(c *harness.Connection) { c.Reply.Source = next(c.Reply.Source) },
		"reply destination":    func(c *harness.Connection) { c.Reply.Destination = next(c.Reply.Destination) },
		"state":                func(c *harness.Connection) { c.State += "2" },
		"source NAT":           func(c *harness.Connection) { c.SourceNAT = !c.SourceNAT },
		"destination NAT":      func(c *harness.Connection) { c.DestinationNAT = !c.DestinationNAT },
		"reply seen":           func(c *harness.Connection) { c.SeenReply = !c.SeenReply },
		"assured":              func(c *harness.Connection) { c.Assured = !c.Assured },
		"mark":                 func(c *harness.Connection) { c.Mark++ },
		"zone":                 func(c *harness.Connection) { c.Zone++ },
	} {
		wrong := slices.Clone(ours)
		alter(&wrong[0])
		require.Len(t, tellApart(wrong, program), 2, "with a wrong %s", name)
	}
	require.Len(t, tellApart(ours[1:], program), 1)
	require.Len(t, tellApart(ours, program[1:]), 1)
}
