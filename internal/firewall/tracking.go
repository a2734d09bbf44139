package firewall

import (
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/ns"
)

// tracks reports whether the rule needs connection tracking.
func (r Rule) tracks() bool { return r.Verdict.nat() || len(r.States) > 0 }

// settle returns when the kernel has let go of what the nf_tables rules
// removed from the namespace held, such as connection tracking.
//
// The kernel does that in the background (nf_tables_trans_destroy_work), after
// an RCU grace period. It waits for it when a netfilter socket of the
// namespace is closed (nft_rcv_nl_event in net/netfilter/nf_tables_api.c).
// Kernels before 6.10 may not; there, two grace periods of one's own are
// waited for: the background work started before the first, and after the
// second has nothing left to wait for.
func settle(n *ns.Namespace) error {
	err := n.Do(func() error {
		c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
		if err != nil {
			return err
		}
		return c.Close()
	})
	if err != nil {
		return fmt.Errorf("wait for the kernel to let go of connection tracking: %w", err)
	}
	if closingWaits() {
		return nil
	}
	return gracePeriods(2)
}

// gracePeriods waits for RCU grace periods, by membarrier(2). Where the kernel
// has no such call (nohz_full), there is nothing better to wait for.
func gracePeriods(count int) error {
	const cmdGlobal = 1 // MEMBARRIER_CMD_GLOBAL
	for range count {
		_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, cmdGlobal, 0, 0)
		if errno != 0 && errno != unix.EINVAL && errno != unix.ENOSYS && errno != unix.EPERM {
			return fmt.Errorf("wait for an RCU grace period: membarrier: %w", errno)
		}
	}
	return nil
}

// closingWaits reports whether the kernel is one that surely waits when a
// netfilter socket is closed: 6.10 or newer.
func closingWaits() bool {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return false
	}
	return atLeast(unix.ByteSliceToString(name.Release[:]), 6, 10)
}

// atLeast compares a kernel release such as "6.1.0-32-cloud-amd64".
func atLeast(release string, major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(release, "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a > major || a == major && b >= minor
}
