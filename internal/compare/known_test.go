package compare

import (
	"slices"
	"strings"
	"testing"

	"github.com/netrig/netrig/internal/journal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kernelNamed is the baseline of a kernel, by the start of its release, in the
// cloud flavour.
func kernelNamed(t *testing.T, all []*journal.Folder, release string) *journal.Folder {
	t.Helper()
	at := slices.IndexFunc(all, func(f *journal.Folder) bool {
		return strings.HasPrefix(kernelOf(f), release) && flavour(f) == "cloud"
	})
	require.GreaterOrEqual(t, at, 0, "no baseline of %s", release)
	return all[at]
}

// What is known to have changed between two kernels is found in what was
// recorded of them, as this difference and by its name; and not between others.
func TestKnownChanges(t *testing.T) {
	t.Parallel()
	all := recordedKernels(t)
	results := map[[2]string]*Result{}
	between := func(before, after string) *Result {
		key := [2]string{before, after}
		if results[key] == nil {
			r, err := Compare([]*journal.Folder{kernelNamed(t, all, before)}, []*journal.Folder{kernelNamed(t, all, after)}, Options{})
			require.NoError(t, err)
			results[key] = r
		}
		return results[key]
	}
	releases := []string{"5.10.", "6.1.", "6.12.", "6.18.", "7.2.", "7.3."}
	for _, c := range []struct {
		name  string
		after string // the kernel that has it first
		want  Difference
	}{
		{"Addresses say who made them", "6.1.", Difference{Kind: Addresses, Test: "scenarios.TestBridge/IPv4", Node: "host", What: "address ::1/128 on lo", Field: "made by", After: "kernel_lo"}},
		{"Addresses say who made them", "6.1.", Difference{Kind: Addresses, Test: "scenarios.TestBridge/IPv6", Node: "host", What: "address fe80::(host:veth1)/64 on veth1", Field: "made by", After: "kernel_ll"}},
		{"The lowest address of a subnet is no broadcast address", "6.1.", Difference{Kind: Routes, Test: "scenarios.TestBridge/IPv4", Node: "ns1",
			What: "route broadcast 192.168.1.0/32 on eth0 in table 255", Before: "made by kernel, scope link, source 192.168.1.1"}},
		{"No limit for challenge ACKs", "6.1.", sysctl("net.ipv4.tcp_challenge_ack_limit", "1000", "2147483647")},
		{"Events of conntrack when somebody listens", "6.1.", sysctl("net.netfilter.nf_conntrack_events", "1", "2")},
		{"Helpers of conntrack only by rule", "6.1.", sysctl("net.netfilter.nf_conntrack_helper", "0", "")},
		{"A lost carrier evicts neighbours by choice", "6.1.", sysctl("net.ipv4.conf.all.arp_evict_nocarrier", "", "1")},
		{"Probes of interfaces by ICMP", "6.1.", sysctl("net.ipv4.icmp_echo_enable_probe", "", "0")},
		{"A new hash when a connection is stuck, by choice", "6.1.", sysctl("net.core.txrehash", "", "1")},
		{"ICMP's limit is one for each namespace", "6.1.", sysctl("net.ipv4.icmp_msgs_per_sec", "", "1000")},
		{"In-situ OAM for IPv6", "6.1.", sysctl("net.ipv6.ioam6_id", "", "16777215")},
		{"Neighbours nobody asked about, by choice", "6.1.", sysctl("net.ipv6.conf.all.accept_untracked_na", "", "0")},
		{"The far end of a downed cable is down", "6.12.", Difference{Kind: Interfaces, Test: "scenarios.TestVethCarrier/IPv4", Node: "ns0",
			What: "interface veth1", Field: "operational state", Before: "lowerlayerdown", After: "down"}},
		{"An interface that is renamed keeps its addresses", "6.12.", Difference{Kind: Addresses, Test: "scenarios.TestMovedInterface/IPv6", Node: "ns0", What: "address fd00:1::2/64 on veth3", After: "scope global"}},
		{"Packets that leave are counted", "6.12.", Difference{Kind: Counters, What: "counter IpOutTransmits", Field: "in all tests", Before: "never counted", After: "counted"}},
		{"Protective load balancing for TCP", "6.12.", sysctl("net.ipv4.tcp_plb_enabled", "", "0")},
		{"The first SYNs are repeated at an even pace", "6.12.", sysctl("net.ipv4.tcp_syn_linear_timeouts", "", "4")},
		{"The least retransmission time-out can be set", "6.12.", sysctl("net.ipv4.tcp_rto_min_us", "", "200000")},
		{"ICMPv6 errors up to ten a second", "6.18.", sysctl("net.ipv6.icmp.ratelimit", "1000", "100")},
		{"More of TCP may wait below it", "6.18.", sysctl("net.ipv4.tcp_limit_output_bytes", "1048576", "4194304")},
		{"Forwarding of one IPv6 interface", "6.18.", sysctl("net.ipv6.conf.all.force_forwarding", "", "0")},
		{"Temporary addresses live for two days", "7.2.", sysctl("net.ipv6.conf.default.temp_valid_lft", "604800", "172800")},
	} {
		for i := range releases[1:] {
			found, _ := between(releases[i], releases[i+1]).Known()
			at := slices.IndexFunc(found, func(k KnownChange) bool { return k.Name == c.name })
			is := at >= 0 && slices.ContainsFunc(found[at].Found, func(d Difference) bool {
				return d.Kind == c.want.Kind && d.Test == c.want.Test && d.Node == c.want.Node && d.What == c.want.What &&
					d.Field == c.want.Field && d.Before == c.want.Before && d.After == c.want.After
			})
			assert.Equal(t, releases[i+1] == c.after, is, "%s: from %s to %s: %+v", c.name, releases[i], releases[i+1], c.want)
		}
	}
	for _, k := range knownChanges {
		assert.NotEmpty(t, k.since, k.name)
		assert.True(t, slices.ContainsFunc(knownChanges, func(o known) bool { return o.name == k.name && o.words != "" }), "%s has no words", k.name)
	}
}

func sysctl(name, before, after string) Difference {
	return Difference{Kind: Sysctls, What: "sysctl " + name, Field: "in a fresh namespace", Before: before, After: after}
}
