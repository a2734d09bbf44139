package firewall

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/ns"
)

// nftTable is the name of the tables of this package, one a family.
const nftTable = "netrig"

// nftPatience is how long the kernel may take over one request. The first one
// on a machine loads modules; a kernel without nf_tables never answers at all.
const nftPatience = 5 * time.Second

var lastID atomic.Uint64

func newID() ID { return ID(lastID.Add(1)) }

// nft is the backend that speaks netlink itself.
type nft struct {
	ns *ns.Namespace

	mu    sync.Mutex
	conn  *nftables.Conn
	raw   *netlink.Conn // the socket of conn, for its deadline
	rules map[ID]nftRule
}

type nftRule struct {
	Rule
	in *nftables.Chain
}

func openNFT(n *ns.Namespace) (*nft, error) {
	b := &nft{ns: n, rules: make(map[ID]nftRule)}
	return b, b.dial()
}

// dial opens a socket in the namespace, in place of the one there was.
func (b *nft) dial() error {
	if b.conn != nil {
		b.conn.CloseLasting()
	}
	keep := func(c *netlink.Conn) error { b.raw = c; return nil }
	err := b.ns.Do(func() (err error) {
		b.conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(keep))
		return err
	})
	if err != nil {
		b.conn = nil
		return fmt.Errorf("open an nftables socket: %w%s", err, nftHint(Rule{}, err))
	}
	return nil
}

// begin starts a request: it gives the socket a deadline, and makes one where
// the last request ruined it.
func (b *nft) begin() error {
	if b.conn == nil {
		if err := b.dial(); err != nil {
			return err
		}
	}
	return b.raw.SetDeadline(time.Now().Add(deadline.Of(nftPatience)))
}

// flush sends what conn has collected, as one transaction.
func (b *nft) flush() error {
	err := b.conn.Flush()
	if err != nil {
		b.abandon()
	}
	return err
}

// abandon gives up the socket after an error: it may still hold answers to the
// request that failed. The next request makes a new one.
func (b *nft) abandon() {
	b.conn.CloseLasting()
	b.conn = nil
}

func (b *nft) Name() string { return NFTables }

func (b *nft) Add(r Rule) (ID, error) {
	if err := r.Validate(); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.begin(); err != nil {
		return 0, fmt.Errorf("add the %s rule %s: %w", r.Family, r, err)
	}
	id := newID()
	// Table and chain are sent each time: where they exist, nothing changes,
	// and somebody's `nft flush ruleset` in between does no harm.
	chain := nftChain(r.Family, r.Table(), r.Hook)
	b.conn.AddTable(chain.Table)
	b.conn.AddChain(chain)
	b.conn.AddRule(&nftables.Rule{Table: chain.Table, Chain: chain, Exprs: expressions(r), UserData: id.tag()})
	if err := b.flush(); err != nil {
		return 0, fmt.Errorf("add the %s rule %s: %w%s", r.Family, r, err, nftHint(r, err))
	}
	b.rules[id] = nftRule{r, chain}
	return id, nil
}

// chains are the rules of chains as the kernel has them, by chainKey, each chain
// asked for once.
type chains map[string][]nftLine

// find returns the rule id as the kernel has it, and the number of rules in
// its chain, which is asked for unless it is among those seen.
func (b *nft) find(id ID, seen chains) (line nftLine, known nftRule, siblings int, err error) {
	known, ok := b.rules[id]
	if !ok {
		return line, known, 0, errNotAdded
	}
	in := chainKey(byte(known.in.Table.Family), known.in.Table.Name, known.in.Name)
	lines, ok := seen[in]
	if !ok {
		if err := b.begin(); err != nil {
			return line, known, 0, err
		}
		if lines, err = b.dump(known.in); err != nil {
			return line, known, 0, err
		}
		seen[in] = lines
	}
	for _, line := range lines {
		if bytes.Equal(line.userData, id.tag()) {
			return line, known, len(lines), nil
		}
	}
	return line, known, len(lines), errGone
}

func (b *nft) Counters(ids ...ID) ([]Counter, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts, seen := make([]Counter, len(ids)), chains{}
	for i, id := range ids {
		line, known, _, err := b.find(id, seen)
		if err != nil {
			return nil, about("read the counters of", id, known.Rule, err)
		}
		_, counts[i].Packets, counts[i].Bytes = counterOf(line.exprs)
	}
	return counts, nil
}

func (b *nft) Remove(id ID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	line, known, siblings, err := b.find(id, chains{})
	if err == nil {
		err = b.remove(line.handle, known.in, siblings == 1)
	}
	if err != nil {
		return about("remove", id, known.Rule, err)
	}
	delete(b.rules, id)
	if known.tracks() && !b.tracks(known.Family) {
		if err := settle(b.ns); err != nil {
			return about("see the end of", id, known.Rule, err)
		}
	}
	return nil
}

// tracks reports whether a rule of b needs connection tracking in the family.
func (b *nft) tracks(f Family) bool {
	for _, r := range b.rules {
		if r.Family == f && r.Rule.tracks() {
			return true
		}
	}
	return false
}

func (b *nft) remove(handle uint64, chain *nftables.Chain, last bool) error {
	if err := b.conn.DelRule(&nftables.Rule{Table: chain.Table, Chain: chain, Handle: handle}); err != nil {
		return err
	}
	if last {
		if err := b.dropChain(chain, false); err != nil {
			return err
		}
	}
	return b.flush()
}

func (b *nft) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conn == nil {
		return nil
	}
	err := b.conn.CloseLasting()
	b.conn = nil
	return err
}
