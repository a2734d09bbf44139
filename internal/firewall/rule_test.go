package firewall

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }

// specimens are rules with every field, and what a person would type.
var specimens = []struct {
	rule Rule
	text string
}{
	{Rule{Family: IPv4, Hook: Forward}, "-t filter -A FORWARD"},
	{Rule{Family: IPv4, Hook: Postrouting, Verdict: Masquerade, Source: prefix("192.168.1.0/24"), Out: "eth0"},
		"-t nat -A POSTROUTING -s 192.168.1.0/24 -o eth0 -j MASQUERADE"},
	{Rule{Family: IPv4, Hook: Postrouting, Verdict: Masquerade, Source: prefix("172.17.5.9/16"), Out: "br0", NotOut: true},
		"-t nat -A POSTROUTING -s 172.17.0.0/16 ! -o br0 -j MASQUERADE"},
	{Rule{Family: IPv4, Hook: Prerouting, Verdict: DNAT, In: "br0", NotIn: true, Protocol: "tcp", DestinationPort: 8080, To: addr("172.17.0.2"), ToPort: 80},
		"-t nat -A PREROUTING ! -i br0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80"},
	{Rule{Family: IPv4, Hook: Output, Verdict: DNAT, Destination: prefix("10.0.0.0/8"), NotDestination: true, To: addr("172.17.0.2")},
		"-t nat -A OUTPUT ! -d 10.0.0.0/8 -j DNAT --to-destination 172.17.0.2"},
	{Rule{Family: IPv4, Hook: Input, Verdict: SNAT, Protocol: "udp", To: addr("10.0.0.1"), ToPort: 99},
		"-t nat -A INPUT -p udp -j SNAT --to-source 10.0.0.1:99"},
	{Rule{Family: IPv4, Hook: Prerouting, Verdict: Redirect, Protocol: "tcp", SourcePort: 7, ToPort: 3128},
		"-t nat -A PREROUTING -p tcp -m tcp --sport 7 -j REDIRECT --to-ports 3128"},
	{Rule{Family: IPv4, Hook: Output, Verdict: Redirect}, "-t nat -A OUTPUT -j REDIRECT"},
	{Rule{Family: IPv4, Hook: Forward, Verdict: Accept, States: []string{"established", "related"}},
		"-t filter -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"},
	{Rule{Family: IPv4, Hook: Input, Verdict: Drop, Protocol: "udp", SourcePort: 1, DestinationPort: 2, States: []string{"untracked", "new", "invalid"}},
		"-t filter -A INPUT -p udp -m udp --sport 1 --dport 2 -m conntrack --ctstate INVALID,NEW,UNTRACKED -j DROP"},
	{Rule{Family: IPv4, Hook: Forward, Verdict: Reject, In: "a+", Out: "b"},
		"-t filter -A FORWARD -i a+ -o b -j REJECT --reject-with icmp-port-unreachable"},
	{Rule{Family: IPv4, Hook: Forward, Verdict: Reject, RejectWith: HostUnreachable}, "-t filter -A FORWARD -j REJECT --reject-with icmp-host-unreachable"},
	{Rule{Family: IPv4, Hook: Forward, Verdict: Reject, RejectWith: NetUnreachable}, "-t filter -A FORWARD -j REJECT --reject-with icmp-net-unreachable"},
	{Rule{Family: IPv4, Hook: Output, Verdict: Reject, RejectWith: AdminProhibited}, "-t filter -A OUTPUT -j REJECT --reject-with icmp-admin-prohibited"},
	{Rule{Family: IPv4, Hook: Input, Verdict: Reject, Protocol: "tcp", RejectWith: TCPReset}, "-t filter -A INPUT -p tcp -j REJECT --reject-with tcp-reset"},
	{Rule{Family: IPv4, Hook: Prerouting, Verdict: NoTrack, Protocol: "icmp", ICMPType: Type(8)}, "-t raw -A PREROUTING -p icmp -m icmp --icmp-type 8 -j CT --notrack"},
	{Rule{Family: IPv4, Hook: Prerouting, Verdict: Drop, Source: prefix("10.0.0.7/32"), NotSource: true}, "-t mangle -A PREROUTING ! -s 10.0.0.7/32 -j DROP"},
	{Rule{Family: IPv4, Hook: Postrouting, Verdict: Accept, Source: prefix("0.0.0.0/0")}, "-t mangle -A POSTROUTING -j ACCEPT"},
	{Rule{Family: IPv4, Hook: Forward, Protocol: "icmp", ICMPType: Type(0)}, "-t filter -A FORWARD -p icmp -m icmp --icmp-type 0"},
	{Rule{Family: IPv4, Hook: Forward, Protocol: "esp"}, "-t filter -A FORWARD -p esp"},
	{Rule{Family: IPv4, Hook: Forward, Protocol: "ah"}, "-t filter -A FORWARD -p ah"},
	{Rule{Family: IPv4, Hook: Forward, Protocol: "sctp", DestinationPort: 9}, "-t filter -A FORWARD -p sctp -m sctp --dport 9"},

	{Rule{Family: IPv6, Hook: Forward, Verdict: Drop, Source: prefix("fd00:1::/64"), Destination: prefix("fd00:2::2/128")},
		"-t filter -A FORWARD -s fd00:1::/64 -d fd00:2::2/128 -j DROP"},
	{Rule{Family: IPv6, Hook: Forward, Protocol: "icmpv6", ICMPType: Type(128)}, "-t filter -A FORWARD -p ipv6-icmp -m icmp6 --icmpv6-type 128"},
	{Rule{Family: IPv6, Hook: Postrouting, Verdict: Masquerade, Out: "eth0"}, "-t nat -A POSTROUTING -o eth0 -j MASQUERADE"},
	{Rule{Family: IPv6, Hook: Postrouting, Verdict: SNAT, To: addr("fd00::1")}, "-t nat -A POSTROUTING -j SNAT --to-source fd00::1"},
	{Rule{Family: IPv6, Hook: Prerouting, Verdict: DNAT, Protocol: "tcp", To: addr("fd00::1"), ToPort: 80}, "-t nat -A PREROUTING -p tcp -j DNAT --to-destination [fd00::1]:80"},
	{Rule{Family: IPv6, Hook: Forward, Verdict: Reject}, "-t filter -A FORWARD -j REJECT --reject-with icmp6-port-unreachable"},
	{Rule{Family: IPv6, Hook: Forward, Verdict: Reject, RejectWith: HostUnreachable}, "-t filter -A FORWARD -j REJECT --reject-with icmp6-addr-unreachable"},
	{Rule{Family: IPv6, Hook: Forward, Verdict: Reject, RejectWith: NetUnreachable}, "-t filter -A FORWARD -j REJECT --reject-with icmp6-no-route"},
	{Rule{Family: IPv6, Hook: Forward, Verdict: Reject, RejectWith: AdminProhibited}, "-t filter -A FORWARD -j REJECT --reject-with icmp6-adm-prohibited"},
	{Rule{Family: IPv6, Hook: Output, Verdict: NoTrack}, "-t raw -A OUTPUT -j CT --notrack"},
}

