package firewall

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The nftables backend leaves nothing behind: no chain, no table.
func TestNFTablesLeavesNothing(t *testing.T) {
	t.Parallel()
	n := namespace(t)
	b := open(t, NFTables, n)
	look := nftConn(t, n)
	names := func() (chains []string) {
		all, err := look.ListChains()
		require.NoError(t, err)
		for _, c := range all {
			chains = append(chains, fmt.Sprintf("%s/%s", familyWord(byte(c.Table.Family)), c.Name))
		}
		return chains
	}
	var ids []ID
	for _, r := range []Rule{
		{Family: IPv4, Hook: Postrouting, Verdict: Masquerade}, {Family: IPv4, Hook: Postrouting, Verdict: Masquerade},
		{Family: IPv4, Hook: Forward, Verdict: Drop}, {Family: IPv6, Hook: Postrouting, Verdict: Masquerade},
	} {
		id, err := b.Add(r)
		require.NoError(t, err)
		ids = append(ids, id)
	}
	require.ElementsMatch(t, []string{"ip/nat_postrouting", "ip/filter_forward", "ip6/nat_postrouting"}, names())
	require.NoError(t, b.Remove(ids[0]))
	require.Contains(t, names(), "ip/nat_postrouting")
	require.NoError(t, b.Remove(ids[1]))
	require.ElementsMatch(t, []string{"ip/filter_forward", "ip6/nat_postrouting"}, names())
	require.NoError(t, b.Remove(ids[3]))
	require.NoError(t, b.Policy(IPv4, Forward, Drop))
	require.NoError(t, b.Remove(ids[2]))
	require.Equal(t, []string{"ip/filter_forward"}, names(), "the chain holds the policy")
	require.NoError(t, b.Policy(IPv4, Forward, Accept))
	require.NoError(t, b.Policy(IPv6, Input, Accept), "where there is nothing to take back")
	tables, err := look.ListTables()
	require.NoError(t, err)
	require.Empty(t, tables)
}

// The iptables backends leave tables and chains, but no backend leaves a rule.
func TestNoRuleIsLeft(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		b := open(t, backend, namespace(t))
		for _, s := range specimens {
			id, err := b.Add(s.rule)
			require.NoError(t, err)
			require.NoError(t, b.Remove(id))
		}
		require.Empty(t, listOf(t, b))
	})
}

// Somebody flushes everything: the next rule works all the same, and the lost
// one is named.
func TestFlushedBySomebodyElse(t *testing.T) {
	t.Parallel()
	n := namespace(t)
	b := open(t, NFTables, n)
	r := Rule{Family: IPv4, Hook: Forward, Verdict: Drop, In: "eth7"}
	lost, err := b.Add(r)
	require.NoError(t, err)
	c := nftConn(t, n)
	c.FlushRuleset()
	require.NoError(t, c.Flush())
	_, err = b.Counters(lost)
	require.ErrorIs(t, err, errGone)
	require.EqualError(t, b.Remove(lost), "remove the IPv4 rule -t filter -A FORWARD -i eth7 -j DROP: "+errGone.Error())
	_, err = b.Add(r)
	require.NoError(t, err)
	require.Equal(t, []string{r.String()}, listOf(t, b))
}

func TestIPTablesFlushedBySomebodyElse(t *testing.T) {
	eachIPTables(t, func(t *testing.T, backend string) {
		n := namespace(t)
		b := open(t, backend, n)
		lost, err := b.Add(Rule{Family: IPv4, Hook: Forward, Verdict: Drop})
		require.NoError(t, err)
		found, err := programsOf[backend]()
		require.NoError(t, err)
		_, err = run(n, found.change[IPv4], "-w", "-F")
		require.NoError(t, err)
		require.ErrorIs(t, b.Remove(lost), errGone)
	})
}

