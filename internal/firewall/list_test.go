package firewall

import (
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/ns"
)

// foreign makes a table as nft would make it, with rules of many kinds.
func foreign(t *testing.T, n *ns.Namespace) (want []string) {
	t.Helper()
	c := nftConn(t, n)
	policy := nftables.ChainPolicyDrop
	table := c.AddTable(&nftables.Table{Name: "guard", Family: nftables.TableFamilyINet})
	chain := c.AddChain(&nftables.Chain{Name: "in", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter, Policy: &policy})
	// The library numbers sets by a variable that all connections share without a lock.
	set := &nftables.Set{Table: table, Name: "bad", KeyType: nftables.TypeIPAddr, ID: 1}
	require.NoError(t, c.AddSet(set, nil))
	add := func(text string, exprs ...expr.Any) {
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exprs})
		want = append(want, "inet guard in: "+text)
	}
	want = append(want, "inet guard in: policy drop")
	proto4 := []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.NFPROTO_IPV4}}}
	tcp := []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}}}
	with := func(first []expr.Any, more ...expr.Any) []expr.Any {
		return append(first[:len(first):len(first)], more...)
	}
	saddr := &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}

	add(`iifname "eth0" drop`, append(nameMatch("eth0", false, expr.MetaKeyIIFNAME), &expr.Verdict{Kind: expr.VerdictDrop})...)
	add(`meta nfproto ipv4 ip saddr != 10.0.0.0/8 accept`, append(with(proto4, addressMatch(prefix("10.0.0.0/8"), true, 12)...), &expr.Verdict{Kind: expr.VerdictAccept})...)
	add(`meta l4proto tcp tcp dport 22-23 reject with tcp reset`, with(tcp,
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: portBytes(22), ToData: portBytes(23)},
		&expr.Reject{Type: unix.NFT_REJECT_TCP_RST})...)
	add(`meta nfproto ipv4 ip saddr @bad limit rate 1/second burst 5 packets return`, with(proto4, saddr,
		&expr.Lookup{SourceRegister: 1, SetName: "bad"}, &expr.Limit{Type: expr.LimitTypePkts, Rate: 1, Unit: expr.LimitTimeSecond, Burst: 5},
		&expr.Verdict{Kind: expr.VerdictReturn})...)
	add(`ct state established accept`, expressions(Rule{Family: IPv4, Hook: Input, Verdict: Accept, States: []string{"established"}})...)
	require.NoError(t, c.Flush())
	return want
}

// List shows the rules of everybody: this backend, the other ones, and nft.
func TestListShowsEverybody(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		n := namespace(t)
		b := open(t, backend, n)
		require.Empty(t, listOf(t, b), "a fresh namespace has no rules")
		want := foreign(t, n)
		mine, err := b.Add(Rule{Family: IPv4, Hook: Forward, Verdict: Drop, In: "mine"})
		require.NoError(t, err)
		want = append(want, "-t filter -A FORWARD -i mine -j DROP")
		for _, other := range Available() {
			o := open(t, other, n)
			for _, f := range []Family{IPv4, IPv6} {
				_, err := o.Add(Rule{Family: f, Hook: Postrouting, Verdict: Masquerade, Out: "theirs"})
				require.NoError(t, err)
			}
			if other == NFTables {
				want = append(want, `ip netrig nat_postrouting: oifname "theirs" masquerade`, `ip6 netrig nat_postrouting: oifname "theirs" masquerade`)
			} else {
				want = append(want, "-t nat -A POSTROUTING -o theirs -j MASQUERADE", "-t nat -A POSTROUTING -o theirs -j MASQUERADE")
			}
		}
		all, err := b.List()
		require.NoError(t, err)
		var got []string
		for _, c := range all {
			got = append(got, c.Text)
			require.Equal(t, c.Text == "-t filter -A FORWARD -i mine -j DROP", c.ID == mine, "%+v", c)
		}
		require.ElementsMatch(t, want, got)
	})
}

// Every rule of this package reads well as nft text too, as another process
// sees it.
func TestTextOfOurRulesForOthers(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]Rule{
		"ip saddr 10.1.0.0/16 ip daddr != 10.2.0.3 iifname \"a*\" oifname != \"b\" meta l4proto tcp tcp sport 5 tcp dport 80 drop": {
			Family: IPv4, Hook: Forward, Verdict: Drop, Source: prefix("10.1.0.0/16"), Destination: prefix("10.2.0.3/32"), NotDestination: true,
			In: "a+", Out: "b", NotOut: true, Protocol: "tcp", SourcePort: 5, DestinationPort: 80},
		"ip6 saddr fd00::/64 meta l4proto ipv6-icmp icmpv6 type 128 ct state new reject with icmpv6 code 4": {
			Family: IPv6, Hook: Forward, Verdict: Reject, Source: prefix("fd00::/64"), Protocol: "icmpv6", ICMPType: Type(128), States: []string{"new"}},
		"meta l4proto icmp icmp type 8":          {Family: IPv4, Hook: Input, Protocol: "icmp", ICMPType: Type(8)},
		"meta l4proto udp dnat to 10.0.0.1:53":   {Family: IPv4, Hook: Prerouting, Verdict: DNAT, Protocol: "udp", To: addr("10.0.0.1"), ToPort: 53},
		"snat to fd00::1":                        {Family: IPv6, Hook: Postrouting, Verdict: SNAT, To: addr("fd00::1")},
		"meta l4proto tcp redirect to :3128":     {Family: IPv4, Hook: Prerouting, Verdict: Redirect, Protocol: "tcp", ToPort: 3128},
		"notrack":                                {Family: IPv4, Hook: Prerouting, Verdict: NoTrack},
		"meta l4proto tcp reject with tcp reset": {Family: IPv4, Hook: Input, Verdict: Reject, Protocol: "tcp", RejectWith: TCPReset},
	} {
		require.NoError(t, r.Validate())
		n := namespace(t)
		_, err := open(t, NFTables, n).Add(r)
		require.NoError(t, err)
		all, err := open(t, NFTables, n).List()
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.Contains(t, all[0].Text+"$", ": "+want+"$")
		require.True(t, all[0].Counter)
		require.Zero(t, all[0].ID)
	}
}
