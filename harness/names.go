package harness

import (
	"fmt"
	"net/netip"
	"strings"
)

// maxName is IFNAMSIZ less the terminating zero (include/uapi/linux/if.h).
// Nodes keep to it as well, so that a node's name can be an interface's.
const maxName = 15

// checkName follows dev_valid_name (net/core/dev.c), and forbids '@' and
// control characters too, which print ambiguously.
func checkName(kind, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name of %s is empty", kind)
	case len(name) > maxName:
		return fmt.Errorf("the name %q of %s has %d characters; at most %d are allowed", name, kind, len(name), maxName)
	case name == "." || name == "..":
		return fmt.Errorf("the name %q of %s is reserved", name, kind)
	}
	for _, c := range name {
		if c <= ' ' || c > '~' || strings.ContainsRune("/:@%", c) {
			return fmt.Errorf("the name %q of %s has the character %q; letters, digits, '-', '_' and '.' are safe", name, kind, c)
		}
	}
	return nil
}

// parsePrefix reads an interface address: "192.168.0.2/24", "fd00::2/64".
func parsePrefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err == nil {
		if p.Addr().Is4In6() {
			return p, fmt.Errorf("the address %q is IPv4 written as IPv6; write it as %s", text, p.Addr().Unmap())
		}
		return p, nil
	}
	if a, e := netip.ParseAddr(text); e == nil {
		example := 24
		if a.Is6() {
			example = 64
		}
		return p, fmt.Errorf("the address %q has no prefix length; write it as %s/%d", text, text, example)
	}
	return p, fmt.Errorf("the address %q is not of the form 192.168.0.2/24 or fd00::2/64", text)
}

func parseAddr(what, text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return a, fmt.Errorf("%s %q is not an IP address", what, text)
	}
	return a, nil
}