func TestConcurrentUse(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		b := open(t, backend, namespace(t))
		var work sync.WaitGroup
		for range 4 {
			work.Go(func() {
				for range 3 {
					id, err := b.Add(Rule{Family: IPv4, Hook: Forward})
					if err == nil {
						_, err = b.Counters(id)
					}
					err = errors.Join(err, b.Remove(id))
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		work.Wait()
		require.Empty(t, listOf(t, b))
	})
}

// After Close, a backend makes itself a new socket if it is used again.
func TestUseAfterClose(t *testing.T) {
	t.Parallel()
	b := open(t, NFTables, namespace(t))
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	_, err := b.Add(Rule{Family: IPv6, Hook: Forward, Verdict: Drop})
	require.NoError(t, err)
}

func TestHints(t *testing.T) {
	t.Parallel()
	masquerade := Rule{Family: IPv4, Hook: Postrouting, Verdict: Masquerade}
	require.Contains(t, nftHint(masquerade, unix.ENOENT), "nf_tables, nft_nat, nft_masq")
	require.Contains(t, nftHint(Rule{Family: IPv4, Verdict: Reject, States: []string{"new"}}, os.ErrDeadlineExceeded), "nf_tables, nft_reject, nft_ct")
	require.Contains(t, nftHint(masquerade, unix.EPERM), "harness.Main")
	require.Empty(t, nftHint(masquerade, unix.EBUSY))

	complaint := &programError{command: "iptables", complaint: "iptables: No chain/target/match by that name."}
	require.Contains(t, iptablesHint(IPTablesLegacy, masquerade, complaint), "ip_tables, iptable_nat, xt_MASQUERADE")
	require.Contains(t, iptablesHint(IPTables, masquerade, complaint), "nf_tables, nft_compat, nft_nat, xt_MASQUERADE")
	masquerade.Family, masquerade.Verdict = IPv6, Reject
	require.Contains(t, iptablesHint(IPTablesLegacy, masquerade, complaint), "ip6_tables")
	require.Contains(t, iptablesHint(IPTablesLegacy, masquerade, complaint), "ip6t_REJECT")
	require.Empty(t, iptablesHint(IPTables, masquerade, errors.New("something else")))
}

// A program's own complaint is in the error.
func TestProgramFails(t *testing.T) {
	eachIPTables(t, func(t *testing.T, backend string) {
		found, err := programsOf[backend]()
		require.NoError(t, err)
		_, err = run(namespace(t), found.change[IPv4], "-w", "-A", "NOWHERE")
		require.ErrorContains(t, err, "No chain/target/match by that name")
		require.ErrorContains(t, err, found.change[IPv4]+" -w -A NOWHERE`: exit status")
	})
}

// Where /run can't be written to, legacy iptables locks a file in memory.
func TestLockInMemory(t *testing.T) {
	eachIPTables(t, func(t *testing.T, backend string) {
		lock, err := lockInMemory()
		require.NoError(t, err)
		defer lock.Close()
		found, err := programsOf[backend]()
		require.NoError(t, err)
		n := namespace(t)
		_, err = runWith(lock, n, found.change[IPv4], "-w", "-A", "FORWARD")
		require.NoError(t, err)
		require.Equal(t, []string{"-t filter -A FORWARD"}, listOf(t, open(t, backend, n)))
		if backend == IPTablesLegacy { // the lock is really that file: held, it keeps the program out
			require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
			_, err = runWith(lock, n, found.change[IPv4], "-w", "1", "-A", "FORWARD")
			require.ErrorContains(t, err, "xtables lock")
		}
	})
}

func TestMissingProgramSaysWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := findPrograms("-of-mars", "martian")
	require.ErrorContains(t, err, "of the martian variant")
	require.ErrorContains(t, err, "install the package iptables")
}

func TestParseSave(t *testing.T) {
	t.Parallel()
	lines, err := parseSave([]byte("# comment\n*raw\n:PREROUTING DROP [3:4]\n:mine - [0:0]\n[1:84] -A PREROUTING -p icmpv6 -j NOTRACK\nCOMMIT\n" +
		"*nat\n:OUTPUT ACCEPT [0:0]\n[0:0] -A OUTPUT -j DNAT --to-destination [fd00::1]\nCOMMIT\n"))
	require.NoError(t, err)
	require.Equal(t, []savedLine{
		{"raw", "PREROUTING", "-t raw -P PREROUTING DROP", true, 3, 4},
		{"raw", "PREROUTING", "-t raw -A PREROUTING -p ipv6-icmp -j CT --notrack", false, 1, 84},
		{"nat", "OUTPUT", "-t nat -A OUTPUT -j DNAT --to-destination fd00::1", false, 0, 0},
	}, lines)
	for _, bad := range []string{"-A FORWARD", "[1:2] -N x", "[x:y] -A FORWARD", ":FORWARD DROP [1]"} {
		_, err := parseSave([]byte(bad))
		require.ErrorContains(t, err, "not understood", bad)
	}
}
