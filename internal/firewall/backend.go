// Package firewall puts NAT and filter rules into a network namespace and reads
// their counters, on any of the three packet filters of Linux: nftables by
// netlink (no program needed), iptables over nftables, and legacy iptables.
//
// # Where the backends differ
//
// A fresh namespace has no packet-filter rules and no connection tracking. The
// first rule that needs tracking (NAT, States) switches it on in its
// namespace. When Remove has removed the last one, tracking is off again, on
// every backend: flows that were translated go out untranslated at once, and
// new flows are not tracked. What stays behind otherwise differs:
//
//   - nftables: a chain goes with its last rule (unless its policy is Drop), and
//     the table "netrig" with its last chain. Nothing is left. The kernel lets
//     go of tracking in the background; Remove waits for that, some 12 ms.
//   - iptables: table and chain ("nat", "POSTROUTING") stay with their hooks, and
//     with policy ACCEPT. Tracking ends in the background, as above.
//   - iptables-legacy: the table stays registered until the namespace dies.
//     Tracking ends with the rule.
//
// A rule that remains, whoever added it, keeps tracking on.
package firewall

import (
	"errors"
	"fmt"
	"strings"

	"github.com/netrig/netrig/internal/ns"
)

// The names of the backends.
const (
	NFTables       = "nftables"        // by netlink; the default
	IPTables       = "iptables"        // the programs iptables and ip6tables, over nf_tables
	IPTablesLegacy = "iptables-legacy" // the programs iptables-legacy and ip6tables-legacy
)

// Names are the names of all backends, the default first.
func Names() []string { return []string{NFTables, IPTables, IPTablesLegacy} }

// ID identifies a rule that a backend has added. It is never 0, and no two
// rules of a process have the same.
type ID uint64

// Counted is a rule that is in force, and what it has counted.
type Counted struct {
	// Text is the rule as iptables-save prints it, with the table before it
	// ("-t filter -A FORWARD -i eth0 -j DROP"), also for what this Backend put
	// into nftables. What others put there reads as nft prints it, with the
	// names of table and chain before it ("inet firewalld POST: oifname
	// \"eth0\" masquerade"); what is not understood appears as [its name]. A
	// policy other than ACCEPT is a line too: "-t filter -P FORWARD DROP".
	Text string
	// Hooks are those from which packets reach the rule, "forward" or "input":
	// several in a chain that several jump to, none in one that nobody does.
	Hooks   []string
	Family  Family // 0 for a rule about both, or about neither (bridge, ARP)
	ID      ID     // 0 for a rule that is not of this Backend
	Counter bool   // whether it counts at all; rules and policies of nft may not
	Packets uint64
	Bytes   uint64 // with IP headers, without Ethernet's
}

// Counter is what a rule has counted.
type Counter struct {
	Packets uint64
	Bytes   uint64 // with IP headers, without Ethernet's
}

// Backend puts rules into one namespace. Its methods are safe for concurrent
// use. A rule that was added by one Backend can't be removed by another.
type Backend interface {
	// Name is one of Names.
	Name() string
	// Add appends r to the end of its chain, and returns when it is in force.
	Add(r Rule) (ID, error)
	// Remove takes away the rule id and no other, not even an equal one. If
	// connection tracking was on for its sake only, it is off afterwards.
	Remove(id ID) error
	// Counters are what the rules have counted since they were added, in their
	// order; those of one chain (of one table on the iptables backends) are read at
	// the same time, by one request.
	Counters(ids ...ID) ([]Counter, error)
	// Policy says what becomes of the packets that no rule of the filter table
	// decides about: Accept or Drop, at Input, Forward or Output.
	Policy(f Family, h Hook, v Verdict) error
	// List is every rule that is in force in the namespace, whoever added it
	// and by which packet filter, in the order of the chains.
	List() ([]Counted, error)
	// Close releases what the Backend itself holds. The rules stay until the
	// namespace goes.
	Close() error
}

// Open returns the backend of that name ("" is NFTables) for namespace n, which
// must stay open for as long as the Backend is used. It changes nothing yet.
func Open(name string, n *ns.Namespace) (Backend, error) {
	switch name {
	case "", NFTables:
		b, err := openNFT(n)
		if err != nil {
			return nil, err
		}
		return b, nil
	case IPTables, IPTablesLegacy:
		b, err := openIPTables(name, n)
		if err != nil {
			return nil, err
		}
		return b, nil
	}
	return nil, unknown(name)
}

func unknown(name string) error {
	return fmt.Errorf("no firewall backend is called %q; there are %s", name, strings.Join(Names(), ", "))
}

var (
	errNotAdded = errors.New("this backend has not added it, or has removed it already")
	errGone     = errors.New("it is not in force any more: something else removed it (flushed the ruleset?)")
)

// about says what could not be done with the rule id.
func about(what string, id ID, r Rule, err error) error {
	if errors.Is(err, errNotAdded) {
		return fmt.Errorf("%s rule number %d: %w", what, id, err)
	}
	return fmt.Errorf("%s the %s rule %s: %w", what, r.Family, r, err)
}
