package assert

import (
	"strings"
	"testing"

	"github.com/netrig/netrig/capture"
)

// FuzzHop reads a line of Path. What is understood names a node and an
// interface; what is not has an error that says so.
func FuzzHop(f *testing.F) {
	for _, text := range []string{
		"ns0:veth0     192.168.0.2 > 192.168.1.2  ttl 64", "router:veth1 in ttl 64",
		"router:veth3  out ttl 63  mac 02:00:02:00:00:02 > 02:00:03:00:00:01", "a:b [fd00::1]:80 > *", "a:b * > fe80::1%eth0", "a:b mac * > *",
		"", ":", "a:b >", "a:b ttl", "a:b mac 1", "a:b in out", "a:b 1 > 2", "a:b ttl 99999999999999999999",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHop(text)
		switch {
		case err != nil:
			if err.Error() == "" {
				t.Fatalf("%q: the error is empty", text)
			}
		case h.match.Node == "" || h.match.Interface == "" || h.match.TTL < 0 || h.match.TTL > 255:
			t.Fatalf("%q is taken for %+v", text, h.match)
		default:
			_ = h.match.Diff(&capture.Packet{})
		}
	})
}

// FuzzTarget reads whom a probe asks. What is understood is one node's address.
func FuzzTarget(f *testing.F) {
	for _, text := range []string{"192.168.1.2", "tcp:192.168.1.2:80", "udp:[fd00::2]:53", "fe80::1%veth0", "::ffff:1.2.3.4", "tcp:", "udp:[::]:0", "0.0.0.0", "%", "tcp:[fe80::1%x]:1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		to, err := parseTarget(text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "the target ") {
				t.Fatalf("%q: the error does not begin with what it is about: %v", text, err)
			}
			return
		}
		if !to.addr.IsValid() || to.addr.IsUnspecified() || to.addr.IsMulticast() || to.addr.Is4In6() || to.network != "icmp" && to.port == 0 {
			t.Fatalf("%q is taken for %+v", text, to)
		}
	})
}
