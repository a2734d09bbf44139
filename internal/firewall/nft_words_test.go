package firewall

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The text of a rule means to nft what the rule means: typed again, it makes the
// same rule.
func TestTextIsWhatNftTakes(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not installed")
	}
	for _, test := range []struct{ family, hook, typed, want string }{
		{"ip", "", "meta mark set 0x2", "meta mark set 0x2"},
		{"ip", "", "meta mark set meta mark and 0xfffffff0 or 0x2", "meta mark set meta mark & 0xfffffff2 | 0x2"},
		{"ip", "", "meta mark and 0xff == 0x1 drop", "meta mark & 0xff == 0x1 drop"},
		{"ip", "", "meta mark and 0xff != 0x1 drop", "meta mark & 0xff != 0x1 drop"},
		{"ip", "", "ct mark set meta mark", "ct mark set meta mark"},
		{"ip", "", "meta mark set ct mark", "meta mark set ct mark"},
		{"ip", "", "meta length > 1400 drop", "meta length > 1400 drop"},
		{"ip", "", "meta length 1400-1500 drop", "meta length 1400-1500 drop"},
		{"ip", "", "meta length 84 drop", "meta length 84 drop"},
		{"ip", "", "meta pkttype broadcast drop", "meta pkttype broadcast drop"},
		{"ip", "", "numgen inc mod 2 == 0 drop", "numgen inc mod 2 0 drop"},
		{"ip", "", "numgen random mod 10 offset 5 < 7 drop", "numgen random mod 10 offset 5 < 7 drop"},
		{"ip", "", "ip frag-off & 0x1fff != 0 drop", "ip frag-off & 0x1fff != 0x0 drop"},
		{"ip", "", "ip frag-off & 0x2000 == 0x2000 drop", "ip frag-off & 0x2000 == 0x2000 drop"},
		{"ip", "", "ip saddr & 0.0.0.255 == 0.0.0.7 drop", "ip saddr & 0xff == 0.0.0.7 drop"},
		{"ip", "", "ip saddr 10.0.0.0/9 drop", "ip saddr 10.0.0.0/9 drop"},
		{"ip", "", "ip saddr 10.0.0.0/8 drop", "ip saddr 10.0.0.0/8 drop"},
		{"ip", "", "tcp flags & (syn | ack) == syn drop", "meta l4proto tcp tcp flags & (syn | ack) == syn drop"},
		{"ip", "", "tcp flags & (fin|syn|rst|ack) != syn drop", "meta l4proto tcp tcp flags & (fin | syn | rst | ack) != syn drop"},
		{"ip", "", "ct state established,related accept", "ct state related,established accept"},
		{"ip", "", "ct state != established accept", "ct state != established accept"},
		{"ip", "", "ct status dnat accept", "ct status dnat accept"},
		{"ip", "", "ip daddr set 10.0.2.77", "ip daddr set 10.0.2.77"},
		{"ip6", "", "ip6 daddr set fd00::9", "ip6 daddr set fd00::9"},
		{"ip", "", "ip ttl set 1", "ip ttl set 1"},
		{"ip", "", "ip dscp set cs1", "@nh,0,16 set @nh,0,16 & 0xff23 | 0x20"},
		{"ip", "", "tcp dport 22-23 drop", "meta l4proto tcp tcp dport 22-23 drop"},
		{"ip", "", "tcp dport { 22, 80, 1000-2000 } drop", "meta l4proto tcp tcp dport { 22, 80, 1000-2000 } drop"},
		{"ip", "", "ip saddr . tcp dport { 10.0.0.1 . 22, 10.0.0.2 . 80 } drop", "meta l4proto tcp ip saddr . tcp dport { 10.0.0.1 . 22, 10.0.0.2 . 80 } drop"},
		{"ip", "", "tcp dport vmap { 22 : accept, 80 : drop }", "meta l4proto tcp tcp dport vmap { 22 : accept, 80 : drop }"},
		{"inet", "", "meta nfproto ipv4 icmp type echo-request drop", "meta nfproto ipv4 meta l4proto icmp icmp type 8 drop"},
		{"inet", "", "limit rate over 10/second burst 20 packets drop", "limit rate over 10/second burst 20 packets drop"},
		{"ip", "", "fib saddr . iif oif missing drop", "fib saddr . iif oif missing drop"},
		{"ip", "", "fib daddr type local drop", "fib daddr type local drop"},
		{"ip", "", "tcp option maxseg size set 1400", "tcp option maxseg size set 1400"},
		{"ip", "", "dup to 10.0.0.9", "dup to 10.0.0.9"},
		{"ip", "", "queue to 3", "queue to 3"},
		{"ip", "", "ip protocol { tcp, udp } drop", "ip protocol { tcp, udp } drop"},
		{"ip", "", "tcp dport != { 22, 80 } drop", "meta l4proto tcp tcp dport != { 22, 80 } drop"},
		{"ip", "", "ct state vmap { established : accept, invalid : drop }", "ct state vmap { invalid : drop, established : accept }"},
		{"ip", "", "ip saddr 10.0.0.1-10.0.0.9 drop", "ip saddr 10.0.0.1-10.0.0.9 drop"},
		{"ip", "", "ip saddr @known drop", "ip saddr @known drop"},
		{"ip", "", "ip saddr { 10.0.0.0/8, 192.168.1.0/24 } drop", "ip saddr { 10.0.0.0-10.255.255.255, 192.168.1.0-192.168.1.255 } drop"},
		{"ip", "", "update @known { ip saddr }", "update @known { ip saddr }"},
		{"ip", "", "ip dscp af11 drop", "@nh,8,8 & 0xfc == 0x28 drop"},
		{"ip", "", "ip hdrlength 6 drop", "@nh,0,8 & 0xf == 0x6 drop"},
		{"ip", "", "ip ttl < 5 drop", "ip ttl < 5 drop"},
		{"ip", "", "tcp dport set 81", "meta l4proto tcp tcp dport set 81"},
		{"ip", "", `log prefix "gone " drop`, `log prefix "gone " drop`},
		{"ip", "", "@th,0,16 0x1234 drop", "th sport 4660 drop"},
		{"ip6", "", "ip6 saddr fd00::/12 drop", "ip6 saddr fd00::/12 drop"},
		{"ip6", "", "icmpv6 type nd-neighbor-solicit drop", "meta l4proto ipv6-icmp icmpv6 type 135 drop"},
		{"ip6", "", "exthdr frag exists drop", "exthdr frag exists drop"},
		{"bridge", "", "vlan id 5 drop", "ether type vlan @ll,112,16 & 0xfff == 0x5 drop"},
		{"ip", "", "iif lo drop", `iif "lo" drop`},
		{"ip", "type nat hook postrouting priority 100;", "snat to 10.0.0.1-10.0.0.5", "snat to 10.0.0.1-10.0.0.5"},
		{"ip", "type nat hook prerouting priority 100;", "dnat to numgen inc mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }", "dnat to numgen inc mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }"},
		{"bridge", "type filter hook prerouting priority -300;", "ether daddr set 02:00:00:00:00:77", "ether daddr set 02:00:00:00:00:77"},
		{"bridge", "", "ether saddr 02:00:00:00:00:77 drop", "ether saddr 02:00:00:00:00:77 drop"},
		{"bridge", "", "ether type ip ip daddr 10.0.0.1 drop", "ether type ip ip daddr 10.0.0.1 drop"},
		{"arp", "type filter hook input priority 0;", "arp operation reply drop", "arp operation reply drop"},
		{"netdev", "type filter hook ingress device lo priority 0;", "fwd to lo", `fwd to "lo"`},
		{"netdev", "type filter hook ingress device lo priority 0;", "dup to lo", `dup to "lo"`},
	} {
		t.Run(test.family+" "+test.typed, func(t *testing.T) {
			n := namespace(t)
			hook := test.hook
			if hook == "" {
				hook = "type filter hook prerouting priority 0;"
			}
			nft := func(words string) (out string) {
				require.NoError(t, n.Do(func() error {
					raw, _ := exec.Command("nft", words).CombinedOutput()
					out = string(raw)
					return nil
				}))
				return out
			}
			// text is that of a rule, and how nft itself lists it.
			text := func(rule string) (ours, theirs string) {
				at := test.family + " t c"
				require.Empty(t, nft("table "+test.family+" t { set known { type ipv4_addr; flags dynamic; }; chain c { "+hook+" }; }; flush chain "+at))
				if out := nft("add rule " + at + " " + rule); out != "" {
					t.Skipf("this nft or kernel does not take the rule: %s", out)
				}
				all, err := open(t, NFTables, n).List()
				require.NoError(t, err)
				require.Len(t, all, 1)
				_, ours, _ = strings.Cut(all[0].Text, ": ")
				return ours, nft("list chain " + at)
			}
			first, listed := text(test.typed)
			require.Equal(t, test.want, first)
			again, listedAgain := text(first)
			require.Equal(t, first, again, "typed again")
			require.Equal(t, listed, listedAgain, "what nft lists of it")
		})
	}
}
