package firewall

import (
	"fmt"

	"github.com/google/nftables"
)

// dropChain adds to the transaction the end of a chain without rules, and of
// its table when that has no other. A chain whose policy is Drop stays, unless
// its policy is being taken back.
func (b *nft) dropChain(chain *nftables.Chain, policyGoes bool) error {
	all, err := b.conn.ListChainsOfTableFamily(chain.Table.Family)
	if err != nil {
		b.abandon()
		return fmt.Errorf("list the nftables chains: %w", err)
	}
	others := 0
	for _, c := range all {
		switch {
		case c.Table.Name != nftTable:
		case c.Name != chain.Name:
			others++
		case c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop && !policyGoes:
			return nil
		}
	}
	b.conn.DelChain(chain)
	if others == 0 {
		b.conn.DelTable(chain.Table)
	}
	return nil
}

func (b *nft) Policy(f Family, h Hook, v Verdict) error {
	if err := validPolicy(f, h, v); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.begin()
	if err == nil {
		err = b.policy(nftChain(f, tableFilter, h), v)
	}
	if err != nil {
		return fmt.Errorf("set the %s policy of %s to %s: %w%s", f, h, v, err, nftHint(Rule{}, err))
	}
	return nil
}

func (b *nft) policy(chain *nftables.Chain, v Verdict) error {
	policy := nftables.ChainPolicyAccept
	if v == Drop {
		policy = nftables.ChainPolicyDrop
	}
	chain.Policy = &policy
	b.conn.AddTable(chain.Table)
	b.conn.AddChain(chain)
	if v == Accept {
		lines, err := b.dump(chain)
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			if err := b.dropChain(chain, true); err != nil {
				return err
			}
		}
	}
	return b.flush()
}
