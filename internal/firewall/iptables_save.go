package firewall

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// savedLine is a rule or a policy as `iptables-save -c` prints it.
type savedLine struct {
	table, chain   string
	text           string // "-t nat -A POSTROUTING -j MASQUERADE" or "-t filter -P FORWARD DROP"
	policy         bool
	packets, bytes uint64
}

// parseSave reads the output of `iptables-save -c`. Policies other than DROP
// are left out: ACCEPT is what happens anyway, and chains that are nobody's
// hook have none.
func parseSave(out []byte) ([]savedLine, error) {
	var lines []savedLine
	table := ""
	scanner := bufio.NewScanner(bytes.NewReader(out))
	scanner.Buffer(nil, len(out)+1) // a rule may be long, and none may be lost
	for scanner.Scan() {
		text := strings.TrimSpace(scanner.Text())
		switch {
		case text == "" || text[0] == '#' || text == "COMMIT":
		case text[0] == '*':
			table = text[1:]
		case text[0] == ':':
			words := strings.Fields(text[1:])
			if len(words) != 3 || words[1] != "DROP" {
				continue
			}
			line := savedLine{table: table, chain: words[0], policy: true, text: "-t " + table + " -P " + words[0] + " " + words[1]}
			if err := line.count(words[2]); err != nil {
				return nil, err
			}
			lines = append(lines, line)
		case text[0] == '[':
			counters, rule, _ := strings.Cut(text, " ")
			words := strings.Fields(rule)
			if len(words) < 2 || words[0] != "-A" {
				return nil, fmt.Errorf("iptables-save printed a line that is not understood: %q", text)
			}
			line := savedLine{table: table, chain: words[1], text: "-t " + table + " " + normal(words)}
			if err := line.count(counters); err != nil {
				return nil, err
			}
			lines = append(lines, line)
		default:
			return nil, fmt.Errorf("iptables-save printed a line that is not understood: %q", text)
		}
	}
	return lines, scanner.Err()
}

// count reads "[packets:bytes]".
func (l *savedLine) count(text string) error {
	packets, octets, _ := strings.Cut(strings.Trim(text, "[]"), ":")
	var err error
	if l.packets, err = strconv.ParseUint(packets, 10, 64); err == nil {
		l.bytes, err = strconv.ParseUint(octets, 10, 64)
	}
	if err != nil {
		return fmt.Errorf("iptables-save printed counters that are not understood: %q", text)
	}
	return nil
}

// normal is a rule in the one form that Rule.String has, whichever version and
// variant of iptables-save printed it.
func normal(words []string) string {
	for i := range words {
		if i == 0 {
			continue
		}
		switch option, value := words[i-1], words[i]; {
		case option == "-p" && value == "icmpv6": // 1.8.10 and newer
			words[i] = "ipv6-icmp"
		case (option == "--to-source" || option == "--to-destination") && strings.HasPrefix(value, "[") && strings.HasSuffix(value, "]"):
			words[i] = value[1 : len(value)-1] // an IPv6 address that needs no brackets, having no port
		}
	}
	text := strings.Join(words, " ")
	// The target NOTRACK became an option of CT in kernel 3.8.
	if rest, ok := strings.CutSuffix(text, "-j NOTRACK"); ok {
		text = rest + "-j CT --notrack"
	}
	return text
}
