package scenarios

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/stretchr/testify/require"
)

// echoAnswer is what came of an echo: a TTL, or a cause in the words of assert
// and who said it.
type echoAnswer struct {
	ttl         int
	cause, from string
}

var (
	pingReply = regexp.MustCompile(`(?m)^\d+ bytes from \S+: icmp_seq=\d+ ttl=(\d+) `)
	pingError = regexp.MustCompile(`(?m)^From (\S+?):? icmp_seq=\d+ (.*)$`)
	pingLocal = regexp.MustCompile(`(?m)^ping: (?:connect|sendmsg): (.*)$`)
)

// pingWords are ping's words for the causes: of IPv4, of IPv6, and for the
// kernel's errors.
var pingWords = map[string]assert.Cause{
	"Destination Net Unreachable":                          assert.NetUnreachable,
	"Destination unreachable: No route":                    assert.NetUnreachable,
	"Destination Host Unreachable":                         assert.HostUnreachable,
	"Destination unreachable: Address unreachable":         assert.HostUnreachable,
	"Packet filtered":                                      assert.Prohibited,
	"Destination unreachable: Administratively prohibited": assert.Prohibited,
	"Time to live exceeded":                                assert.TimeExceeded,
	"Time exceeded: Hop limit":                             assert.TimeExceeded,
	"Network is unreachable":                               assert.NoRoute,
	"No route to host":                                     assert.HostUnreachable,
	"Operation not permitted":                              assert.NotPermitted,
}

// readPing reads what ping printed about one echo; words that are not known are
// a cause of their own.
func readPing(printed string) echoAnswer {
	if m := pingReply.FindStringSubmatch(printed); m != nil {
		ttl, _ := strconv.Atoi(m[1])
		return echoAnswer{ttl: ttl, cause: assert.Reached.Kind}
	}
	from, words := "", ""
	for _, m := range pingError.FindAllStringSubmatch(printed, -1) {
		if !strings.HasPrefix(m[2], "Redirect") { // on which the packet went on
			from, words = m[1], m[2]
		}
	}
	if m := pingLocal.FindStringSubmatch(printed); m != nil {
		from, words = "local", m[1]
	}
	if words == "" {
		return echoAnswer{cause: assert.Silence.Kind}
	}
	if cause, known := pingWords[words]; known {
		words = cause.Kind
	}
	return echoAnswer{cause: words, from: from}
}

// readArping reads whose hardware address arping printed for an address; of
// several answers the first.
func readArping(printed, address string) string {
	m := regexp.MustCompile(`(?m)^Unicast reply from ` + regexp.QuoteMeta(address) + ` \[([0-9A-F:]+)\]`).FindStringSubmatch(printed)
	if m == nil {
		return "none"
	}
	return strings.ToLower(m[1])
}

// tracerouteWords are traceroute's marks for the causes.
var tracerouteWords = map[string]assert.Cause{
	"!N": assert.NetUnreachable, "!H": assert.HostUnreachable, "!X": assert.Prohibited,
}

// readTraceroute reads the hops that traceroute printed, "" for one that did
// not answer, with the cause where one says that it does not go on.
func readTraceroute(printed string) (hops []string) {
	for _, m := range regexp.MustCompile(`(?m)^ *\d+  (\S+)(?:.* (!\S+))?`).FindAllStringSubmatch(printed, -1) {
		hop := strings.Trim(m[1], "*")
		if cause, known := tracerouteWords[m[2]]; known {
			hop += " " + cause.Kind
		} else if m[2] != "" {
			hop += " " + m[2]
		}
		hops = append(hops, hop)
	}
	return hops
}

