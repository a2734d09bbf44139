package compare

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/netrig/netrig/internal/journal"
)

// This file is the one place that says what of a journal is not compared, and
// why, but for questions.go. (What is different whenever a lab is built has been put into words by
// internal/journal/words.go before.)

// ignoredPacket tells whether a packet is not compared at all.
func ignoredPacket(p journal.Packet) bool {
	// Multicast reports, router solicitations and duplicate address detection come
	// at random times of the kernel's (RFC 3810, 9.14; RFC 4861, 6.3.7), so that
	// some are sent before the lab's end and some are not.
	return p.Housekeeping
}

// streams are the pairs of ends between which a TCP connection was established.
//
// How data, acknowledgements and the end of a connection share segments, and
// whether it ends by FIN or RST, depends on which program runs first: only the
// way of the segments is compared, not their number, flags and order. A reset
// between two ends that never came to talk is another matter.
type streams map[string]bool

const streamSegments = "TCP segments after the handshake"

func streamsOf(step *journal.Step) streams {
	s := streams{}
	for _, p := range step.Packets {
		if strings.HasPrefix(p.Kind, "TCP ") && !strings.Contains(p.Kind, "SYN") && !strings.Contains(p.Kind, "RST") {
			s[p.Src+" > "+p.Dst], s[p.Dst+" > "+p.Src] = true, true
		}
	}
	return s
}

func (s streams) has(p journal.Packet) bool {
	return strings.HasPrefix(p.Kind, "TCP ") && !strings.Contains(p.Kind, "SYN") && s[p.Src+" > "+p.Dst]
}

// optional tells whether it means nothing that something was not seen.
func optional(p place) bool {
	// The answering side may not have closed its end when the lab ends, and has
	// sent nothing but its part of the handshake then, which went the same way.
	return p.Kind == Packets && strings.HasPrefix(p.What, streamSegments)
}

// someWays tells, of redirects and of a connection's segments, whether some took
// the same way on both sides: which of the packets a redirect tells of, and in
// which step, depends on how much time has passed since the last one; and whether
// a bridge hands a translated segment on, or the host sends it, depends on whether
// the neighbour was known just then.
func someWays(p place, before, after []facts) bool {
	redirects := strings.HasPrefix(p.What, redirect)
	if p.Kind != Packets || !redirects && !strings.HasPrefix(p.What, streamSegments) {
		return false
	}
	sent := func(side []facts) map[string]bool {
		ways := map[string]bool{}
		for _, f := range side {
			for other, fact := range f {
				if other.Kind == Packets && other.Lab == p.Lab && other.Node == p.Node && other.What == p.What && (redirects || other.Step == p.Step) {
					for _, v := range fact.values {
						ways[v] = true
					}
				}
			}
		}
		return ways
	}
	a, b := sent(before), sent(after)
	for way := range a {
		if b[way] {
			return true
		}
	}
	return false
}

// redirect is how the kinds of those packets begin.
const redirect = "redirect"

// quietField tells whether a field of a thing is not compared, and replaces
// values that stand for the same.
func quietField(o journal.Object, name, value string) (string, bool) {
	if o.Kind != journal.Connection {
		return value, false
	}
	closing := slices.Contains([]string{"FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE"}, o.Fields["state"])
	switch {
	case !closing && name == "time-out":
		return roundTimeout(value), false
	case closing && name == "state":
		// How far the end of a connection has come when the lab ends depends on which
		// program ran first; each of these has a time-out of its own, which is among
		// the sysctls.
		return "closing", false
	case closing && name == "time-out":
		return "", true
	}
	return value, false
}

// timeouts are the kernel's usual ones of tracked connections that are not closing.
var timeouts = []time.Duration{
	30 * time.Second, time.Minute, 2 * time.Minute, 3 * time.Minute, 5 * time.Minute, 10 * time.Minute, time.Hour, 120 * time.Hour,
}

// roundTimeout is the least usual time-out that is not below what is left of one:
// how much of it has passed depends on how fast the machine is.
func roundTimeout(left string) string {
	d, err := time.ParseDuration(left)
	if err != nil {
		return left
	}
	for _, t := range timeouts {
		if d <= t {
			return t.String()
		}
	}
	return left
}

func isRedirect(p journal.Packet) bool { return strings.HasPrefix(p.Kind, redirect) }

