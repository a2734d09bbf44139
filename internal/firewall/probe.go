package firewall

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/netrig/netrig/internal/ns"
)

var probes = map[string]func() error{
	NFTables:       sync.OnceValue(func() error { return probe(NFTables) }),
	IPTables:       sync.OnceValue(func() error { return probe(IPTables) }),
	IPTablesLegacy: sync.OnceValue(func() error { return probe(IPTablesLegacy) }),
}

// Available are the names of the backends that can be used here, in the order
// of Names.
func Available() (names []string) {
	for _, name := range Names() {
		if Probe(name) == nil {
			names = append(names, name)
		}
	}
	return names
}

// Probe tells why the backend of that name ("" is NFTables) can't be used
// here, and what to do about it; nil if it can. It tries it out, once a
// process, in a namespace of its own: a rule that translates addresses and one
// that rejects, for both families. They go with the namespace: to remove them
// would take nftables 40 ms, which the first test with a rule would wait for.
func Probe(name string) error {
	if name == "" {
		name = NFTables
	}
	if p := probes[name]; p != nil {
		return p()
	}
	return unknown(name)
}

func probe(name string) error {
	n, err := ns.New()
	if err != nil {
		return fmt.Errorf("try the firewall backend %s: %w", name, err)
	}
	defer n.Close()
	b, err := Open(name, n)
	if err != nil {
		return err
	}
	defer b.Close()
	for _, r := range []Rule{
		{Family: IPv4, Hook: Postrouting, Verdict: Masquerade},
		{Family: IPv4, Hook: Prerouting, Verdict: DNAT, To: netip.MustParseAddr("192.0.2.1")},
		{Family: IPv4, Hook: Forward, Verdict: Reject, States: []string{"new"}},
		{Family: IPv6, Hook: Postrouting, Verdict: Masquerade},
		{Family: IPv6, Hook: Prerouting, Verdict: DNAT, To: netip.MustParseAddr("2001:db8::1")},
		{Family: IPv6, Hook: Forward, Verdict: Reject, States: []string{"new"}},
	} {
		if _, err := b.Add(r); err != nil {
			return fmt.Errorf("firewall backend %s can't be used here: %w", name, err)
		}
	}
	return nil
}
