package harness

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
)

// Counters are the SNMP counters of a node, by the names that nstat(8) prints:
// "IpForwDatagrams", "IpInAddrErrors", "TcpOutRsts", "Icmp6InEchos",
// "TcpExtListenDrops", ...
type Counters map[string]uint64

// Counters reads the node's counters (/proc/net/snmp, snmp6 and netstat).
func (n *Node) Counters() Counters {
	n.lab.TB.Helper()
	all := Counters{}
	err := n.space.Do(func() error {
		for _, file := range []string{"snmp", "netstat", "snmp6"} {
			// thread-self: /proc/net is the main thread's, in another namespace.
			raw, err := os.ReadFile("/proc/thread-self/net/" + file)
			if os.IsNotExist(err) && file == "snmp6" {
				continue // a kernel without IPv6
			}
			if err != nil {
				return err
			}
			if file == "snmp6" {
				all.addPairs(string(raw))
			} else if err := all.addTables(string(raw)); err != nil {
				return fmt.Errorf("/proc/net/%s: %w", file, err)
			}
		}
		return nil
	})
	n.must(err, "read the SNMP counters")
	return all
}

// addPairs reads lines of a name and a number.
func (c Counters) addPairs(text string) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 2 {
			if v, err := strconv.ParseUint(f[1], 10, 64); err == nil {
				c[f[0]] = v
			}
		}
	}
}

// addTables reads pairs of lines, "Ip: Forwarding DefaultTTL ..." and
// "Ip: 1 64 ...".
func (c Counters) addTables(text string) error {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		if len(names) != len(values) || len(names) == 0 || names[0] != values[0] {
			return fmt.Errorf("line %d: %d names for %d values", i+1, len(names), len(values))
		}
		for j := 1; j < len(names); j++ {
			// Some are signed (TcpMaxConn is -1) and none of those is a counter.
			if v, err := strconv.ParseUint(values[j], 10, 64); err == nil {
				c[strings.TrimSuffix(names[0], ":")+names[j]] = v
			}
		}
	}
	return nil
}

// Since are the counters that moved since earlier, by how much.
func (c Counters) Since(earlier Counters) Counters {
	moved := Counters{}
	for name, v := range c {
		if d := v - earlier[name]; d != 0 {
			moved[name] = d
		}
	}
	return moved
}

// String lists the counters that are not zero: "IpInReceives 2, IpOutRequests 2".
func (c Counters) String() string {
	var parts []string
	for name, v := range c {
		if v != 0 {
			parts = append(parts, fmt.Sprintf("%s %d", name, v))
		}
	}
	sort.Strings(parts)
	return strings.Join(parts, ", ")
}
