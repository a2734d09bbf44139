package trial

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/netrig/netrig/internal/link"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// state is what the machine's own namespaces hold, a line for each thing.
type state map[string]bool

// volatile are sysctls that count something, and so change by themselves.
var volatile = []string{
	"net/netfilter/nf_conntrack_count",
	"net/ipv4/tcp_fastopen_key", // made anew by the first look, in some kernels
}

var primedFor sync.Map // user: true

// primed is the state of the machine after a victim has run to its end once:
// what it needs for the first time has the kernel load modules, which add
// sysctls, tables and even links (tunl0, sit0).
func primed(t testing.TB, who user) state {
	t.Helper()
	if _, done := primedFor.LoadOrStore(who, true); !done {
		v := who.victim(t, "labs=1")
		v.start()
		v.readAll()
		require.NoError(t, v.Wait(), "%s", v.log())
	}
	return look(t)
}

// look takes the state of the machine, as far as this user can see it.
func look(t testing.TB) state {
	t.Helper()
	s := state{}
	require.NoError(t, s.network())
	s.sysctls()
	s.mounts()
	s.files()
	s.rules(t)
	return s
}

func (s state) add(format string, args ...any) { s[fmt.Sprintf(format, args...)] = true }

// network adds links, addresses, routes of all tables and routing rules.
// Neighbours and counters live a life of their own, and time-outs run.
func (s state) network() error {
	return link.Retry(func() error {
		links, err := netlink.LinkList()
		if err != nil {
			return err
		}
		for _, l := range links {
			a := l.Attrs()
			s.add("link %d %s %s %s mtu %d flags %s master %d alias %q", a.Index, a.Name, l.Type(), a.HardwareAddr, a.MTU, a.Flags, a.MasterIndex, a.Alias)
		}
		addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			s.add("address %s on %d scope %d", a.IPNet, a.LinkIndex, a.Scope)
		}
		for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
			routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
			if err != nil {
				return err
			}
			for _, r := range routes {
				s.add("route %d table %d %v via %v dev %d src %v metric %d type %d", family, r.Table, r.Dst, r.Gw, r.LinkIndex, r.Src, r.Priority, r.Type)
			}
			rules, err := netlink.RuleList(family)
			if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EOPNOTSUPP) {
				return err // a kernel may lack policy routing
			}
			for _, r := range rules {
				s.add("rule %d %s", family, r)
			}
		}
		return nil
	})
}

func (s state) sysctls() {
	_ = filepath.WalkDir("/proc/sys/net", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || slices.Contains(volatile, strings.TrimPrefix(path, "/proc/sys/")) {
			return nil // what can't be read can't be compared
		}
		if value, err := os.ReadFile(path); err == nil {
			s.add("sysctl %s = %s", path, strings.Join(strings.Fields(string(value)), " "))
		}
		return nil
	})
}

func (s state) mounts() {
	info, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(info)) {
		s.add("mount %s", strings.TrimSpace(line))
	}
}

// files adds what netrig, iproute2 and iptables would leave in /run and /tmp.
func (s state) files() {
	for _, dir := range []string{"/run", "/run/lock", "/run/netns", "/var/run/netns"} {
		for _, name := range list(dir) {
			s.add("file %s/%s", dir, name)
		}
	}
}

// rules adds the packet filter's, if this user may list them.
func (s state) rules(t testing.TB) {
	for _, file := range []string{"/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"} {
		names, _ := os.ReadFile(file)
		s.add("%s: %s", file, strings.Fields(string(names)))
	}
	if _, err := exec.LookPath("nft"); err != nil || os.Geteuid() != 0 {
		return
	}
	out, err := exec.Command("nft", "--stateless", "--handle", "list", "ruleset").CombinedOutput()
	require.NoError(t, err, "nft list ruleset: %s", out)
	s.add("nft %s", out)
}

// differences are the lines that only one of the two has.
func (s state) differences(now state) (lines []string) {
	for line := range s {
		if !now[line] {
			lines = append(lines, "gone: "+line)
		}
	}
	for line := range now {
		if !s[line] {
			lines = append(lines, "new: "+line)
		}
	}
	slices.Sort(lines)
	return lines
}