// withoutQuote leaves out of redirects which packet each is about: since they are
// limited by time, that is chance.
func withoutQuote(hops []journal.Packet) []journal.Packet {
	hops = slices.Clone(hops)
	for i := range hops {
		hops[i].Detail = quote.ReplaceAllString(hops[i].Detail, "")
	}
	return hops
}

var quote = regexp.MustCompile(`(, )?\d+ bytes, about \(.*$`)

// hashedWays are, by "node:interface", the ways out of a node's routes with several
// next hops.
//
// Which of them a flow takes depends on a hash with a key that is random for each
// boot (net.ipv4.fib_multipath_hash_seed): of a packet that took one it is compared
// where it set out, and where it came to.
type hashedWays map[string]string

func hashedOf(lab *journal.Lab) hashedWays {
	ways := hashedWays{}
	for _, n := range lab.Nodes {
		for _, o := range n.Objects {
			if o.Kind != journal.Route || o.Fields["next hops"] == "" {
				continue
			}
			var devices []string
			for _, hop := range nextHop.FindAllStringSubmatch(o.Fields["next hops"], -1) {
				devices = append(devices, hop[1])
			}
			slices.Sort(devices)
			for _, d := range devices {
				ways[n.Name+":"+d] = n.Name + ":(one of " + strings.Join(devices, ", ") + ")"
			}
		}
	}
	return ways
}

var nextHop = regexp.MustCompile(`on (\S+) weight \d+`)

func (w hashedWays) at(hops []journal.Packet) int {
	return slices.IndexFunc(hops, func(h journal.Packet) bool { return h.Direction == "out" && w[h.At] != "" })
}

func (w hashedWays) taken(hops []journal.Packet) bool { return w.at(hops) >= 0 }

// plain are the sightings without those on the way that was taken.
func (w hashedWays) plain(hops []journal.Packet) []journal.Packet {
	i := w.at(hops)
	if i < 0 {
		return hops
	}
	kept := slices.Clone(hops[:i+1])
	kept[i].At = w[kept[i].At]
	if last := hops[len(hops)-1]; len(hops) > i+1 {
		node, _, _ := strings.Cut(last.At, ":")
		last.At = node + ":(any)"
		kept = append(kept, last)
	}
	return kept
}

// uncounted tells whether it is compared only that there was such a packet, not
// how many there were.
func uncounted(p journal.Packet) bool {
	switch {
	case isRedirect(p):
		// Limited by time: one for each packet at first, then fewer and fewer
		// (ip_rt_send_redirect, net/ipv4/route.c; ndisc_send_redirect).
		return true
	case strings.HasPrefix(p.Kind, "TCP"):
		// The kernel sends again what is not answered in time, and a program tries
		// again what was refused.
		return true
	case strings.Contains(p.Detail, "about (TCP ") || strings.Contains(p.Detail, "about (UDP "):
		// An error about each of those.
		return true
	case p.Kind == "UDP":
		// Programs ask again after times of their own, as resolvers do.
		return true
	}
	return false
}

// relax leaves out of the facts of a test's runs what depends on how often the
// test asks, if that was not the same in all of them: it asks in a loop until
// something has happened.
func relax(runs []*journal.Test, all []facts) {
	for _, t := range runs {
		if asked(t) != asked(runs[0]) {
			for _, f := range all {
				f.forgetNumbers()
			}
			return
		}
	}
}

func (f facts) forgetNumbers() {
	for p, fact := range f {
		switch p.Kind {
		case Packets:
			fact.values = slices.Compact(fact.values)
		case Counters, Order, Actions:
			delete(f, p)
		}
	}
}

