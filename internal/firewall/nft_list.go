package firewall

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/ns"
)

func (b *nft) List() ([]Counted, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.begin(); err != nil {
		return nil, fmt.Errorf("list the rules: %w", err)
	}
	all, err := b.listAll()
	if err != nil {
		return nil, fmt.Errorf("list the rules: %w", err)
	}
	return counted(all), nil
}

// listAll is every rule of the namespace, those of b with their IDs.
func (b *nft) listAll() ([]listed, error) {
	if err := b.begin(); err != nil {
		return nil, err
	}
	chains, err := b.conn.ListChains()
	if err != nil {
		b.abandon()
		if lacksNFTables(err) {
			return listLegacy(b.ns)
		}
		return nil, fmt.Errorf("list the nftables chains: %w", err)
	}
	var lines []nftLine
	if len(chains) > 0 {
		if lines, err = b.dump(nil); err != nil {
			return nil, err
		}
	}
	all, read, err := byPrograms(b.ns, lines, chains)
	if err != nil {
		return nil, err
	}
	hooks := nftHooks(chains, lines)
	for _, c := range chains {
		at := hooks[chainKey(byte(c.Table.Family), c.Table.Name, c.Name)]
		if read[tableID{byte(c.Table.Family), c.Table.Name}] {
			continue
		}
		if c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop {
			all = append(all, listed{Counted{Text: policyText(c), Hooks: at, Family: familyOf(byte(c.Table.Family))}, fromNFTables})
		}
		for _, line := range lines {
			if line.chain == c.Name && line.table == c.Table.Name && line.family == byte(c.Table.Family) {
				rule := b.counted(line)
				rule.Hooks = at
				all = append(all, listed{rule, fromNFTables})
			}
		}
	}
	old, err := listLegacy(b.ns)
	return append(all, old...), err
}

func (b *nft) counted(line nftLine) Counted {
	c := Counted{Family: familyOf(line.family)}
	c.Counter, c.Packets, c.Bytes = counterOf(line.exprs)
	for id, known := range b.rules {
		if bytes.Equal(line.userData, id.tag()) {
			c.ID, c.Text = id, known.Rule.String()
			return c
		}
	}
	c.Text = fmt.Sprintf("%s %s %s: %s", familyWord(line.family), line.table, line.chain, nftText(line, b.asker(line)))
	return c
}

type tableID struct {
	family byte
	name   string
}

// byPrograms reads the tables that iptables over nf_tables made, if there are
// such, by its own programs: their rules hold extensions of iptables in the
// kernel's binary form.
func byPrograms(n *ns.Namespace, lines []nftLine, chains []*nftables.Chain) (all []listed, read map[tableID]bool, err error) {
	theirs := make(map[tableID]bool)
	for _, c := range chains {
		id := tableID{byte(c.Table.Family), c.Table.Name}
		if iptablesTable(id.name) && c.Hooknum != nil && c.Name == strings.ToUpper(c.Name) && familyOf(id.family) != 0 {
			theirs[id] = true
		}
	}
	read = make(map[tableID]bool)
	if len(theirs) == 0 {
		return nil, read, nil
	}
	programs, err := programsOf[IPTables]()
	if err != nil {
		return nil, read, nil // nftText shows what it can
	}
	for _, family := range []Family{IPv4, IPv6} {
		for _, table := range []string{tableRaw, tableMangle, tableNAT, tableFilter, "security"} {
			id := tableID{byte(nftFamily(family)), table}
			if !theirs[id] {
				continue
			}
			saved, err := saved(n, programs.save[family], table)
			if err != nil || countRules(saved) != countLines(lines, id) {
				continue // it has rules that nft added, which the program does not show
			}
			read[id] = true
			all = append(all, ofSaved(saved, family, fromNFTables)...)
		}
	}
	return all, read, nil
}

func iptablesTable(name string) bool {
	switch name {
	case tableRaw, tableMangle, tableNAT, tableFilter, "security":
		return true
	}
	return false
}

func countRules(lines []savedLine) (count int) {
	for _, line := range lines {
		if !line.policy {
			count++
		}
	}
	return count
}

func countLines(lines []nftLine, id tableID) (count int) {
	for _, line := range lines {
		if line.family == id.family && line.table == id.name {
			count++
		}
	}
	return count
}

// policyText is the policy DROP of a chain.
func policyText(c *nftables.Chain) string {
	if c.Table.Name == nftTable {
		table, hook, _ := strings.Cut(c.Name, "_")
		return "-t " + table + " -P " + strings.ToUpper(hook) + " DROP"
	}
	return fmt.Sprintf("%s %s %s: policy drop", familyWord(byte(c.Table.Family)), c.Table.Name, c.Name)
}

func familyOf(number byte) Family {
	switch number {
	case unix.NFPROTO_IPV4:
		return IPv4
	case unix.NFPROTO_IPV6:
		return IPv6
	}
	return 0
}

// familyWord is the family of a table, as nft names it.
func familyWord(number byte) string {
	switch number {
	case unix.NFPROTO_INET:
		return "inet"
	case unix.NFPROTO_IPV4:
		return "ip"
	case unix.NFPROTO_ARP:
		return "arp"
	case unix.NFPROTO_NETDEV:
		return "netdev"
	case unix.NFPROTO_BRIDGE:
		return "bridge"
	case unix.NFPROTO_IPV6:
		return "ip6"
	}
	return fmt.Sprintf("family %d", number)
}

// counterOf is the counter among the expressions of a rule.
func counterOf(exprs []expr.Any) (found bool, packets, bytes uint64) {
	for _, e := range exprs {
		if c, ok := e.(*expr.Counter); ok {
			return true, c.Packets, c.Bytes
		}
	}
	return false, 0, 0
}
