package assert

import (
	"fmt"
	"net/netip"
	"strings"
)

// target is whom a probe asks: "192.168.1.2" by an ICMP echo, or
// "tcp:192.168.1.2:80", "udp:[fd00::2]:53".
type target struct {
	network string // "icmp", "tcp", "udp"
	addr    netip.Addr
	port    uint16
	text    string
}

func (t target) String() string { return t.text }

func parseTarget(text string) (target, error) {
	for _, network := range []string{"tcp", "udp"} {
		rest, ok := strings.CutPrefix(text, network+":")
		if !ok {
			continue
		}
		ap, err := netip.ParseAddrPort(rest)
		if err != nil || ap.Port() == 0 {
			return target{}, fmt.Errorf("the target %q is not of the form %s:192.168.1.2:80 or %s:[fd00::2]:80", text, network, network)
		}
		return target{network, ap.Addr(), ap.Port(), text}, checkTarget(text, ap.Addr())
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return target{}, fmt.Errorf("the target %q is not an IP address, nor of the form tcp:ADDRESS:PORT or udp:ADDRESS:PORT", text)
	}
	return target{"icmp", a, 0, text}, checkTarget(text, a)
}

// checkTarget refuses addresses that no single node answers for, or that do not
// say enough.
func checkTarget(text string, a netip.Addr) error {
	switch {
	case a.Is4In6():
		return fmt.Errorf("the target %q is IPv4 written as IPv6; write it as %s", text, a.Unmap())
	case a.IsUnspecified(), a.IsMulticast():
		return fmt.Errorf("the target %q is not the address of one node", text)
	case a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "":
		return fmt.Errorf("the target %q is link-local: say on which interface, as in fe80::1%%veth0", text)
	}
	return nil
}