// quietCounters are those that are not compared, by patterns of path.Match.
var quietCounters = []struct{ name, why string }{
	{"Icmp*Redirects", "redirects are limited by time"},
	{"IcmpMsg*Type5", "redirects are limited by time"},
	{"Icmp6*Type137", "redirects are limited by time"},
	{"IpOutDiscards", "redirects over the limit are part of it"},
	{"IpForwarding", "no counter but a setting, which is among the sysctls"},
	{"IpDefaultTTL", "no counter but a setting, which is among the sysctls"},
	{"TcpRto*", "no counters but constants"},
	{"TcpMaxConn", "no counter but a constant"},
	{"TcpCurrEstab", "how many connections the programs have not closed yet"},
	{"TcpEstabResets", "whether a program closes before it has read all"},
	{"*Octets", "as much as the packets carry, which are compared"},
	{"*NoECTPkts", "the number of packets received, which are compared"},
	{"TcpExt*", "times, memory, and how segments were put together"},
	{"Ip6*Mcast*", "multicast reports come at random times"},
	{"Icmp6*MLD*", "multicast reports come at random times"},
	{"Icmp6*Type143", "multicast reports come at random times"},
	{"Icmp6*RouterSolicits", "router solicitations come at random times"},
	{"Icmp6*Type133", "router solicitations come at random times"},
	{"Icmp*Msgs", "sums of others, multicast reports and redirects among them"},
	{"Icmp6*Neighbor*", "how often a neighbour that answers is asked depends on time; the first question is compared as a packet"},
	{"Icmp6*Type135", "how often a neighbour that answers is asked depends on time"},
	{"Icmp6*Type136", "how often a neighbour that answers is asked depends on time"},
	{"Ip6InReceives", "a sum that multicast reports are part of"},
	{"Ip6InDelivers", "a sum that multicast reports are part of"},
	{"Ip6OutRequests", "a sum that multicast reports are part of"},
	{"IpOutRequests", "a sum that redirects are part of, those that never got out too"},
	{"Ip6OutTransmits", "a sum that multicast reports are part of"},
	{"Ip6InDiscards", "multicast reports that nobody takes are part of it"},
	{"Ip6OutDiscards", "multicast reports on interfaces that just went down or came up are part of it"},
	{"Ip6InNoRoutes", "multicast reports that come while IPv6 is being switched on are part of it"},
	{"IpExt*Mcast*", "multicast reports come at random times"},
	{"IpExt*Bcast*", "the packets themselves are compared"},
}

// uncountedCounters are not compared in a lab with packets that are uncounted:
// they are sums that such packets are part of.
var uncountedCounters = []string{
	"TcpInSegs", "TcpOutSegs", "TcpRetransSegs", "TcpOutRsts", "TcpActiveOpens", "TcpPassiveOpens", "TcpAttemptFails", "Udp*Datagrams",
	"IpInReceives", "IpInDelivers", "IpOutRequests", "IpOutTransmits", "Ip*ForwDatagrams", "Ip*NoRoutes", "Icmp*InErrors",
	"Ip*InAddrErrors", "Icmp*DestUnreachs", "Icmp*TimeExcds", "IcmpMsg*Type3", "IcmpMsg*Type11", "Icmp6*Type1", "Icmp6*Type3",
}

// newCounters are those that a kernel got since 5.10, the oldest that is looked
// at, as far as the tests meet them.
var newCounters = []string{
	"Ip*OutTransmits", // 6.10: packets handed to a device, by those that it made as well
}

// ignoredObject tells whether a thing in a node is not compared at all; sums
// tells whether the lab had packets that are uncounted.
func ignoredObject(o journal.Object, sums bool) bool {
	switch o.Kind {
	case journal.Counter:
		for _, q := range quietCounters {
			if matches(q.name, o.Name) {
				return true
			}
		}
		return sums && matchesAny(o.Name, uncountedCounters...)
	case journal.Interface:
		// With modules of tunnels loaded every namespace has these, whoever loaded
		// them.
		return matchesAny(o.Name, "tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip6tnl0", "ip6gre0", "ip_vti0", "ip6_vti0", "teql0") && o.Fields["kind"] != "veth"
	case journal.Forwarding:
		// The groups that IPv6 joins by itself.
		return strings.HasPrefix(o.Name, "group ")
	}
	return false
}

// neighbourState is the state of a neighbour, and where it is.
func neighbourState(o journal.Object) string {
	switch state := confirmed(o.Fields["state"]); state {
	case "FAILED", "INCOMPLETE":
		return unanswered
	default:
		return state + " at " + o.Fields["mac"]
	}
}

// confirmed is a neighbour's state, where one that is in use and about to be
// confirmed is confirmed: the kernel does it after 5 s.
func confirmed(state string) string {
	if state == "DELAY" || state == "PROBE" {
		return "REACHABLE"
	}
	return state
}

