package firewall

import (
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHooksOfForeignChains: what a chain is called says nothing of where it
// hangs, and the rules of one that is jumped to are met where the jump is.
func TestHooksOfForeignChains(t *testing.T) {
	n := namespace(t)
	c := nftConn(t, n)
	table := c.AddTable(&nftables.Table{Name: "t", Family: nftables.TableFamilyINet})
	chain := func(name string, hook *nftables.ChainHook) *nftables.Chain {
		if hook == nil {
			return c.AddChain(&nftables.Chain{Name: name, Table: table})
		}
		return c.AddChain(&nftables.Chain{Name: name, Table: table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityFilter})
	}
	deny, unused := chain("deny", nil), chain("input-of-nobody", nil)
	gate, door := chain("gate", nftables.ChainHookForward), chain("door", nftables.ChainHookInput)
	add := func(in *nftables.Chain, e expr.Any) {
		c.AddRule(&nftables.Rule{Table: table, Chain: in, Exprs: []expr.Any{&expr.Counter{}, e}})
	}
	add(gate, &expr.Verdict{Kind: expr.VerdictJump, Chain: "deny"})
	add(door, &expr.Verdict{Kind: expr.VerdictGoto, Chain: "deny"})
	add(deny, &expr.Verdict{Kind: expr.VerdictDrop})
	add(unused, &expr.Verdict{Kind: expr.VerdictDrop})
	require.NoError(t, c.Flush())
	all, err := open(t, NFTables, n).List()
	require.NoError(t, err)
	got := map[string][]string{}
	for _, r := range all {
		got[r.Text] = r.Hooks
	}
	assert.Equal(t, map[string][]string{
		"inet t gate: jump deny":       {"forward"},
		"inet t door: goto deny":       {"input"},
		"inet t deny: drop":            {"forward", "input"},
		"inet t input-of-nobody: drop": nil,
	}, got)
}

// TestHooksOfSavedChains: the same of iptables, whose chains may jump in circles
// as far as we know.
func TestHooksOfSavedChains(t *testing.T) {
	lines, err := parseSave([]byte(`*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [3:252]
:OUTPUT ACCEPT [0:0]
:DOCKER-USER - [0:0]
:DENY - [0:0]
[1:84] -A FORWARD -j DOCKER-USER
[1:84] -A DOCKER-USER -i eth0 -g DENY
[1:84] -A DENY -j DROP
[0:0] -A DENY -j DOCKER-USER
COMMIT
`))
	require.NoError(t, err)
	hooks := savedHooks(lines)
	assert.Equal(t, []string{"forward"}, hooks["DENY"])
	assert.Equal(t, []string{"forward"}, hooks["DOCKER-USER"])
	assert.Equal(t, []string{"forward"}, hooks["FORWARD"])
	assert.Equal(t, []string{"input"}, hooks["INPUT"])
}
