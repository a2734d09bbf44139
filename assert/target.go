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
		return target{network, ap.Addr(), ap.Port(), text}, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return target{}, fmt.Errorf("the target %q is not an IP address, nor of the form tcp:ADDRESS:PORT or udp:ADDRESS:PORT", text)
	}
	if a.Is4In6() {
		return target{}, fmt.Errorf("the target %q is IPv4 written as IPv6; write it as %s", text, a.Unmap())
	}
	if a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" {
		return target{}, fmt.Errorf("the target %q is link-local: say on which interface, %s%%veth0", text, text)
	}
	return target{"icmp", a, 0, text}, nil
}
