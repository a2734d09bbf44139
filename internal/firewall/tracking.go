package firewall

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/ns"
)

// tracks reports whether the rule needs connection tracking.
func (r Rule) tracks() bool { return r.Verdict.nat() || len(r.States) > 0 }

// settle returns when the kernel has let go of what the nf_tables rules
// removed from the namespace held, such as connection tracking. It does that in
// the background (nf_tables_trans_destroy_work), after an RCU grace period;
// three things wait for it, see below.
func settle(n *ns.Namespace) error {
	err := settleByClosing(n)
	if err == nil {
		var waited bool
		if waited, err = settleByCompat(n); err == nil && !waited {
			err = gracePeriods(2)
		}
	}
	if err != nil {
		return fmt.Errorf("wait for the kernel to let go of connection tracking: %w", err)
	}
	return nil
}

// settleByClosing closes a netfilter socket of the namespace, upon which
// kernels from 6.10 on wait for work that has not begun yet (nft_rcv_nl_event
// in net/netfilter/nf_tables_api.c). For work that has begun, and sits in its
// grace period, they do not: one removal in some hundred.
func settleByClosing(n *ns.Namespace) error {
	return n.Do(func() error {
		c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// settleByCompat has the kernel check a rule with a match of iptables, before
// which it waits (nft_compat_wait_for_destructors in
// net/netfilter/nft_compat.c, from 5.8 on). The rule is in a transaction whose
// end fails, so nothing comes of it. Without the modules for such a rule,
// waited is false.
func settleByCompat(n *ns.Namespace) (waited bool, err error) {
	var c *nftables.Conn
	limit := func(c *netlink.Conn) error { return c.SetDeadline(time.Now().Add(deadline.Of(nftPatience))) }
	err = n.Do(func() (err error) {
		c, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(limit))
		return err
	})
	if err != nil {
		return false, err
	}
	defer c.CloseLasting()
	table := c.AddTable(&nftables.Table{Name: nftTable + "_settle", Family: nftables.TableFamilyIPv4})
	chain := c.AddChain(&nftables.Chain{Name: "never", Table: table})
	info := make(xt.Unknown, 256) // struct xt_comment_info
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Match{Name: "comment", Info: &info}}})
	c.CreateTable(table) // fails, since it is there
	err = c.Flush()
	return errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EOPNOTSUPP), nil
}

// gracePeriods waits for RCU grace periods, by membarrier(2). The background
// work started before the first and is, mostly, over after the second. Where
// the kernel has no such call (nohz_full), there is nothing better to wait for.
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
