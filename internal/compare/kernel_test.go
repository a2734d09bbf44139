package compare

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netrig/netrig/internal/journal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// aKernel is a folder of journals: so many tests with the counters given, a
// process with the sysctls, and the options of the kernel.
func aKernel(tests int, counters []string, sysctls, options map[string]string) *journal.Folder {
	f := &journal.Folder{Path: "x"}
	for i := range tests {
		j := aTest(fmt.Sprintf("Test%d", i), journal.Passed, "64")
		node := journal.Node{Name: "ns0"}
		for _, c := range counters {
			node.Objects = append(node.Objects, journal.Object{Kind: journal.Counter, Name: c, Fields: map[string]string{"value": fmt.Sprint(i + 1)}})
		}
		j.Labs[0].Nodes = []journal.Node{node}
		f.Tests = append(f.Tests, j)
	}
	header := f.Tests[0].Header
	f.Processes = []*journal.Process{{Header: header, Sysctls: sysctls}}
	f.Systems = []*journal.System{{Header: header, Name: "debian/x", PackageVersion: "6.12.0-1", Configuration: options}}
	return f
}

func compared(t *testing.T, a, b *journal.Folder) (*Result, []string) {
	t.Helper()
	r, err := Compare([]*journal.Folder{a}, []*journal.Folder{b}, Options{})
	require.NoError(t, err)
	var lines []string
	for _, d := range r.Differences {
		lines = append(lines, d.String())
	}
	return r, lines
}

func TestConfiguration(t *testing.T) {
	r, lines := compared(t,
		aKernel(1, nil, nil, map[string]string{"CONFIG_VETH": "m", "CONFIG_NF_NAT": "m", "CONFIG_SND": "m", "CONFIG_NET_VENDOR_INTEL": "y"}),
		aKernel(1, nil, nil, map[string]string{"CONFIG_VETH": "m", "CONFIG_NF_NAT": "y", "CONFIG_MPTCP": "y", "CONFIG_USB": "y"}))
	assert.Equal(t, []string{"CONFIG_MPTCP [note]: n before, y now", "CONFIG_NF_NAT [note]: m before, y now"}, lines)
	assert.Equal(t, StatusSame, r.Status, "what they do shows elsewhere")
	_, lines = compared(t, aKernel(1, nil, nil, nil), aKernel(1, nil, nil, map[string]string{"CONFIG_MPTCP": "y"}))
	assert.Empty(t, lines, "of one side they are not known")
}

// A counter that one kernel never has is told once, if many tests have it on the
// other; a module's sysctls are, too.
func TestToldOnce(t *testing.T) {
	r, lines := compared(t, aKernel(4, []string{"IpForwDatagrams"}, nil, nil), aKernel(4, []string{"IpForwDatagrams", "IpOutTransmits"}, nil, nil))
	assert.Equal(t, []string{"counter IpOutTransmits, in all tests [note]: never counted before, counted now"}, lines)
	assert.Equal(t, StatusSame, r.Status, "it is known to be new")
	_, lines = compared(t, aKernel(4, []string{"IpReasmFails"}, nil, nil), aKernel(4, nil, nil, nil))
	assert.Len(t, lines, 4, "a side without any counter tells nothing of one kernel: %s", lines)
	r, lines = compared(t, aKernel(4, []string{"IpReasmFails", "IpForwDatagrams"}, nil, nil), aKernel(4, []string{"IpForwDatagrams"}, nil, nil))
	assert.Equal(t, []string{"counter IpReasmFails, in all tests: counted before, never counted now"}, lines)
	assert.Equal(t, StatusWorse, r.Status)
	_, lines = compared(t, aKernel(2, []string{"IpForwDatagrams"}, nil, nil), aKernel(2, []string{"IpForwDatagrams", "IpReasmFails"}, nil, nil))
	assert.Len(t, lines, 2, "in few tests it is told of each: %s", lines)

	conntrack := map[string]string{"net.ipv4.ip_forward": "0", "net.netfilter.nf_conntrack_acct": "0", "net.netfilter.nf_conntrack_icmp_timeout": "30"}
	r, lines = compared(t, aKernel(1, nil, conntrack, nil), aKernel(1, nil, map[string]string{"net.ipv4.ip_forward": "0"}, nil))
	assert.Equal(t, []string{"sysctls net.netfilter.nf_conntrack_*, in a fresh namespace [note]: there before, not there now"}, lines)
	assert.Equal(t, StatusSame, r.Status)
	_, lines = compared(t, aKernel(1, nil, conntrack, nil), aKernel(1, nil, map[string]string{"net.ipv4.ip_forward": "0", "net.netfilter.nf_conntrack_acct": "0"}, nil))
	assert.Equal(t, []string{"sysctl net.netfilter.nf_conntrack_icmp_timeout, in a fresh namespace: 30 before, not there now"}, lines)
}