// TestPrinted: what programs print is read as it is meant, and when one word of
// it is another, so is what is read.
func TestPrinted(t *testing.T) {
	ping := func(printed string) any { return readPing(printed) }
	arping := func(printed string) any { return readArping(printed, "192.168.1.2") }
	traceroute := func(printed string) any { return strings.Join(readTraceroute(printed), " ") }
	const head = "PING 192.168.1.2 (192.168.1.2) 56(84) bytes of data.\n"
	for _, test := range []struct {
		read    func(string) any
		printed string
		want    any
		altered [2]string // one word, and another
	}{
		{ping, head + "64 bytes from 192.168.1.2: icmp_seq=1 ttl=63 time=0.068 ms\n", echoAnswer{63, "reached", ""}, [2]string{"ttl=63", "ttl=64"}},
		{ping, head + "64 bytes from 192.168.1.2: icmp_seq=1 ttl=63 time=0.068 ms\n", echoAnswer{63, "reached", ""}, [2]string{"bytes from", "errors from"}},
		{ping, head + "From 192.168.1.1: icmp_seq=1 Redirect Host(New nexthop: 192.168.1.3)\n64 bytes from 192.168.1.2: icmp_seq=1 ttl=63 time=1 ms\n",
			echoAnswer{63, "reached", ""}, [2]string{"ttl=63", "ttl=64"}},
		{ping, head + "From 192.168.1.1 icmp_seq=1 Destination Host Unreachable\n", echoAnswer{0, "host unreachable", "192.168.1.1"}, [2]string{"Host", "Net"}},
		{ping, head + "From 192.168.1.1 icmp_seq=1 Time to live exceeded\n", echoAnswer{0, "time exceeded", "192.168.1.1"}, [2]string{".1.1 ", ".1.3 "}},
		{ping, "From fd00:1::1 icmp_seq=1 Destination unreachable: Address unreachable\n", echoAnswer{0, "host unreachable", "fd00:1::1"}, [2]string{"Address unreachable", "No route"}},
		{ping, "ping: connect: Network is unreachable\n", echoAnswer{0, "no route", "local"}, [2]string{"Network is unreachable", "No route to host"}},
		{ping, head, echoAnswer{0, "silence", ""}, [2]string{"PING", "ping: connect: Network is unreachable\n"}},
		{ping, "From 192.168.1.1 icmp_seq=1 Who knows\n", echoAnswer{0, "Who knows", "192.168.1.1"}, [2]string{"Who knows", "Packet filtered"}},
		{arping, "ARPING 192.168.1.2 from 192.168.1.1 eth0\nUnicast reply from 192.168.1.2 [02:00:02:00:00:01]  0.532ms\n", "02:00:02:00:00:01", [2]string{"02:00:00:01]", "02:00:00:03]"}},
		{arping, "ARPING 192.168.1.2 from 192.168.1.1 eth0\nUnicast reply from 192.168.1.2 [02:00:02:00:00:01]  0.532ms\n", "02:00:02:00:00:01", [2]string{"from 192.168.1.2", "from 192.168.1.9"}},
		{traceroute, "traceroute to 192.168.2.2 (192.168.2.2), 8 hops max, 60 byte packets\n 1  192.168.1.1  0.034 ms\n 2  *\n 3  192.168.2.2  0.04 ms\n",
			"192.168.1.1  192.168.2.2", [2]string{"192.168.1.1", "192.168.1.3"}},
		{traceroute, " 1  192.168.1.1  0.034 ms\n 2  192.168.1.1  60.7 ms !H\n", "192.168.1.1 192.168.1.1 host unreachable", [2]string{"!H", "!N"}},
		{traceroute, " 1  192.168.1.1  0.034 ms !H\n", "192.168.1.1 host unreachable", [2]string{" !H", ""}},
		{traceroute, " 1  192.168.1.1  0.034 ms !Z\n", "192.168.1.1 !Z", [2]string{" !Z", ""}},
		{traceroute, " 1  192.168.1.1  0.034 ms\n 2  192.168.2.2  0.04 ms\n", "192.168.1.1 192.168.2.2", [2]string{" 1  192.168.1.1  0.034 ms\n", ""}},
	} {
		require.Equal(t, test.want, test.read(test.printed), test.printed)
		require.Contains(t, test.printed, test.altered[0])
		require.NotEqual(t, test.want, test.read(strings.Replace(test.printed, test.altered[0], test.altered[1], 1)), "%s, altered: %s", test.printed, test.altered)
	}
}
