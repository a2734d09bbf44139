package oracle

import (
	"path"
	"strings"
	"time"

	"github.com/netrig/netrig/internal/link"
)

// This file is the one place that says in what the two networks may differ,
// and why. Everything else is compared that these programs print: ip (addresses,
// links, routes of all tables, rules, neighbours), bridge (ports, forwarding
// database), iptables-save and ip6tables-save; of the sysctls those of
// harness.Baseline, and those that either side has set.

// unread are fields that are not compared at all, by the kind of their object.
// A name may be a pattern of path.Match.
var unread = []struct{ kind, field, why string }{
	{"link", "ifindex", "the harness gives every interface of a lab an index of its own, so that a lost carrier is noticed at once"},
	{"link", "link_index", "the field peer says the same by name"},
	{"link", "link_netnsid", "the field peer says the same by name"},
	{"link", "link", "the field peer says the same by name"},
	{"link", "num_?x_queues", "the harness makes one queue each way, which is faster; iproute2 leaves it to the driver, which makes one a processor"},
	{"link", "address", "a MAC is made up; where others hold it, in neighbour tables and forwarding databases, it is compared as the name of its interface"},
	{"link", "linkinfo.*.bridge_id", "a priority, which is compared by itself, and a MAC"},
	{"link", "linkinfo.*.root_id", "a priority, which is compared by itself, and a MAC"},
	{"link", "linkinfo.*_timer", "timers run"},
	{"neighbour", "router", "what the neighbour was when it answered; the scripts type the end of a scenario, in which it may have become a router since"},
	{"port", "ifindex", "as for link"},
	{"iptables", "counters", "who asked how often is not part of a network; those of rules are not even printed, and scenarios assert them"},
	{"port", "link", "the link's field peer says the same by name"},
	{"port", "flags", "the link has them too; bridge(8) takes the number of a port's other end for one of this node, and adds its flags"},
}

// means are values that mean the same for a network.
var means = []struct{ kind, field, value, as, why string }{
	{"neighbour", "state", "REACHABLE", "usable", usable},
	{"neighbour", "state", "STALE", "usable", usable},
	{"neighbour", "state", "DELAY", "usable", usable},
	{"neighbour", "state", "PROBE", "usable", usable},
}

const usable = "the states of an address that is known follow each other by timers"

// excuses are fields that may differ in one way only.
var excuses = []struct{ kind, field, harness, script, why string }{
	{"link", "linkinfo.info_data.mcast_snooping", "0", "1",
		"the harness switches it off unless the test asks, so that captures hold nothing else; the kernel's default is on"},
}

// ignored are whole objects that are left out.
var ignored = []struct {
	kind string
	is   func(node, name string, o Object) bool
	why  string
}{
	{"neighbour", func(_, _ string, o Object) bool { return o["state"] == "FAILED" || o["state"] == "INCOMPLETE" },
		"that nobody answers is as good as no entry: the kernel drops such entries when it likes, in all namespaces " +
			"once there are 128 on the machine (gc_thresh1)"},
	{"fdb", func(_, name string, o Object) bool {
		return strings.HasPrefix(name, "fdb 33:33:") && o["flags"] == "self"
	},
		"a multicast group that IPv6 joins by itself: for an address, which is compared, or as a router, which a sysctl says"},
	{"fdb", func(_, name string, o Object) bool {
		return strings.HasPrefix(name, "fdb 01:00:5e:00:00:6a ") && o["flags"] == "self"
	},
		"the group of all snoopers (RFC 4286), which a bridge joins that has mcast_snooping"},
	{"fdb", func(node, name string, o Object) bool {
		own, _, _ := strings.Cut(name, " vlan ") // one for each VLAN that the bridge is in
		return own == "fdb "+node+":"+o["master"]+" dev "+o["master"] && o["state"] == "permanent"
	},
		"a bridge's entry for its own MAC: without one of its own, which the harness gives it, that of a port stands for it"},
	{"iptables", func(_, _ string, o Object) bool { return o["policy"] == "ACCEPT" && o["rule 1"] == "" },
		"a chain that accepts and has no rules does nothing; which of those exist depends on the variant of iptables and on what was there before"},
}

// impatient are the timers of neighbours in a script's network, which are not
// compared (nobody types them): a neighbour that does not answer is known in
// some 50 ms (three tries), not 3 s, and longer than any script takes are
// neighbours in use not probed. The harness has its own (harness.FastTimers).
var impatient = link.NeighborTimers{Retransmit: 10 * time.Millisecond, DelayProbe: time.Minute}

// ipv6Off says that an object of a script's node is there only because the node
// has IPv6 on. In the harness a node has it off until it gets an IPv6 address,
// so that captures hold nothing else; what is typed can't know that, and has the
// link-local addresses and the routes that the kernel makes by itself. It is
// left out where the node of the harness has IPv6 off (compareNodes). An address
// of another kind, or a route to somewhere else, is found all the same.
func ipv6Off(name string) bool {
	switch kind(name) {
	case "address", "neighbour":
		return strings.HasPrefix(name, kind(name)+" fe80(")
	case "route":
		return strings.HasPrefix(name, "route unicast fe80::/64 dev ") || strings.HasPrefix(name, "route local fe80(") ||
			strings.HasPrefix(name, "route multicast ff00::/8 dev ")
	case "sysctl":
		return strings.HasSuffix(name, "/disable_ipv6")
	}
	return false
}

const disableIPv6 = "sysctl net/ipv6/conf/default/disable_ipv6"

func isUnread(kind, field string) bool {
	for _, u := range unread {
		if match, _ := path.Match(u.field, field); match && u.kind == kind {
			return true
		}
	}
	return false
}

func meaning(kind, field, value string) string {
	for _, m := range means {
		if m.kind == kind && m.field == field && m.value == value {
			return m.as
		}
	}
	return value
}

func excused(kind, field, harness, script string) bool {
	for _, e := range excuses {
		if e.kind == kind && e.field == field && e.harness == harness && e.script == script {
			return true
		}
	}
	return false
}

func isIgnored(node, name string, o Object) bool {
	for _, i := range ignored {
		if i.kind == kind(name) && i.is(node, name, o) {
			return true
		}
	}
	return false
}
