package harness_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The kernel has the rules as they were added, and says so as ip-rule(8) does.
func TestRoutingRules(t *testing.T) {
	t.Parallel()
	_, a, _, _ := pair(t)
	rules := []harness.RoutingRule{
		{Priority: 10, From: "10.0.0.0/8", To: "172.16.0.1", Table: 100},
		{Priority: 20, From: "fd01::/64", Table: 1000},
		{Priority: 30, In: "veth0", Out: "veth0", Not: true, Table: 254, SuppressPrefix: new(0), From: "192.168.9.0/24"},
		{Priority: 40, Mark: 0x10, Mask: 0xf0, Type: "prohibit"},
		{Priority: 50, Mark: 7, Table: 7},
	}
	for _, r := range rules {
		a.AddRoutingRule(r)
	}
	require.Equal(t, []string{
		"0: from all lookup 255",
		"10: from 10.0.0.0/8 to 172.16.0.1/32 lookup 100",
		"30: not from 192.168.9.0/24 iif veth0 oif veth0 lookup 254 suppress_prefixlength 0",
		"40: from all fwmark 0x10/0xf0 prohibit",
		"50: from all fwmark 0x7 lookup 7",
		"32766: from all lookup 254",
		"32767: from all lookup 253",
		"IPv6 0: from all lookup 255",
		"IPv6 20: from fd01::/64 lookup 1000",
		"IPv6 40: from all fwmark 0x10/0xf0 prohibit",
		"IPv6 50: from all fwmark 0x7 lookup 7",
		"IPv6 32766: from all lookup 254",
	}, ruleTexts(a))
	for _, r := range rules {
		a.DelRoutingRule(r)
	}
	require.Len(t, ruleTexts(a), 5)
}

func ruleTexts(n *harness.Node) (all []string) {
	for _, r := range n.RoutingRules() {
		text := r.String()
		if r.IPv6 {
			text = "IPv6 " + text
		}
		all = append(all, text)
	}
	return all
}

// A route may have several ways, and the kernel says which of them are dead.
func TestHops(t *testing.T) {
	t.Parallel()
	lab, a, b, _ := pair(t)
	cable := lab.Connect(a.Port("veth2", "192.168.7.1/24", "fd07::1/64"), b.Port("veth3", "192.168.7.2/24", "fd07::2/64"))
	a.AddRoute("10.0.0.0/8", "", harness.Hop("192.168.0.2", "", 1), harness.Hop("192.168.7.2", "veth2", 3))
	a.AddRoute("fd09::/64", "", harness.Hop("fd00::2", "", 2), harness.Hop("fd07::2", "", 1), harness.Metric(5))
	several := func() (all []string) {
		for _, r := range a.Routes() {
			if r.NextHops != nil {
				all = append(all, r.String())
			}
		}
		return all
	}
	assert.Equal(t, []string{
		"10.0.0.0/8 proto boot nexthop via 192.168.0.2 dev veth0 weight 1 nexthop via 192.168.7.2 dev veth2 weight 3",
		"fd09::/64 proto boot metric 5 nexthop via fd00::2 dev veth0 weight 2 nexthop via fd07::2 dev veth2 weight 1",
	}, several())
	a.SetSysctl("net.ipv4.conf.veth2.ignore_routes_with_linkdown", 1)
	cable.B.Down()
	assert.Equal(t, []string{
		"10.0.0.0/8 proto boot nexthop via 192.168.0.2 dev veth0 weight 1 nexthop via 192.168.7.2 dev veth2 weight 3 dead linkdown",
		"fd09::/64 proto boot metric 5 nexthop via fd00::2 dev veth0 weight 2 nexthop via fd07::2 dev veth2 weight 1 linkdown",
	}, several())
}

// Selectors that RoutingRule has no field for are told as ip-rule(8) prints them.
func TestOtherSelectorsOfRoutingRules(t *testing.T) {
	t.Parallel()
	harness.RequireProgram(t, "ip")
	n := harness.New(t).Node("n")
	for _, words := range []string{
		"from 10.0.0.0/8 ipproto tcp dport 80 lookup 100", "from all tos 0x10 lookup 100", "from all uidrange 0-0 lookup 100", // an ordinary user has no other here

		"from all fwmark 0x2 ipproto udp sport 53 dport 1024-2048 blackhole",
	} {
		n.Run("ip", append([]string{"rule", "add", "priority", "100"}, strings.Fields(words)...)...)
		i := slices.IndexFunc(n.RoutingRules(), func(r harness.RoutingRuleEntry) bool { return r.Priority == 100 })
		require.GreaterOrEqual(t, i, 0, words)
		e := n.RoutingRules()[i]
		require.Equal(t, "100: "+words, e.String())
		require.NotEmpty(t, e.Other)
		n.Run("ip", "rule", "del", "priority", "100")
	}
}
