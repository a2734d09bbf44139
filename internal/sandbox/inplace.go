package sandbox

import (
	"fmt"
	"net"
	"slices"
)

// fallbackDevices appear in every new network namespace while their module is
// loaded (net.core.fb_tunnels_only_for_init_net = 0).
var fallbackDevices = []string{
	"tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "sit0", "ip6tnl0", "ip6gre0", "ip6_vti0",
}

// checkInPlace refuses to run tests in a network namespace that somebody uses.
// (Whether it is the machine's own can't be known from inside a PID namespace.)
func checkInPlace() error {
	links, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("%s=%s: list the interfaces: %w", envSandbox, inPlace, err)
	}
	names := make([]string, len(links))
	for i, link := range links {
		names[i] = link.Name
	}
	return judgeInPlace(names)
}

func judgeInPlace(links []string) error {
	for _, name := range links {
		if name != "lo" && !slices.Contains(fallbackDevices, name) {
			return fmt.Errorf("%s=%s: this network namespace has an interface %s, so it isn't one made for the tests\n"+
				"    make one:  unshare -Urnmpf --mount-proc dlv test", envSandbox, inPlace, name)
		}
	}
	return nil
}
