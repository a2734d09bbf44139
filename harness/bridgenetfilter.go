package harness

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

// RequireBridgeNetfilter skips the test when bridges of this kernel can't show
// their packets to the packet filter (br_netfilter: the sysctls
// net.bridge.bridge-nf-call-iptables and -ip6tables of a node), or fails it when
// NETRIG_REQUIRE=1.
func RequireBridgeNetfilter(t testing.TB) {
	t.Helper()
	for _, name := range []string{"bridge-nf-call-iptables", "bridge-nf-call-ip6tables"} {
		// Of the sandbox, which is a fresh namespace as a node is.
		_, err := os.Stat(sysctlRoot + "net/bridge/" + name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing(t, "this kernel has no sysctl net.bridge.%s in a network namespace: as root `modprobe br_netfilter`, which has the machine's own bridges show their packets to its packet filter, too", name)
		case err != nil:
			t.Fatalf("netrig: look for br_netfilter: %v", err)
		}
	}
}
