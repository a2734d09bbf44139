package firewall

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A rule that is longer than a reader of lines takes by itself is not lost, and
// neither is what follows it.
func TestLongSave(t *testing.T) {
	long := "[1:2] -A FORWARD -m comment --comment " + strings.Repeat("x", 100_000) + " -j DROP\n"
	lines, err := parseSave([]byte("*filter\n" + long + "[3:4] -A INPUT -j DROP\nCOMMIT\n"))
	require.NoError(t, err)
	require.Len(t, lines, 2)
	require.Equal(t, uint64(3), lines[1].packets)
}

// FuzzSave reads what iptables-save prints: of another version, or of other
// programs' rules. Every rule of it is told, or it is an error.
func FuzzSave(f *testing.F) {
	for _, text := range []string{
		"*nat\n:PREROUTING ACCEPT [0:0]\n[1:2] -A POSTROUTING -s 10.0.0.0/24 -o eth0 -j MASQUERADE\nCOMMIT\n",
		"*filter\n:FORWARD DROP [3:4]\n[0:0] -A FORWARD -p icmpv6 -j REJECT\n# comment\n", "*\n", ":", "[", "[1:2]", "[1:2] -A", "[x:y] -A A -j B", ": DROP [", "*raw\n[1:1] -A OUTPUT -j NOTRACK",
		"[1:2] -A X --to-source [ -j SNAT", "[1:2] -A X --to-destination []",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines, err := parseSave(text)
		if err != nil && err.Error() == "" {
			t.Fatal("the error is empty")
		}
		if rules := ofSaved(lines, IPv4, "test"); len(rules) != len(lines) {
			t.Fatalf("%d rules of %d lines", len(rules), len(lines))
		}
		for _, l := range lines {
			if l.chain == "" {
				t.Fatalf("a rule without a chain: %+v", l)
			}
		}
	})
}
