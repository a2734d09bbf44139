package firewall

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/netrig/netrig/internal/ns"
)

// iptables is the backend of either variant of the iptables programs. A rule
// is found again by its text and its rank among the equal ones in its chain.
// No comment marks it: it reads as a person would have typed it, and kernels
// without xt_comment can have it.
type iptables struct {
	name string
	ns   *ns.Namespace
	programs

	mu    sync.Mutex
	rules map[ID]*iptablesRule
}

type iptablesRule struct {
	Rule
	text string // as iptables-save prints it
	rank int    // how many equal ones precede it in its chain
}

func openIPTables(name string, n *ns.Namespace) (*iptables, error) {
	found, err := programsOf[name]()
	if err != nil {
		return nil, fmt.Errorf("firewall backend %s: %w", name, err)
	}
	return &iptables{name: name, ns: n, programs: found, rules: make(map[ID]*iptablesRule)}, nil
}

func (b *iptables) Name() string { return b.name }

func (b *iptables) Add(r Rule) (ID, error) {
	if err := r.Validate(); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	added, err := b.add(r)
	if err != nil {
		return 0, fmt.Errorf("add the %s rule %s: %w%s", r.Family, r, err, iptablesHint(b.name, r, err))
	}
	id := newID()
	b.rules[id] = added
	return id, nil
}

func (b *iptables) add(r Rule) (*iptablesRule, error) {
	args := append([]string{"-w"}, strings.Fields(r.String())...)
	if _, err := run(b.ns, b.change[r.Family], args...); err != nil {
		return nil, err
	}
	chain, err := b.chain(r, tables{})
	if err != nil {
		return nil, err
	}
	added := &iptablesRule{Rule: r, text: r.String(), rank: -1}
	for _, line := range chain {
		if line.text == added.text {
			added.rank++
		}
	}
	if added.rank < 0 {
		return nil, fmt.Errorf("iptables-save does not print it after it was added; the chain is %q", texts(chain))
	}
	return added, nil
}

// tables are tables as the programs print them, each asked for once.
type tables map[tableOf][]savedLine

type tableOf struct {
	family Family
	table  string
}

// chain is the chain of r, as it is in force; its table is asked for unless it
// is among those seen.
func (b *iptables) chain(r Rule, seen tables) (chain []savedLine, err error) {
	in := tableOf{r.Family, r.Table()}
	lines, ok := seen[in]
	if !ok {
		if lines, err = saved(b.ns, b.save[r.Family], r.Table()); err != nil {
			return nil, err
		}
		seen[in] = lines
	}
	for _, line := range lines {
		if line.chain == r.Hook.String() && !line.policy {
			chain = append(chain, line)
		}
	}
	return chain, nil
}

// find returns the rule id, as it is in force, and its number in its chain,
// from 1.
func (b *iptables) find(id ID, seen tables) (known *iptablesRule, line savedLine, number int, err error) {
	known, ok := b.rules[id]
	if !ok {
		return &iptablesRule{}, line, 0, errNotAdded
	}
	chain, err := b.chain(known.Rule, seen)
	if err != nil {
		return known, line, 0, err
	}
	rank := -1
	for i, line := range chain {
		if line.text == known.text {
			rank++
		}
		if rank == known.rank {
			return known, line, i + 1, nil
		}
	}
	return known, line, 0, errGone
}

func (b *iptables) Counters(ids ...ID) ([]Counter, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts, seen := make([]Counter, len(ids)), tables{}
	for i, id := range ids {
		known, line, _, err := b.find(id, seen)
		if err != nil {
			return nil, about("read the counters of", id, known.Rule, err)
		}
		counts[i] = Counter{line.packets, line.bytes}
	}
	return counts, nil
}

func (b *iptables) Remove(id ID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	known, _, number, err := b.find(id, tables{})
	if err == nil {
		_, err = run(b.ns, b.change[known.Family], "-w", "-t", known.Table(), "-D", known.Hook.String(), strconv.Itoa(number))
	}
	if err != nil {
		return about("remove", id, known.Rule, err)
	}
	delete(b.rules, id)
	for _, other := range b.rules {
		if other.Family == known.Family && other.text == known.text && other.rank > known.rank {
			other.rank--
		}
	}
	if b.name == IPTables && known.tracks() {
		if err := settle(b.ns); err != nil {
			return about("see the end of", id, known.Rule, err)
		}
	}
	return nil
}

func (b *iptables) Policy(f Family, h Hook, v Verdict) error {
	if err := validPolicy(f, h, v); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err := run(b.ns, b.change[f], "-w", "-t", tableFilter, "-P", h.String(), strings.ToUpper(v.String()))
	if err != nil {
		return fmt.Errorf("set the %s policy of %s to %s: %w%s", f, h, v, err, iptablesHint(b.name, Rule{}, err))
	}
	return nil
}

func (b *iptables) List() ([]Counted, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all, err := listAll(b.ns)
	if err != nil {
		return nil, err
	}
	source := fromNFTables
	if b.name == IPTablesLegacy {
		source = fromLegacy
	}
	for id, known := range b.rules {
		rank := -1
		for i, line := range all {
			if line.source == source && line.Family == known.Family && line.Text == known.text {
				rank++
			}
			if rank == known.rank {
				all[i].ID = id
				break
			}
		}
	}
	return counted(all), nil
}

func (b *iptables) Close() error { return nil }

func texts(lines []savedLine) (all []string) {
	for _, line := range lines {
		all = append(all, line.text)
	}
	return all
}
