package scenarios

import (
	"fmt"
	"strings"

	"github.com/netrig/netrig/harness"
)

// drop, reject and policy put a rule into a node: by the harness, or typed with
// one of the two iptables, as those do who do not know the harness.

func (p *planted) drop(node string, f harness.Filter) {
	if p.backend == "nftables" {
		p.node(node).Drop(f)
		return
	}
	p.typed(node, f, "DROP")
}

func (p *planted) reject(node string, f harness.Filter, answer harness.Answer) {
	if p.backend == "nftables" {
		p.node(node).Reject(f, answer)
		return
	}
	with := map[harness.Answer]string{
		harness.AnswerPortUnreachable: p.either("icmp-port-unreachable", "icmp6-port-unreachable"),
		harness.AnswerProhibited:      p.either("icmp-admin-prohibited", "icmp6-adm-prohibited"),
		harness.AnswerReset:           "tcp-reset",
	}[answer]
	p.typed(node, f, "REJECT", "--reject-with", with)
}

func (p *planted) forwardPolicyDrop(node string) {
	if p.backend == "nftables" {
		p.node(node).ForwardPolicy("drop")
		return
	}
	p.run(node, p.iptables(), "-P", "FORWARD", "DROP")
}

// forget removes the rules that translate addresses.
func (p *planted) forget(node string) {
	if p.backend == "nftables" {
		p.run(node, "nft", "flush ruleset")
		return
	}
	p.run(node, p.iptables(), "-t", "nat", "-F")
}

// iptables is the program of the backend and the family.
func (p *planted) iptables() string {
	program := p.either("iptables", "ip6tables")
	if p.backend == "iptables-legacy" {
		return program + "-legacy"
	}
	return program + "-nft"
}

// typed adds a rule by iptables.
func (p *planted) typed(node string, f harness.Filter, target ...string) {
	hook, table := f.Hook, "filter"
	switch hook {
	case "":
		hook = harness.Forwarded
	case harness.Prerouting, harness.Postrouting:
		table = "mangle"
	}
	words := []string{p.iptables(), "-t", table, "-A", strings.ToUpper(string(hook))}
	add := func(option, value string) {
		if value != "" {
			words = append(words, option, value)
		}
	}
	add("-i", f.In)
	add("-p", f.Protocol)
	if f.ICMPType != nil {
		add(p.either("--icmp-type", "--icmpv6-type"), fmt.Sprint(*f.ICMPType))
	}
	if f.Port != 0 {
		add("--dport", fmt.Sprint(f.Port))
	}
	if f.SourcePort != 0 {
		add("--sport", fmt.Sprint(f.SourcePort))
	}
	if f.States != nil {
		words = append(words, "-m", "conntrack", "--ctstate", strings.ToUpper(strings.Join(f.States, ",")))
	}
	p.run(node, append(append(words, "-j"), target...)...)
}
