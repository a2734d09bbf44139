package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/link"
	"golang.org/x/sys/unix"
)

// setting is a sysctl, as a path below /proc/sys/net/, and its value.
type setting struct{ path, value string }

// baseline is set on every node before its first device exists. A new
// namespace copies IPv4 settings from the machine's own, where Docker,
// distributions and administrators change them: whatever a scenario may depend
// on is listed here, so that the machine can't leak in. The values are the
// kernel's own defaults except where a comment says otherwise. Interfaces take
// conf/default when they are created.
var baseline = []setting{
	// First: changing it resets others (Documentation/networking/ip-sysctl.rst).
	{"ipv4/ip_forward", "0"},

	{"ipv4/conf/all/rp_filter", "0"}, {"ipv4/conf/default/rp_filter", "0"},
	{"ipv4/conf/all/arp_ignore", "0"}, {"ipv4/conf/default/arp_ignore", "0"},
	{"ipv4/conf/all/arp_announce", "0"}, {"ipv4/conf/default/arp_announce", "0"},
	{"ipv4/conf/all/arp_filter", "0"}, {"ipv4/conf/default/arp_filter", "0"},
	{"ipv4/conf/all/arp_accept", "0"}, {"ipv4/conf/default/arp_accept", "0"},
	{"ipv4/conf/all/arp_notify", "0"}, {"ipv4/conf/default/arp_notify", "0"},
	{"ipv4/conf/all/proxy_arp", "0"}, {"ipv4/conf/default/proxy_arp", "0"},
	{"ipv4/conf/all/accept_local", "0"}, {"ipv4/conf/default/accept_local", "0"},
	{"ipv4/conf/all/route_localnet", "0"}, {"ipv4/conf/default/route_localnet", "0"},
	{"ipv4/conf/all/src_valid_mark", "0"}, {"ipv4/conf/default/src_valid_mark", "0"},
	{"ipv4/conf/all/send_redirects", "1"}, {"ipv4/conf/default/send_redirects", "1"},
	{"ipv4/conf/all/accept_redirects", "1"}, {"ipv4/conf/default/accept_redirects", "1"},
	{"ipv4/conf/all/secure_redirects", "1"}, {"ipv4/conf/default/secure_redirects", "1"},
	{"ipv4/conf/all/accept_source_route", "0"}, {"ipv4/conf/default/accept_source_route", "0"},
	{"ipv4/conf/all/log_martians", "0"}, {"ipv4/conf/default/log_martians", "0"},
	{"ipv4/conf/all/ignore_routes_with_linkdown", "0"}, {"ipv4/conf/default/ignore_routes_with_linkdown", "0"},
	{"ipv4/conf/all/promote_secondaries", "0"}, {"ipv4/conf/default/promote_secondaries", "0"},
	{"ipv4/icmp_echo_ignore_all", "0"},
	{"ipv4/ip_default_ttl", "64"},
	{"ipv4/ip_nonlocal_bind", "0"},

	// No answer is sought from routers that a scenario did not ask for, and
	// an address is usable at once: with duplicate address detection left on,
	// a routed path works only after 2 s (the router's link-local address).
	{"ipv6/conf/default/accept_dad", "0"},
	{"ipv6/conf/default/router_solicitations", "0"},
	{"ipv6/conf/all/accept_redirects", "1"}, {"ipv6/conf/default/accept_redirects", "1"},
	// Link-local addresses from the MAC, which makes them readable.
	{"ipv6/conf/all/addr_gen_mode", "0"}, {"ipv6/conf/default/addr_gen_mode", "0"},
	{"ipv6/conf/all/use_tempaddr", "0"}, {"ipv6/conf/default/use_tempaddr", "0"},
	{"ipv6/conf/all/forwarding", "0"}, {"ipv6/conf/default/forwarding", "0"},
	// Off, but on lo, until the node gets an IPv6 address. Of default only: that
	// of all, like ip_forward, needs the lock of all link changes, for which
	// writers of sysctls wait busily (restart_syscall in addrconf_disable_ipv6).
	{"ipv6/conf/default/disable_ipv6", "1"},
}

// baselineIPv6 is set on a node before IPv6 is switched on there.
var baselineIPv6 = []setting{{"ipv6/conf/all/accept_dad", "0"}}

// baselineBridges is set on a node before there can be a bridge in it: before
// Bridge, and before anything from outside the harness gets at the node.
var baselineBridges = []setting{
	// 1 in every new namespace once br_netfilter is loaded on the machine (and
	// absent otherwise): bridged packets would then meet the packet filter.
	{"bridge/bridge-nf-call-iptables", "0"},
	{"bridge/bridge-nf-call-ip6tables", "0"},
	{"bridge/bridge-nf-call-arptables", "0"},
}

