package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/netrig/netrig/internal/firewall"
	"github.com/netrig/netrig/internal/sandbox"
)

// Backends are the NAT and filter backends that can be used here, "nftables"
// first.
func Backends() []string { return firewall.Available() }

// RequireBackend skips the test when a NAT and filter backend can't be used
// here, or fails it when NETRIG_REQUIRE=1. A backend is tried out, with a rule
// in a namespace of its own, not guessed at.
func RequireBackend(t testing.TB, name string) {
	t.Helper()
	if !slices.Contains(firewall.Names(), name) {
		t.Fatalf("netrig: backend %q is unknown: use one of %s", name, strings.Join(firewall.Names(), ", "))
	}
	if err := firewall.Probe(name); err != nil {
		missing(t, "%v", err)
	}
}

// RequireProgram skips the test when a program is not installed, or fails it
// when NETRIG_REQUIRE=1.
func RequireProgram(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if name == "" {
			t.Fatal("netrig: require a program: its name is empty")
		}
		if _, err := exec.LookPath(name); err != nil {
			missing(t, "the program %s is not installed: install the Debian package %s", name, packageOf(name))
		}
	}
}

// RequireSysctl skips the test when this kernel has no such sysctl in a network
// namespace, or fails it when NETRIG_REQUIRE=1. A kernel has the sysctls of a
// module while that is loaded: "net.bridge.bridge-nf-call-iptables" tells
// whether a bridge can show its packets to the packet filter. Those of an
// interface (net.ipv4.conf.eth0...) are no question for the kernel, but for
// Node.HasInterface.
func RequireSysctl(t testing.TB, names ...string) {
	t.Helper()
	needMain(t)
	for _, name := range names {
		file, err := sysctlPath(name)
		if err == nil {
			// That of the sandbox, which is a fresh namespace as a node is.
			_, err = os.Stat(file)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing(t, "this kernel has no sysctl %s in a network namespace%s", name, sysctlModule(name))
		case err != nil:
			t.Fatalf("netrig: require a sysctl: %v", err)
		}
	}
}

// sysctlModule says how the kernel gets a sysctl that it can be without.
func sysctlModule(name string) string {
	switch family, _, _ := strings.Cut(strings.TrimPrefix(strings.ReplaceAll(name, "/", "."), "net."), "."); family {
	case "bridge":
		return ": as root `modprobe br_netfilter`, which has the machine's own bridges show their packets to its packet filter, too"
	case "netfilter":
		return ": as root `modprobe nf_conntrack`"
	case "ipv6":
		return ": it was built without IPv6, or booted with ipv6.disable=1"
	}
	return ""
}

func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	text := "netrig: " + fmt.Sprintf(format, args...)
	if sandbox.RequireAll() {
		t.Fatal(text + " (NETRIG_REQUIRE=1)")
	}
	skip(t, text)
}

// skip skips the test, and has its journal say why.
func skip(t testing.TB, text string) {
	t.Helper()
	journalOf(t).skip(text)
	keepSkip(t, text)
	t.Skip(text)
}

// packageOf is the Debian package that a program comes in, where its name
// differs.
func packageOf(program string) string {
	packages := map[string]string{
		"ip": "iproute2", "bridge": "iproute2", "tc": "iproute2", "ss": "iproute2", "nstat": "iproute2",
		"brctl": "bridge-utils", "ping": "iputils-ping", "arping": "iputils-arping", "nft": "nftables",
		"iptables-legacy": "iptables", "ip6tables-legacy": "iptables", "ip6tables": "iptables",
		"iptables-nft": "iptables", "ip6tables-nft": "iptables", "iptables-save": "iptables",
		"dnsmasq": "dnsmasq-base", "nsenter": "util-linux", "sysctl": "procps", "readlink": "coreutils", "timeout": "coreutils",
	}
	if p, ok := packages[program]; ok {
		return p
	}
	return program
}