const unanswered = "unanswered"

// missing is what it means that something is not there.
func missing(p place) string {
	switch p.Kind {
	case Neighbours:
		// The kernel drops entries of neighbours that do not answer when it likes, in
		// all namespaces once there are 128 on the machine (gc_thresh1). What it asked
		// is among the packets.
		return unanswered
	case Counters: // those that are zero are not in the journal
		return "0"
	}
	return ""
}

// quietSysctls are those that are not compared, by patterns of path.Match.
var quietSysctls = []struct{ name, why string }{
	{"net.*.*_mem", "by the machine's memory"},
	{"net.core.netdev_rss_key", "random"},
	{"net.ipv4.tcp_fastopen_key", "random"},
	{"net.ipv6.*.stable_secret", "random, or not to be read"},
	{"net.ipv4.tcp_max_tw_buckets", "by the machine's memory"},
	{"net.ipv4.tcp_max_syn_backlog", "by the machine's memory"},
	{"net.ipv4.tcp_max_orphans", "by the machine's memory"},
	{"net.ipv4.tcp_*hash_entries", "by the machine's memory"},
	{"net.ipv4.udp_*hash_entries", "by the machine's memory"},
	{"net.netfilter.nf_log.*", "only while a module that logs is loaded"},
	{"net.ipv?.neigh.*.unres_qlen*", "by the size of the kernel's structures"},
	{"net.ipv4.inet_peer_threshold", "by the machine's memory"},
	{"net.ipv?.fib_*_hash*", "by the machine's memory"},
	{"net.ipv4.ip*frag_*_thresh", "by the machine's memory"},
	{"net.netfilter.nf_conntrack_count", "a counter"},
	{"net.netfilter.nf_conntrack_max", "by the machine's memory"},
	{"net.netfilter.nf_conntrack_buckets", "by the machine's memory"},
	{"net.netfilter.nf_conntrack_expect_max", "by the machine's memory"},
	{"net.netfilter.nf_conntrack_frag6_*_thresh", "by the machine's memory"},
	{"net.nf_conntrack_max", "by the machine's memory"},
	{"net.core.*_default", "what the machine's administrator has set for all namespaces"},
	{"net.core.rmem_max", "what the machine's administrator has set for all namespaces"},
	{"net.core.wmem_max", "what the machine's administrator has set for all namespaces"},
	{"net.core.optmem_max", "by the size of the kernel's structures"},
	{"net.core.flow_limit_cpu_bitmap", "by the number of processors"},
	{"net.core.rps_*", "by the number of processors"},
	{"net.unix.max_dgram_qlen", "copied from the machine"},
	{"net.ipv?.conf.tunl0.*", "only while a module of tunnels is loaded"},
	{"net.ipv?.conf.sit0.*", "only while a module of tunnels is loaded"},
}

// quietSetting replaces a value that stands for the same.
func quietSetting(name, value string) string {
	if name == "net.ipv4.tcp_rmem" || name == "net.ipv4.tcp_wmem" {
		// The least and the first size of a buffer; the third number, the largest, is
		// by the machine's memory.
		if numbers := strings.Fields(value); len(numbers) == 3 {
			return strings.Join(numbers[:2], " ")
		}
	}
	return value
}

// families are sysctls that come with a module, by the start of their names.
// Where one side has none of a family, it is told once, and is no change for the
// worse: other tests may not have needed the module.
var families = []string{"net.netfilter.nf_conntrack_", "net.netfilter.nf_flowtable", "net.netfilter.nf_hooks_", "net.bridge.", "net.mptcp.", "net.sctp.", "net.vrf.", "net.mpls.", "net.rxrpc.", "net.smc.", "net.can."}

func familyOf(name string) string {
	at := slices.IndexFunc(families, func(f string) bool { return strings.HasPrefix(name, f) })
	if at < 0 {
		return ""
	}
	return families[at]
}

func ignoredSysctl(name string) bool {
	for _, q := range quietSysctls {
		if matches(q.name, name) {
			return true
		}
	}
	return false
}

func matchesAny(name string, patterns ...string) bool {
	for _, p := range patterns {
		if matches(p, name) {
			return true
		}
	}
	return false
}

func matches(pattern, name string) bool {
	ok, _ := path.Match(pattern, name)
	return ok
}
