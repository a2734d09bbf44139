package assert

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/netrig/netrig/capture"
)

// Path demands the way that one packet took, sighting by sighting: every
// interface of a recorded node that it came out of or went into, in order and
// completely. A line names the interface and what is to be seen there; what it
// leaves out is not looked at:
//
//	"ns0:veth0     192.168.0.2 > 192.168.1.2  ttl 64"
//	"router:veth1  in  ttl 64"
//	"router:veth3  out ttl 63  mac 02:00:02:00:00:02 > 02:00:03:00:00:01"
//
// Addresses may carry ports ("192.168.0.2:4000 > 192.168.1.2:80"), "*" is any
// address. "in" and "out" are the direction as the node sees it.
func Path(t testing.TB, f *capture.Flight, hops ...string) {
	t.Helper()
	if f == nil || len(f.Hops) == 0 {
		fatalf(t, "netrig: Path: there is no packet to follow: it was not seen at all")
	}
	want, texts := make([]capture.Match, len(hops)), make([]string, len(hops))
	for i, text := range hops {
		h, err := parseHop(text)
		if err != nil {
			fatalf(t, "netrig: Path: hop %d, %q: %v", i+1, text, err)
		}
		want[i], texts[i] = h.match, text
	}
	if lines, ok := compare(want, texts, f.Hops, describe); !ok {
		fatalf(t, "the %s did not take the path demanded:\n    %s%s", f.First().Kind, lines, explainedOf(f))
	}
}

// hop is one line of Path, as it is being read.
type hop struct{ match capture.Match }

func describe(p *capture.Packet) string {
	return fmt.Sprintf("%s %s  %s > %s  ttl %d  mac %s > %s", p.Where(), strings.ToLower(p.Direction.String()),
		endpoint(p.Src, p.SrcPort), endpoint(p.Dst, p.DstPort), p.TTL, p.SrcMAC, p.DstMAC)
}

func endpoint(a netip.Addr, port uint16) string {
	if port == 0 {
		return a.String()
	}
	return netip.AddrPortFrom(a, port).String()
}

func parseHop(text string) (hop, error) {
	var h hop
	words := strings.Fields(text)
	if len(words) == 0 {
		return h, fmt.Errorf("it is empty")
	}
	node, iface, ok := strings.Cut(words[0], ":")
	if !ok || node == "" || iface == "" {
		return h, fmt.Errorf("%q is not of the form node:interface", words[0])
	}
	h.match.Node, h.match.Interface = node, iface
	for rest := words[1:]; len(rest) > 0; {
		var err error
		if rest, err = h.word(rest); err != nil {
			return h, err
		}
	}
	return h, nil
}

// word reads the next item of a hop, and returns the words behind it.
func (h *hop) word(words []string) ([]string, error) {
	pair := func(at int) (string, string, bool) {
		if len(words) < at+3 || words[at+1] != ">" {
			return "", "", false
		}
		return words[at], words[at+2], true
	}
	switch words[0] {
	case "in", "out":
		if h.match.Direction != capture.AnyDirection {
			return nil, fmt.Errorf("it says both \"in\" and \"out\", or one of them twice")
		}
		h.match.Direction = map[string]capture.Direction{"in": capture.In, "out": capture.Out}[words[0]]
		return words[1:], nil
	case "ttl":
		if len(words) < 2 {
			return nil, fmt.Errorf("a number is missing behind \"ttl\"")
		}
		ttl, err := strconv.Atoi(words[1])
		if err != nil || ttl < 1 || ttl > 255 {
			return nil, fmt.Errorf("%q is not a TTL from 1 to 255", words[1])
		}
		h.match.TTL = ttl
		return words[2:], nil
	case "mac":
		from, to, ok := pair(1)
		if !ok {
			return nil, fmt.Errorf("\"mac\" wants two hardware addresses, \"A > B\"")
		}
		return words[4:], h.macs(from, to)
	}
	from, to, ok := pair(0)
	if !ok {
		return nil, fmt.Errorf("%q is not understood: a hop is \"node:interface\", then \"in\", \"out\", \"A > B\", \"ttl N\" or \"mac A > B\"", words[0])
	}
	var err error
	if h.match.Src, h.match.SrcPort, err = parseEndpoint(from); err == nil {
		h.match.Dst, h.match.DstPort, err = parseEndpoint(to)
	}
	return words[3:], err
}

func (h *hop) macs(from, to string) error {
	for _, end := range []struct {
		text string
		into *net.HardwareAddr
	}{{from, &h.match.SrcMAC}, {to, &h.match.DstMAC}} {
		if end.text == "*" {
			continue
		}
		mac, err := net.ParseMAC(end.text)
		if err != nil {
			return fmt.Errorf("%q is not a hardware address", end.text)
		}
		*end.into = mac
	}
	return nil
}

func parseEndpoint(text string) (netip.Addr, uint16, error) {
	if text == "*" {
		return netip.Addr{}, 0, nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return a, 0, nil
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("%q is neither an address nor an address with a port nor *", text)
	}
	return ap.Addr(), ap.Port(), nil
}