// Setting is a sysctl, as sysctl(8) names it, and its value.
type Setting struct{ Name, Value string }

// Baseline are the sysctls that every node starts with; with ipv6, one that has
// IPv6 on. For who builds the same network by other means and wants the same
// start. Not every kernel has all of them. They are to be set in this order,
// before the first device exists.
func Baseline(ipv6 bool) []Setting {
	all := slices.Concat(baseline, baselineBridges)
	if ipv6 {
		// Once for the interfaces that are there, and for those to come.
		on := []setting{{"ipv6/conf/all/disable_ipv6", "0"}, {"ipv6/conf/default/disable_ipv6", "0"}}
		all = slices.Concat(all, baselineIPv6, on)
	}
	settings := make([]Setting, 0, len(all))
	for _, s := range all {
		settings = append(settings, Setting{"net." + strings.ReplaceAll(s.path, "/", "."), s.value})
	}
	return settings
}

// fastErrors takes the limits off ICMP errors.
var fastErrors = []setting{{"ipv4/icmp_ratemask", "0"}}

// fastErrorsIPv6 does so for ICMPv6. A limit of 0 alone still loses some; an
// empty mask exempts every type.
var fastErrorsIPv6 = []setting{{"ipv6/icmp/ratelimit", "0"}, {"ipv6/icmp/ratemask", ""}}

