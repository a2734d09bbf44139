package firewall

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// missing says that the kernel seems to lack one of the modules, and what to
// do.
func missing(modules []string) string {
	return fmt.Sprintf(" (this kernel seems to lack one of the modules %s: load it with `modprobe` as root, "+
		"install the package with this kernel's modules, or use another of the backends %s)",
		strings.Join(modules, ", "), strings.Join(Names(), ", "))
}

// nftModules are the modules that the rule needs.
func nftModules(r Rule) []string {
	modules := []string{"nf_tables"}
	if r.Verdict.nat() {
		modules = append(modules, "nft_nat") // CONFIG_NFT_NAT is also what makes nft_chain_nat
	}
	switch r.Verdict {
	case Masquerade:
		modules = append(modules, "nft_masq")
	case Redirect:
		modules = append(modules, "nft_redir")
	case Reject:
		modules = append(modules, "nft_reject")
	case NoTrack:
		modules = append(modules, "nft_ct")
	}
	if len(r.States) > 0 {
		modules = append(modules, "nft_ct")
	}
	return modules
}

// iptablesModules are the modules that the rule needs on a backend of
// iptables.
func iptablesModules(backend string, r Rule) []string {
	prefix, reject := "ip", "ipt_REJECT"
	if r.Family == IPv6 {
		prefix, reject = "ip6", "ip6t_REJECT"
	}
	modules := []string{"nf_tables", "nft_compat"}
	if backend == IPTablesLegacy {
		modules = []string{prefix + "_tables", prefix + "table_" + r.Table()}
	} else if r.Verdict.nat() {
		modules = append(modules, "nft_nat")
	}
	switch r.Verdict {
	case Masquerade:
		modules = append(modules, "xt_MASQUERADE")
	case SNAT, DNAT:
		modules = append(modules, "xt_nat")
	case Redirect:
		modules = append(modules, "xt_REDIRECT")
	case Reject:
		modules = append(modules, reject)
	case NoTrack:
		modules = append(modules, "xt_CT")
	}
	if len(r.States) > 0 {
		modules = append(modules, "xt_conntrack")
	}
	return modules
}

// nftHint names what a kernel that refuses r most likely lacks.
func nftHint(r Rule, err error) string {
	switch {
	case errors.Is(err, unix.EPERM):
		return " (needs CAP_NET_ADMIN in the namespace: call harness.Main from TestMain, or run as root)"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL),
		errors.Is(err, unix.ENOENT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EPROTONOSUPPORT):
		return missing(nftModules(r))
	}
	return ""
}

// iptablesHint names what a kernel that refuses r most likely lacks.
func iptablesHint(backend string, r Rule, err error) string {
	var failed *programError
	if !errors.As(err, &failed) {
		return ""
	}
	for _, sign := range []string{
		"No chain/target/match by that name", "Table does not exist", "can't initialize", "Could not fetch rule set",
		"RULE_APPEND failed (No such file or directory)", "Extension", "Failed to initialize nft", "CHAIN_ADD failed", "TABLE_ADD failed",
	} {
		if strings.Contains(failed.complaint, sign) {
			return missing(iptablesModules(backend, r))
		}
	}
	if strings.Contains(failed.complaint, "you must be root") || strings.Contains(failed.complaint, "Permission denied") {
		return " (needs CAP_NET_ADMIN in the namespace: call harness.Main from TestMain, or run as root)"
	}
	return ""
}
