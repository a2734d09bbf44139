package harness

import (
	"fmt"
	"net"
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

// checkInterface is checkName for an interface that is to be made. `all` and
// `default` are folders of settings beside those of the interfaces.
func checkInterface(name string) error {
	if name == "all" || name == "default" {
		return fmt.Errorf("the name %q of an interface is reserved: the kernel has settings of that name (net.ipv4.conf.%s)", name, name)
	}
	return checkName("an interface", name)
}

// parseMAC reads a hardware address that an interface can have
// (is_valid_ether_addr, include/linux/etherdevice.h).
func parseMAC(text string) (net.HardwareAddr, error) {
	mac, err := net.ParseMAC(text)
	switch {
	case err != nil || len(mac) != 6:
		return nil, fmt.Errorf("%q is not a hardware address such as 02:00:01:00:00:02", text)
	case mac[0]&1 == 1:
		return nil, fmt.Errorf("%q is a multicast address (its first byte is odd), not the hardware address of an interface, such as 02:00:01:00:00:02", text)
	case [6]byte(mac) == [6]byte{}:
		return nil, fmt.Errorf("%q is not the hardware address of an interface, such as 02:00:01:00:00:02", text)
	}
	return mac, nil
}

// parsePrefix reads an interface address: "192.168.0.2/24", "fd00::2/64".
func parsePrefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err == nil {
		return p, checkOwn(p)
	}
	if address, zone, ok := strings.Cut(text, "%"); ok {
		if _, bits, ok := strings.Cut(zone, "/"); ok {
			address += "/" + bits
		}
		return p, fmt.Errorf("the address %q has a zone, which an address of an interface has not; write it as %s", text, address)
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

// checkOwn refuses what can't be an interface's own address.
func checkOwn(p netip.Prefix) error {
	a := p.Addr()
	switch {
	case a.Is4In6():
		bits := p.Bits() - 96 // the rest of the prefix says that it is IPv4
		if bits < 0 {
			bits = 24
		}
		return fmt.Errorf("the address %q is IPv4 written as IPv6; write it as %s/%d", p, a.Unmap(), bits)
	case a.IsMulticast():
		return fmt.Errorf("the address %q is a multicast address, which many may listen to and nobody has", p)
	case a.IsUnspecified():
		return fmt.Errorf("the address %q is the unspecified address, which stands for none", p)
	}
	return nil
}

func parseAddr(what, text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return a, fmt.Errorf("%s %q is not an IP address", what, text)
	case a.Is4In6():
		return a, fmt.Errorf("%s %q is IPv4 written as IPv6; write it as %s", what, text, a.Unmap())
	}
	return a, nil
}