// tune gives an interface of the lab the timers of its profile. Those of
// neighbours are an interface's own: a namespace has no defaults for them
// (lookup_neigh_parms, net/core/neighbour.c).
func (n *Node) tune(index int) error {
	if n.lab.timers != FastTimers {
		return nil
	}
	families := []uint8{unix.AF_INET}
	if n.ipv6 {
		families = append(families, unix.AF_INET6)
	}
	for _, family := range families {
		err := n.raw.SetNeighborTimers(family, index, fastNeighbors())
		// An interface with an MTU below 1280 bytes has no IPv6, and so no timers
		// of its (ipv6_add_dev, net/ipv6/addrconf.c).
		if family == unix.AF_INET6 && errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fastNeighbors makes a neighbour that does not answer known in some 50 ms
// (three tries of 10 ms, the least that the kernel takes), not 3 s, and keeps the kernel from probing a
// neighbour again in mid-test (5 s by default), which would put a packet into
// some window on a slow machine. On such a one, above all an emulated one, where
// an answer takes up to 15 ms, more time goes by between two tries: else a
// neighbour that is there is asked twice.
func fastNeighbors() link.NeighborTimers {
	const fastest, slowest = 10 * time.Millisecond, 50 * time.Millisecond
	return link.NeighborTimers{Retransmit: min(max(fastest, deadline.Of(fastest/2)), slowest), ProxyDelay: 0, DelayProbe: time.Minute}
}

// applyBaseline sets the sysctls of the baseline. What this kernel does not have (a
// kernel without IPv6, without br_netfilter, an older one) has no effect there
// either.
//
// A file below /proc/sys costs 6 µs to open in a fresh namespace, so that all
// of them would take longer than the namespace itself. What a fresh namespace
// starts with is therefore learned once, and only what differs is written,
// until a namespace is seen to start otherwise: then somebody has changed the
// machine's settings meanwhile (a container engine that switches forwarding on,
// which changes that of lo too), and it is learned anew.
//
// It is called inside the namespace. Most nodes have the fast timers, so that what
// these ask of a node as a whole is set along.
func applyBaseline(proc *procfs, raw *link.Socket) error {
	start, err := raw.DefaultConf()
	if err != nil {
		return err
	}
	todo, err := learned.differences(proc, raw, start)
	if err != nil {
		return err
	}
	return applySettings(proc, todo)
}

// learned is what a fresh namespace starts with, for the whole process.
var learned startValues

type startValues struct {
	mu    sync.Mutex
	start []byte // what DefaultConf said in the namespace that was learned from
	todo  []setting
	slow  []setting // what the fast timers have changed, as it was
}

// kernelErrors are the kernel's own limits to ICMP errors, which a node of the fast
// timers does not have.
func (v *startValues) kernelErrors() []setting {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.slow
}

// differences are the settings of the baseline that a fresh namespace does not
// have by itself. It is called inside one.
func (v *startValues) differences(proc *procfs, raw *link.Socket, start []byte) ([]setting, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.todo != nil && bytes.Equal(v.start, start) {
		return v.todo, nil
	}
	todo, _, err := differing(proc, raw, baseline)
	if err != nil {
		return nil, err
	}
	fast, slow, err := differing(proc, raw, fastErrors)
	if err != nil {
		return nil, err
	}
	v.start, v.todo, v.slow = start, append(todo, fast...), slow
	return v.todo, nil
}

// differing are those of the settings that the namespace does not have, and what it
// has in their place.
func differing(proc *procfs, raw *link.Socket, settings []setting) (todo, instead []setting, err error) {
	todo = []setting{}
	files := sysctlFiles{proc: proc}
	defer files.close()
	for _, s := range settings {
		if path.Base(s.path) == "addr_gen_mode" { // for its reader too (addrconf_sysctl_addr_gen_mode)
			if err := raw.Await(); err != nil {
				return nil, nil, err
			}
		}
		value, err := files.read(s.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, nil, fmt.Errorf("read sysctl net/%s: %w", s.path, err)
		case value != s.value:
			todo = append(todo, s)
			instead = append(instead, setting{s.path, value})
		}
	}
	return todo, instead, nil
}

// applySettings writes sysctls of the namespace that the calling thread is in. What this
// kernel does not have is passed over.
func applySettings(proc *procfs, settings []setting) error {
	files := sysctlFiles{proc: proc}
	defer files.close()
	for _, s := range settings {
		value := s.value
		if value == "" {
			value = "\n" // a write of no bytes is no write
		}
		if err := files.write(s.path, value); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("set sysctl net/%s to %q: %w", s.path, s.value, err)
		}
	}
	return nil
}

// enableIPv6 switches IPv6 on for the node's interfaces, those that are there
// and those to come, and returns when the link-local addresses that they get by
// that can be used.
func (n *Node) enableIPv6() {
	n.lab.TB.Helper()
	if n.ipv6 {
		return
	}
	err := n.space.Do(func() error {
		if err := applySettings(n.proc, baselineIPv6); err != nil {
			return err
		}
		if n.lab.timers == FastTimers {
			if err := applySettings(n.proc, fastErrorsIPv6); err != nil {
				return err
			}
		}
		return n.allowIPv6()
	})
	n.must(err, "switch IPv6 on")
	n.ipv6 = true
	for _, p := range n.ports {
		if p.index != 0 {
			p.must(n.tune(p.index), "set its timers")
		}
	}
	for _, b := range n.bridges {
		n.must(n.tune(b.index), "set the timers of the bridge %s", b.name)
	}
	for _, d := range n.devices {
		n.must(n.tune(d.index), "set the timers of %s", d.name)
	}
	for _, p := range n.ports {
		if p.index != 0 {
			p.must(n.awaitAddresses(p.index), "switch IPv6 on")
		}
	}
	for _, b := range n.bridges {
		n.must(n.awaitAddresses(b.index), "bridge %s: switch IPv6 on", b.name)
	}
	for _, d := range n.devices {
		n.must(n.awaitAddresses(d.index), "interface %s: switch IPv6 on", d.name)
	}
}

// allowIPv6 switches IPv6 on for the interfaces to come, which needs no lock,
// and for those that are there if there are any. It is called inside the node.
func (n *Node) allowIPv6() error {
	const bare = 3 // all, default and lo: no interface is there yet
	entries, err := os.ReadDir(sysctlRoot + "net/ipv6/conf")
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("this kernel has no IPv6 (CONFIG_IPV6, or ipv6.disable=1 on its command line)")
	}
	if err != nil {
		return err
	}
	files := sysctlFiles{proc: n.proc}
	defer files.close()
	all, err := files.read("ipv6/conf/all/disable_ipv6")
	if err != nil {
		return err
	}
	if len(entries) <= bare && all == "0" {
		return files.write("ipv6/conf/default/disable_ipv6", "0")
	}
	if err := n.raw.Await(); err != nil {
		return err
	}
	// Of all: it takes every interface along (addrconf_disable_change).
	return files.write("ipv6/conf/all/disable_ipv6", "0")
}

// letIn is called before anything from outside the harness gets at the node, which
// may make bridges, and rename interfaces.
func (n *Node) letIn() error {
	if err := n.allowBridges(); err != nil {
		return err
	}
	n.letInOnce.Do(func() {
		if n.tap != nil {
			n.letInErr = n.tap.Listen(n.space)
		}
	})
	return n.letInErr
}

// allowBridges is called before a bridge can come into being in the node.
func (n *Node) allowBridges() error {
	n.bridgesOnce.Do(func() {
		n.bridgesErr = n.space.Do(func() error { return applySettings(n.proc, baselineBridges) })
	})
	return n.bridgesErr
}
