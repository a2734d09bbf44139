//go:build machine

package planted

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netrig/netrig/internal/compare"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/vm"
)

// regression is one planted change of a kernel, and how it has to turn up.
type regression struct {
	name  string
	alter change
	run   string // the scenarios concerned
	want  []want
}

// want is a difference: its kind, test, thing and values, each in part.
type want struct {
	kind                       compare.Kind
	test, thing, before, after string
}

var regressions = []regression{{
	"forwarding takes two from the hop limit of IPv6",
	code(func(i *image) error {
		return i.replace("ip6_forward", 2000, []byte{0x80, 0x6c, 0x02, 0x07, 1}, []byte{0x80, 0x6c, 0x02, 0x07, 2}) // subb $1,7(%rdx,%rax,1)
	}),
	"TestRouter$/IPv6", []want{{compare.Outcomes, "TestRouter/IPv6", "the test", "pass", "fail"}, {compare.Answers, "TestRouter/IPv6", "Reachable fd00:2::2, ttl", "63", "62"}},
}, {
	"forwarded IPv4 packets have a wrong checksum",
	code(func(i *image) error {
		return i.replace("ip_forward", 1300, []byte{0x80, 0x6c, 0x24, 0x08, 1}, []byte{0x80, 0x6c, 0x24, 0x08, 2}) // subb $1,8(%r12)
	}),
	"TestRouter$/IPv4", []want{{compare.Outcomes, "TestRouter/IPv4", "the test", "pass", "fail"}, {compare.Answers, "TestRouter/IPv4", "Reachable 192.168.2.2, outcome", "reached", "silence"}},
}, {
	"a default TTL of 63",
	code(func(i *image) error {
		return i.replace("inet_init_net", 256, []byte{0xc6, 0x83, 0x32, 0x04, 0, 0, 0x40}, []byte{0xc6, 0x83, 0x32, 0x04, 0, 0, 0x3f}) // movb $64,0x432(%rbx)
	}),
	"TestVethPair$/IPv4", []want{{compare.Sysctls, "", "sysctl net.ipv4.ip_default_ttl", "64", "63"}},
}, {
	"ARP is not listened to",
	code(func(i *image) error { return i.returns("arp_process", 0) }),
	"TestVethPair$/IPv4", []want{{compare.Outcomes, "TestVethPair/IPv4", "the test", "pass", "fail"}, {compare.Answers, "TestVethPair/IPv4", "outcome", "reached", "host unreachable"}},
}, {
	"echo requests are not answered",
	code(func(i *image) error { return i.returns("icmp_echo", 1) }),
	"TestVethPair$/IPv4", []want{{compare.Outcomes, "TestVethPair/IPv4", "the test", "pass", "fail"}, {compare.Answers, "TestVethPair/IPv4", "outcome", "reached", "silence"}},
}, {
	"no ICMP errors are sent",
	code(func(i *image) error { return i.returns("__icmp_send", 0) }),
	"TestRouter$/IPv4", []want{{compare.Outcomes, "TestRouter/IPv4", "the test", "pass", "fail"}, {compare.Answers, "TestRouter/IPv4", "Unreachable 192.168.2.2", "time exceeded", "silence"}},
}, {
	"no redirects are sent",
	code(func(i *image) error { return i.returns("ip_rt_send_redirect", 0) }),
	"TestBridgeTwoGateways$/IPv4", []want{{compare.Outcomes, "TestBridgeTwoGateways/IPv4", "the test", "pass", "fail"}},
}, {
	"bridges do not learn",
	inModule("bridge", func(m *module) error { return m.returns("br_fdb_update", 0) }),
	"TestBridge$/IPv4", []want{{compare.Outcomes, "TestBridge/IPv4", "the test", "pass", "fail"}, {compare.Packets, "TestBridge/IPv4", "echo reply", "in ns1:eth0", "in ns3:eth0"}},
}, {
	"tracked echoes live twice as long",
	inModule("nf_conntrack", func(m *module) error {
		return m.replace("nf_conntrack_icmp_init_net", []byte{0x4c, 0x1d, 0, 0}, []byte{0x98, 0x3a, 0, 0}) // 30 s at 250 Hz
	}),
	"TestMasquerade$/nftables/IPv4", []want{{compare.Connections, "TestMasquerade/nftables/IPv4", "time-out", "30s", "1m0s"}, {compare.Sysctls, "", "nf_conntrack_icmp_timeout", "30", "60"}},
}, {
	"the masquerade module of nftables is missing",
	withoutModule("nft_masq"), // the test ends before it builds a lab, and writes no journal
	"TestMasquerade$/nftables/IPv4|TestVethPair$/IPv4", []want{{compare.Outcomes, "TestMasquerade/nftables/IPv4", "the test", "pass", "not run"}},
}, {
	"IPv6 is switched off by a parameter",
	parameter("ipv6.disable=1"),
	"TestVethPair$", []want{{compare.Outcomes, "TestVethPair/IPv6", "the test", "pass", "fail"}},
}, {
	"a default that a namespace copies from the machine",
	inside("net.ipv4.conf.default.shared_media=0"),
	"TestVethPair$/IPv4", []want{{compare.Sysctls, "", "sysctl net.ipv4.conf.default.shared_media", "1", "0"}},
}, {
	"an eBPF program drops IPv4's time exceeded",
	inside("drop-time-exceeded"),
	"TestRouter$/IPv4", []want{{compare.Outcomes, "TestRouter/IPv4", "the test", "pass", "fail"}, {compare.Answers, "TestRouter/IPv4", "Unreachable 192.168.2.2", "time exceeded", "silence"}},
}, {
	"an eBPF program drops IPv6's neighbour solicitations",
	inside("drop-solicitation"),
	"TestVethPair$/IPv6", []want{{compare.Outcomes, "TestVethPair/IPv6", "the test", "pass", "fail"}},
}}

