package firewall

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/ns"
)

// A namespace has two packet filters, which know nothing of each other.
const (
	fromNFTables = "nftables"
	fromLegacy   = "legacy"
)

// listed is a rule with the packet filter that it is in.
type listed struct {
	Counted
	source string
}

func counted(all []listed) []Counted {
	rules := make([]Counted, len(all))
	for i, line := range all {
		rules[i] = line.Counted
	}
	return rules
}

// listAll is every rule of the namespace, without IDs.
func listAll(n *ns.Namespace) ([]listed, error) {
	b, err := openNFT(n)
	if err != nil {
		if lacksNFTables(err) {
			return listLegacy(n)
		}
		return nil, err
	}
	defer b.Close()
	all, err := b.listAll()
	return all, err
}

// lacksNFTables reports whether err is the answer of a kernel that has no
// nf_tables, and therefore no rules in it.
func lacksNFTables(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPROTONOSUPPORT)
}

// listLegacy is what the old packet filter holds. Its programs would load the
// tables of which they are asked the contents, so they are asked only of those
// that there are.
func listLegacy(n *ns.Namespace) ([]listed, error) {
	var all []listed
	for _, family := range []Family{IPv4, IPv6} {
		tables, err := legacyTables(n, family)
		if err != nil {
			return nil, err
		}
		if len(tables) == 0 {
			continue
		}
		programs, err := programsOf[IPTablesLegacy]()
		if err != nil {
			for _, table := range tables {
				text := fmt.Sprintf("-t %s: the rules of this table of legacy iptables can't be read: %v", table, err)
				all = append(all, listed{Counted{Text: text, Family: family}, fromLegacy})
			}
			continue
		}
		for _, table := range tables {
			lines, err := saved(n, programs.save[family], table)
			if err != nil {
				return nil, err
			}
			all = append(all, ofSaved(lines, family, fromLegacy)...)
		}
	}
	return all, nil
}

// legacyTables are the tables of legacy iptables that there are in the
// namespace.
func legacyTables(n *ns.Namespace, f Family) (tables []string, err error) {
	name := "/proc/thread-self/net/ip_tables_names"
	if f == IPv6 {
		name = "/proc/thread-self/net/ip6_tables_names"
	}
	err = n.Do(func() error {
		text, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			return nil // nobody has used legacy iptables since the machine started
		}
		tables = strings.Fields(string(text))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find the tables of legacy iptables: %w", err)
	}
	return tables, nil
}

// saved is one table as the program prints it.
func saved(n *ns.Namespace, program, table string) ([]savedLine, error) {
	out, err := run(n, program, "-c", "-t", table)
	if err != nil {
		return nil, err
	}
	return parseSave(out)
}

// ofSaved are the lines of one table as rules.
func ofSaved(lines []savedLine, f Family, source string) []listed {
	hooks := savedHooks(lines)
	all := make([]listed, len(lines))
	for i, l := range lines {
		all[i] = listed{Counted{Text: l.text, Hooks: hooks[l.chain], Family: f, Counter: true, Packets: l.packets, Bytes: l.bytes}, source}
	}
	return all
}
