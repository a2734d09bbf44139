package oracle

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/link"
	"github.com/netrig/netrig/internal/ns"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// tuner does for a node of a script what the harness does for its own, and a
// person by waiting: it gives it the sysctls that netrig's nodes start with,
// makes its dead neighbours known soon, and waits until its cables are ready.
// None of it is part of what is compared.
type tuner struct {
	space *ns.Namespace
	raw   *link.Socket
	route *netlink.Handle
	ipv6  bool
}

func newTuner(space *ns.Namespace, ipv6 bool) (t *tuner, err error) {
	t = &tuner{space: space, ipv6: ipv6}
	if err := space.Do(func() error { return applyBaseline(ipv6) }); err != nil {
		return nil, err
	}
	if t.raw, err = link.Open(space); err != nil {
		return nil, err
	}
	if t.route, err = netlink.NewHandleAt(netns.NsHandle(space.Fd()), unix.NETLINK_ROUTE); err != nil {
		t.raw.Close()
		return nil, fmt.Errorf("open an rtnetlink socket: %w", err)
	}
	return t, nil
}

func (t *tuner) close() {
	t.raw.Close()
	t.route.Close()
}

func applyBaseline(ipv6 bool) error {
	for _, s := range harness.Baseline(ipv6) {
		file := filepath.Join("/proc/sys", sysctlPath(s.Name))
		// What has the value already is not written: some take the lock of all link
		// changes for it.
		old, err := os.ReadFile(file)
		if err == nil && strings.TrimSpace(string(old)) != s.Value {
			err = os.WriteFile(file, []byte(s.Value), 0)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("set sysctl %s to %s: %w", s.Name, s.Value, err)
		}
	}
	return nil
}

func (t *tuner) tune() error {
	links, err := linksOf(t.route)
	if err != nil {
		return err
	}
	for _, l := range links {
		err := t.raw.SetNeighborTimers(unix.AF_INET, l.Attrs().Index, impatient)
		if err == nil && t.ipv6 {
			err = t.raw.SetNeighborTimers(unix.AF_INET6, l.Attrs().Index, impatient)
		}
		// An interface with an MTU below 1280 has no IPv6.
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("interface %s: %w", l.Attrs().Name, err)
		}
	}
	return nil
}

// readyTime bounds waiting for cables. The kernel usually needs less than a
// millisecond, up to a second in linkwatch, and two for IPv6 without the
// baseline.
const readyTime = 5 * time.Second

// await returns when every interface that is up and has a carrier can pass
// packets, and its addresses can be used. To have asked is part of it: a packet
// sent before can be lost (docs/design.md, "Measured").
func (t *tuner) await() error {
	waiting := ""
	err := deadline.Poll(readyTime, "the script's cables are not ready", func() (bool, error) {
		links, err := linksOf(t.route)
		if err != nil {
			return false, err
		}
		for _, l := range links {
			// One by one, as in lookAtCarriers: a cable may wait for a second where both
			// ends have the same index, which the scripts do not choose.
			if l, err = t.route.LinkByIndex(l.Attrs().Index); err != nil {
				return false, err
			}
			if waiting, err = t.unready(l); waiting != "" || err != nil {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil && waiting != "" {
		err = fmt.Errorf("%w: %s", err, waiting)
	}
	return err
}

func (t *tuner) unready(l netlink.Link) (why string, err error) {
	a := l.Attrs()
	const ready = unix.IFF_UP | unix.IFF_LOWER_UP
	if a.RawFlags&ready != ready || a.Flags&net.FlagLoopback != 0 {
		return "", nil
	}
	if a.OperState != netlink.OperUp && a.OperState != netlink.OperUnknown {
		return fmt.Sprintf("%s is %s", a.Name, a.OperState), nil
	}
	addrs, err := t.route.AddrList(l, netlink.FAMILY_V6)
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		return "interrupted", nil
	}
	for _, addr := range addrs {
		if addr.Flags&unix.IFA_F_TENTATIVE != 0 {
			return fmt.Sprintf("%s on %s is tentative", addr.IPNet, a.Name), nil
		}
	}
	return "", err
}
