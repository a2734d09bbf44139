package firewall

import (
	"bytes"
	"testing"

	"github.com/google/nftables"
	"github.com/stretchr/testify/require"

	"github.com/netrig/netrig/internal/ns"
)

// nftConn is an independent view of the nftables of a namespace.
func nftConn(t testing.TB, n *ns.Namespace) *nftables.Conn {
	t.Helper()
	c, err := nftables.New(nftables.WithNetNSFd(n.Fd()))
	require.NoError(t, err)
	return c
}

// save is what iptables-save prints about a table, without its counters and
// comments.
func save(t testing.TB, n *ns.Namespace, backend string, f Family, table string) (rules []string) {
	t.Helper()
	found, err := programsOf[backend]()
	require.NoError(t, err)
	out, err := run(n, found.save[f], "-t", table)
	require.NoError(t, err)
	for line := range bytes.Lines(out) {
		if bytes.HasPrefix(line, []byte("-A")) {
			rules = append(rules, string(bytes.TrimSpace(line)))
		}
	}
	return rules
}

func listOf(t testing.TB, b Backend) (texts []string) {
	t.Helper()
	all, err := b.List()
	require.NoError(t, err)
	for _, c := range all {
		texts = append(texts, c.Text)
	}
	return texts
}
