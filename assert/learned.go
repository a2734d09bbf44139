package assert

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/netrig/netrig/harness"
)

// Learned demands that a bridge has learned a hardware address behind one of
// its ports.
func Learned(t testing.TB, b *harness.Bridge, mac net.HardwareAddr, port string) {
	t.Helper()
	if b == nil {
		fatalf(t, "netrig: Learned: the bridge is nil")
	}
	var lines strings.Builder
	for _, e := range b.Node().ForwardingDatabase() {
		if e.Bridge != b.Name() || e.Permanent {
			continue
		}
		if bytes.Equal(e.MAC, mac) && e.Interface == port {
			return
		}
		fmt.Fprintf(&lines, "\n    %s%s behind %s", e.MAC, macOwner(b.Node().Lab(), e.MAC), e.Interface)
	}
	if lines.Len() == 0 {
		lines.WriteString("\n    it has learned none")
	}
	fatalf(t, "the bridge %s has not learned %s%s behind %s%s", b, mac, macOwner(b.Node().Lab(), mac), port, lines.String())
}

// NotLearned demands that a bridge does not know where a hardware address is.
func NotLearned(t testing.TB, b *harness.Bridge, mac net.HardwareAddr) {
	t.Helper()
	if b == nil {
		fatalf(t, "netrig: NotLearned: the bridge is nil")
	}
	if len(mac) != 6 {
		fatalf(t, "netrig: NotLearned: %q is no hardware address", mac)
	}
	for _, e := range b.Node().ForwardingDatabase() {
		if e.Bridge == b.Name() && !e.Permanent && bytes.Equal(e.MAC, mac) {
			fatalf(t, "the bridge %s has learned %s%s behind %s, but must not", b, mac, macOwner(b.Node().Lab(), mac), e.Interface)
		}
	}
}