// Each regression is found, under the scenario concerned and by its right name.
func TestPlanted(t *testing.T) {
	before := map[string]*journal.Folder{} // by the scenarios
	for _, r := range regressions {
		t.Run(r.name, func(t *testing.T) {
			if before[r.run] == nil {
				before[r.run] = boot(t, r.run, nil)
			}
			found := differences(t, []*journal.Folder{before[r.run]}, []*journal.Folder{boot(t, r.run, r.alter)})
			t.Log(told(found))
			for _, w := range r.want {
				assert.True(t, w.among(found), "%+v is not among\n%s", w, told(found))
			}
		})
	}
}

func (w want) among(found []compare.Difference) bool {
	for _, d := range found {
		if d.Kind == w.kind && strings.TrimPrefix(d.Test, "scenarios.") == w.test && strings.Contains(d.Thing(), w.thing) &&
			strings.Contains(d.Before, w.before) && strings.Contains(d.After, w.after) {
			return true
		}
	}
	return false
}

func told(found []compare.Difference) string {
	var lines []string
	for _, d := range found {
		lines = append(lines, string(d.Kind)+": "+d.String())
	}
	return strings.Join(lines, "\n")
}

// The kernel as it is, booted again and again, is the same. NETRIG_SAME is how
// often, 10 without.
func TestSame(t *testing.T) {
	times := 10
	if text := os.Getenv("NETRIG_SAME"); text != "" {
		var err error
		times, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	const repeats = 3 // a difference counts only when it repeats
	more := func(runs []*journal.Folder) []*journal.Folder {
		for len(runs) < repeats {
			runs = append(runs, boot(t, six, nil))
		}
		return runs
	}
	before := []*journal.Folder{boot(t, six, nil)}
	for n := range times {
		after := []*journal.Folder{boot(t, six, nil)}
		found := differences(t, before[:1], after)
		if len(found) > 0 {
			t.Logf("boot %d differs from the first, once:\n%s", n+1, told(found))
			before, after = more(before), more(after)
			found = differences(t, before, after)
		}
		assert.Empty(t, found, "boot %d: %s", n+1, told(found))
	}
}

const six = "^Test(VethPair|Bridge|Router|HostGateway|Masquerade|PortForward)$"

// symbols are the addresses of the kernel's functions, asked of a machine.
func symbols(t *testing.T) []byte {
	t.Helper()
	kernel, cache := cachedKernel(t)
	b, err := programs()
	require.NoError(t, err)
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nexec cat /proc/kallsyms > kallsyms\n"), 0o755))
	_, err = vm.Run(t.Context(), vm.Config{Kernel: kernel, Self: b.netrig, Dir: dir, CacheDir: cache.Dir(), Accel: vm.TCG, Stdout: io.Discard, Stderr: io.Discard, Args: []string{script}}, nil)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "kallsyms"))
	require.NoError(t, err)
	return text
}
