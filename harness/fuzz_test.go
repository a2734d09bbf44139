package harness

import (
	"net/netip"
	"strings"
	"testing"
)

// FuzzAddress reads addresses, networks, hardware addresses and names as tests
// write them. What is understood is what an interface or a route can have, and
// an error names the text.
func FuzzAddress(f *testing.F) {
	for _, text := range []string{
		"192.168.0.2/24", "fd00::2/64", "fe80::1%eth0/64", "fe80::1%eth0", "::ffff:10.0.0.1/120", "::ffff:10.0.0.1/8", "224.0.0.1/4", "0.0.0.0/0", "default",
		"10.0.0.1/33", "10.0.0.1/-1", "02:00:01:00:00:02", "00-00-00-00-00-00", "0000.0000.0001", "01:00:5e:00:00:01", "eth0", "..", ".", "a/b", "", "%", "/", "é",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for what, parse := range map[string]func() error{
			"prefix": func() error {
				p, err := parsePrefix(text)
				if err == nil && (!p.IsValid() || p.Addr().IsMulticast() || p.Addr().IsUnspecified() || p.Addr().Zone() != "" || ipNet(p).Mask == nil) {
					t.Fatalf("%q is taken for the address %s", text, p)
				}
				return err
			},
			"destination": func() error {
				p, err := parseDestination(text, netip.Addr{})
				if err == nil && (!p.IsValid() || p != p.Masked() || ipNet(p).Mask == nil) {
					t.Fatalf("%q is taken for the destination %s", text, p)
				}
				return err
			},
			"address": func() error {
				a, err := parseAddr("the gateway", text)
				if err == nil {
					if !a.IsValid() || a.Is4In6() {
						t.Fatalf("%q is taken for the address %s", text, a)
					}
					err = checkGateway(a)
				}
				return err
			},
			"hardware address": func() error {
				mac, err := parseMAC(text)
				if err == nil && (len(mac) != 6 || mac[0]&1 == 1) {
					t.Fatalf("%q is taken for the hardware address %s", text, mac)
				}
				return err
			},
			"name": func() error {
				err := checkInterface(text)
				if err == nil && (text == "" || len(text) > maxName || text == ".." || strings.ContainsAny(text, "/ \x00\n%")) {
					t.Fatalf("%q is taken for a name", text)
				}
				return err
			},
		} {
			if err := parse(); err != nil && err.Error() == "" {
				t.Fatalf("%q as %s: the error is empty", text, what)
			}
		}
	})
}

// FuzzCounters reads what /proc/net/snmp and its like say, of which the kernel
// adds lines as it grows.
func FuzzCounters(f *testing.F) {
	for _, text := range []string{"Ip: Forwarding DefaultTTL\nIp: 1 64\n", "Ip6InReceives \t5\n", "", "\n\n\n", "Tcp: MaxConn\nTcp: -1", "A:\nB:", "A: b\n", "A: 1 2\nA: 1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := Counters{}
		c.addPairs(text)
		_ = c.addTables(text)
		if len(c.Since(c)) != 0 {
			t.Fatalf("%v has moved since itself", c)
		}
		_ = c.String()
	})
}