func TestQuietSettings(t *testing.T) {
	_, lines := compared(t, aKernel(1, nil, map[string]string{"net.ipv4.tcp_rmem": "4096 131072 1213792", "net.ipv4.tcp_ehash_entries": "-2048"}, nil),
		aKernel(1, nil, map[string]string{"net.ipv4.tcp_rmem": "4096	131072	1179392", "net.ipv4.tcp_ehash_entries": "-4096"}, nil))
	assert.Empty(t, lines, "by memory")
	_, lines = compared(t, aKernel(1, nil, map[string]string{"net.ipv4.tcp_rmem": "4096 131072 6291456"}, nil), aKernel(1, nil, map[string]string{"net.ipv4.tcp_rmem": "4096 87380 6291456"}, nil))
	assert.Len(t, lines, 1)
}

func TestRoundTimeout(t *testing.T) {
	for left, want := range map[string]string{"20s": "30s", "30s": "30s", "1m50s": "2m0s", "2m0s": "2m0s", "119h59m0s": "120h0m0s", "200h0m0s": "200h0m0s", "soon": "soon"} {
		assert.Equal(t, want, roundTimeout(left), left)
	}
}

// The page is in the order of the kernels, and tells what has a name by it.
func TestPage(t *testing.T) {
	older := aKernel(1, nil, map[string]string{"net.core.txrehash": "1", "net.ipv4.tcp_old": "1"}, nil)
	newer := aKernel(1, nil, map[string]string{"net.core.txrehash": "1", "net.ipv4.conf.all.made_up": "0", "net.ipv4.conf.default.made_up": "0"}, nil)
	oldest := aKernel(1, nil, map[string]string{"net.ipv4.tcp_old": "2"}, nil)
	for release, f := range map[string]*journal.Folder{"5.10.0-1-cloud-amd64": oldest, "6.2.0-1-cloud-amd64": older, "6.12.0-1-cloud-amd64": newer} {
		f.Systems[0].Kernel = release
		f.Systems[0].PackageVersion = strings.TrimSuffix(release, "-1-cloud-amd64") + "-7"
	}
	newer.Tests[0].Labs[0].Steps[0].Verbs[0].Saw["ttl"] = "63"
	var b strings.Builder
	require.NoError(t, Page(&b, []*journal.Folder{newer, oldest, older}))
	page := b.String()
	assert.Less(t, strings.Index(page, "## From 5.10.0 to 6.2.0"), strings.Index(page, "## From 6.2.0 to 6.12.0"))
	assert.Contains(t, page, "- **A new hash when a connection is stuck, by choice** (Linux 5.18).")
	assert.Contains(t, page, "- changed: `net.ipv4.tcp_old` 2 → 1\n")
	assert.Contains(t, page, "- new: `net.ipv4.conf.*.made_up` (0)\n- gone: `net.ipv4.tcp_old`\n")
	assert.Contains(t, page, "Not known by name:\n\n- lan.Test0, lan_test.go:7, node ns0: `Reachable 192.168.1.2, ttl`: `64` → `63`\n")
}
