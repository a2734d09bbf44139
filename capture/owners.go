package capture

import (
	"net"
	"net/netip"
	"strings"
)

// Names says who has an address, so that a story can be read without a list of
// addresses at hand. The zero Names knows nobody, and addresses stay as they are.
type Names struct {
	// Address names the nodes that have an IP address: several of one that was
	// given twice, none of an unknown one.
	Address func(netip.Addr) []string
	// MAC names the interfaces that have a hardware address, "ns0:veth0".
	MAC func(net.HardwareAddr) []string
}

// Of is an address behind the name of who has it, "ns0 (192.168.0.2)";
// "ns2|ns3 (192.168.1.2)" where two have it, and the address alone where nobody
// is known to.
func (n Names) Of(a netip.Addr) string { return n.named(a, a.String()) }

// named is text, which has the address in it, behind the names of who has it.
func (n Names) named(a netip.Addr, text string) string {
	if n.Address == nil {
		return text
	}
	if owners := n.Address(a); len(owners) > 0 {
		return strings.Join(owners, "|") + " (" + text + ")"
	}
	return text
}

// OfMAC is the interface that has a hardware address, "ns0:veth0": the address
// itself adds nothing. Where two have it, or nobody, it is there.
func (n Names) OfMAC(a net.HardwareAddr) string {
	text := show(a)
	if n.MAC == nil {
		return text
	}
	switch owners := n.MAC(a); len(owners) {
	case 0:
		return text
	case 1:
		return owners[0]
	default:
		return strings.Join(owners, "|") + " (" + text + ")"
	}
}
