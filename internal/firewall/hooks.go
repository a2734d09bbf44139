package firewall

import (
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// spread tells of every chain from which hooks packets reach it: those of the
// chains that hang on one, and from there along the jumps.
func spread(hooks map[string][]string, jumps map[string][]string) map[string][]string {
	all := map[string][]string{}
	var enter func(chain, hook string)
	enter = func(chain, hook string) {
		if slices.Contains(all[chain], hook) {
			return
		}
		all[chain] = append(all[chain], hook)
		for _, next := range jumps[chain] {
			enter(next, hook)
		}
	}
	for chain, list := range hooks {
		for _, hook := range list {
			enter(chain, hook)
		}
	}
	for _, list := range all {
		slices.Sort(list)
	}
	return all
}

// chainKey names a chain among all of a namespace.
func chainKey(family byte, table, chain string) string {
	return familyWord(family) + " " + table + " " + chain
}

// nftHooks are the hooks of every chain of the namespace, by chainKey.
func nftHooks(chains []*nftables.Chain, lines []nftLine) map[string][]string {
	hooks, jumps := map[string][]string{}, map[string][]string{}
	for _, c := range chains {
		if hook := hookWord(c); hook != "" {
			key := chainKey(byte(c.Table.Family), c.Table.Name, c.Name)
			hooks[key] = append(hooks[key], hook)
		}
	}
	for _, line := range lines {
		for _, e := range line.exprs {
			if v, ok := e.(*expr.Verdict); ok && v.Chain != "" {
				from := chainKey(line.family, line.table, line.chain)
				jumps[from] = append(jumps[from], chainKey(line.family, line.table, v.Chain))
			}
		}
	}
	return spread(hooks, jumps)
}

// hookWord is the hook that a chain hangs on, "" for none.
func hookWord(c *nftables.Chain) string {
	if c.Hooknum == nil {
		return ""
	}
	// The numbers of include/uapi/linux/netfilter.h, netfilter_arp.h and
	// netfilter_netdev.h.
	words := []string{"prerouting", "input", "forward", "output", "postrouting", "ingress"}
	switch byte(c.Table.Family) {
	case unix.NFPROTO_ARP:
		words = []string{"input", "output", "forward"}
	case unix.NFPROTO_NETDEV:
		words = []string{"ingress", "egress"}
	}
	if n := int(*c.Hooknum); n < len(words) {
		return words[n]
	}
	return ""
}

// savedHooks are the hooks of every chain of one of iptables' tables, by name.
func savedHooks(lines []savedLine) map[string][]string {
	hooks, jumps := map[string][]string{}, map[string][]string{}
	for _, builtin := range []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"} {
		hooks[builtin] = []string{strings.ToLower(builtin)}
	}
	for _, line := range lines {
		words := strings.Fields(line.text)
		for i := 1; i < len(words); i++ {
			if words[i-1] == "-j" || words[i-1] == "-g" {
				jumps[line.chain] = append(jumps[line.chain], words[i])
			}
		}
	}
	return spread(hooks, jumps)
}
