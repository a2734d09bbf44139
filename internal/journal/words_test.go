package journal

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWords(t *testing.T) {
	w := NewWords(map[string]string{"02:00:01:00:00:02": "ns0:veth0"})
	mac := func(text string) net.HardwareAddr {
		m, err := net.ParseMAC(text)
		require.NoError(t, err)
		return m
	}
	assert.Equal(t, "ns0:veth0", w.MAC(mac("02:00:01:00:00:02")))
	assert.Equal(t, "made up", w.MAC(mac("02:99:01:00:00:02")))
	assert.Equal(t, "broadcast", w.MAC(mac("ff:ff:ff:ff:ff:ff")))
	assert.Equal(t, "group 33:33:00:00:00:01", w.MAC(mac("33:33:00:00:00:01")))
	assert.Empty(t, w.MAC(nil))

	for from, want := range map[string]string{
		"192.168.0.2":              "192.168.0.2",
		"fd00::2":                  "fd00::2",
		"fe80::1ff:fe00:2":         "fe80::(ns0:veth0)",
		"fe80::99:1ff:fe00:2":      "fe80::(made up)",
		"fe80::1234:5678:9abc:def": "fe80::(made up)", // RFC 7217
		"fe80::1":                  "fe80::1",         // typed
		"fe80::":                   "fe80::",          // a prefix
		"fe80::1%7":                "fe80::1",         // an index is another in every lab
	} {
		assert.Equal(t, want, w.Addr(netip.MustParseAddr(from)), from)
	}

	end := func(text string, before uint16) string { return w.AddrPort(netip.MustParseAddrPort(text), before) }
	assert.Equal(t, "10.0.0.1:80", end("10.0.0.1:80", 80))
	assert.Equal(t, "10.0.0.1:ephemeral", end("10.0.0.1:45678", 45678))
	assert.Equal(t, "10.0.0.1:ephemeral (translated)", end("10.0.0.1:45678", 45679))
	assert.Equal(t, "[fd00::2]:ephemeral", end("[fd00::2]:60000", 60000))

	for d, want := range map[time.Duration]string{
		29 * time.Second: "30s", 30 * time.Second: "30s", 31 * time.Second: "40s", 117 * time.Second: "2m0s", 431998 * time.Second: "120h0m0s",
	} {
		assert.Equal(t, want, Timeout(d))
	}
}