func TestString(t *testing.T) {
	for _, s := range specimens {
		assert.Equal(t, s.text, s.rule.String())
		assert.NoError(t, s.rule.Validate())
	}
}

// What String says is what is in force afterwards, on every backend; on those
// of iptables, iptables-save prints exactly that.
func TestStringIsWhatIsInForce(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		n := namespace(t)
		b := open(t, backend, n)
		want := map[string]int{}
		for _, s := range specimens {
			id, err := b.Add(s.rule)
			require.NoError(t, err)
			want[s.text]++
			counts, err := b.Counters(id)
			require.NoError(t, err)
			require.Equal(t, []Counter{{}}, counts)
			if backend == NFTables {
				continue
			}
			saved := save(t, n, backend, s.rule.Family, s.rule.Table())
			require.Contains(t, saved, strings.TrimPrefix(s.text, "-t "+s.rule.Table()+" "))
		}
		all, err := b.List()
		require.NoError(t, err)
		got, ids := map[string]int{}, map[ID]bool{}
		for _, c := range all {
			got[c.Text]++
			ids[c.ID] = true
			require.True(t, c.Counter)
		}
		require.Equal(t, want, got)
		require.Len(t, ids, len(specimens), "every rule has its own ID")
		require.NotContains(t, ids, ID(0))
	})
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]Rule{
		"needs its Family": {Hook: Forward},
		"needs its Hook":   {Family: IPv4},
		"the IPv4 rule -t nat -A FORWARD -j MASQUERADE can't be: Masquerade works at POSTROUTING only, not at FORWARD": {Family: IPv4, Hook: Forward, Verdict: Masquerade},
		"SNAT works at INPUT and POSTROUTING only":                             {Family: IPv4, Hook: Prerouting, Verdict: SNAT, To: addr("10.0.0.1")},
		"DNAT works at PREROUTING and OUTPUT only":                             {Family: IPv4, Hook: Postrouting, Verdict: DNAT, To: addr("10.0.0.1")},
		"Redirect works at PREROUTING and OUTPUT only":                         {Family: IPv4, Hook: Input, Verdict: Redirect},
		"NoTrack works at PREROUTING and OUTPUT only":                          {Family: IPv4, Hook: Forward, Verdict: NoTrack},
		"Reject works at INPUT and FORWARD and OUTPUT only":                    {Family: IPv4, Hook: Prerouting, Verdict: Reject},
		"there is no Verdict(77)":                                              {Family: IPv4, Hook: Forward, Verdict: 77},
		"there is no RejectWith(9)":                                            {Family: IPv4, Hook: Forward, Verdict: Reject, RejectWith: 9},
		"SNAT needs the new address, To":                                       {Family: IPv4, Hook: Postrouting, Verdict: SNAT},
		"To fd00::1 is not an IPv4 address":                                    {Family: IPv4, Hook: Postrouting, Verdict: SNAT, To: addr("fd00::1")},
		"To ::ffff:10.0.0.1 is not an IPv6 address":                            {Family: IPv6, Hook: Postrouting, Verdict: SNAT, To: addr("::ffff:10.0.0.1")},
		"To fe80::1%3 has a zone":                                              {Family: IPv6, Hook: Prerouting, Verdict: DNAT, To: addr("fe80::1%3")},
		"To 0.0.0.0 is not an address that packets can go to":                  {Family: IPv4, Hook: Prerouting, Verdict: DNAT, To: addr("0.0.0.0")},
		"To is for SNAT and DNAT only":                                         {Family: IPv4, Hook: Forward, Verdict: Drop, To: addr("10.0.0.1")},
		"ToPort is for SNAT, DNAT and Redirect only":                           {Family: IPv4, Hook: Forward, Verdict: Drop, Protocol: "tcp", ToPort: 1},
		"ToPort needs Protocol tcp, udp or sctp":                               {Family: IPv4, Hook: Prerouting, Verdict: DNAT, To: addr("10.0.0.1"), ToPort: 80},
		"RejectWith is for Reject only":                                        {Family: IPv4, Hook: Forward, Verdict: Drop, RejectWith: NetUnreachable},
		"TCPReset needs Protocol tcp":                                          {Family: IPv4, Hook: Forward, Verdict: Reject, Protocol: "udp", RejectWith: TCPReset},
		"NotSource without Source":                                             {Family: IPv4, Hook: Forward, NotSource: true},
		"Destination is not a valid prefix":                                    {Family: IPv4, Hook: Forward, Destination: netip.PrefixFrom(addr("10.0.0.1"), 99)},
		"Source fd00::/64 is not an IPv4 prefix":                               {Family: IPv4, Hook: Forward, Source: prefix("fd00::/64")},
		"not Source 0.0.0.0/0 matches no packet at all":                        {Family: IPv4, Hook: Forward, Source: prefix("0.0.0.0/0"), NotSource: true},
		"NotIn without In":                                                     {Family: IPv4, Hook: Forward, NotIn: true},
		`In "eth0" at POSTROUTING`:                                             {Family: IPv4, Hook: Postrouting, In: "eth0"},
		`Out "eth0" at INPUT`:                                                  {Family: IPv4, Hook: Input, Out: "eth0"},
		`In "abcdefghijklmnop" has 16 bytes, and an interface name at most 15`: {Family: IPv4, Hook: Forward, In: "abcdefghijklmnop"},
		`Out "+" matches every interface: leave Out empty`:                     {Family: IPv4, Hook: Forward, Out: "+"},
		`In "a b" is not an interface name`:                                    {Family: IPv4, Hook: Forward, In: "a b"},
		`Protocol "gopher" is not one of tcp`:                                  {Family: IPv4, Hook: Forward, Protocol: "gopher"},
		"Protocol icmp does not exist over IPv6":                               {Family: IPv6, Hook: Forward, Protocol: "icmp"},
		"Protocol icmpv6 does not exist over IPv4":                             {Family: IPv4, Hook: Forward, Protocol: "icmpv6"},
		"ports need Protocol tcp, udp or sctp":                                 {Family: IPv4, Hook: Forward, DestinationPort: 80},
		"ICMPType needs Protocol icmp or icmpv6":                               {Family: IPv4, Hook: Forward, ICMPType: Type(8)},
		`there is no state ["fresh"]`:                                          {Family: IPv4, Hook: Forward, States: []string{"new", "fresh"}},
		"States with NoTrack":                                                  {Family: IPv4, Hook: Output, Verdict: NoTrack, States: []string{"new"}},
		"NotIn without In; ports need":                                         {Family: IPv4, Hook: Forward, NotIn: true, SourcePort: 1},
	} {
		assert.ErrorContains(t, r.Validate(), want)
	}
}

// No backend gets to see an invalid rule or policy.
func TestInvalidIsRefused(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		b := open(t, backend, namespace(t))
		_, err := b.Add(Rule{Family: IPv4, Hook: Forward, Verdict: Masquerade})
		require.ErrorContains(t, err, "works at POSTROUTING only")
		require.ErrorContains(t, b.Policy(IPv4, Postrouting, Drop), "no policy for POSTROUTING")
		require.ErrorContains(t, b.Policy(IPv6, Forward, Reject), "Accept or Drop, not Reject")
		require.ErrorContains(t, b.Policy(0, Forward, Drop), "needs its Family")
		require.ErrorIs(t, b.Remove(12345678), errNotAdded)
		require.Empty(t, listOf(t, b))
	})
	_, err := Open("pf", nil)
	require.EqualError(t, err, `no firewall backend is called "pf"; there are nftables, iptables, iptables-legacy`)
	require.EqualError(t, Probe("pf"), err.Error())
}
