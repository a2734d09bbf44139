package explain

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// IPsecPolicy is a policy of IPsec: which packets may pass, and wrapped in what.
type IPsecPolicy struct {
	Text      string // as ip-xfrm(8) prints it, in a line
	Direction string // "in", "out" or "fwd"
	Blocks    bool   `json:",omitempty"`
	From, To  netip.Prefix
	// Missing are the templates for which the node has no state (security
	// association).
	Missing []string `json:",omitempty"`
	Wraps   bool     `json:",omitempty"` // it asks for some protection
}

// ipsec tells whether IPsec ended a packet in a node, by the counters of
// /proc/net/xfrm_stat; the directions are those of the policies that may have.
func (r *reasoner) ipsec(v *Verdict, n *Node, from, to netip.Addr, directions ...string) bool {
	counter := ""
	for _, name := range slices.Sorted(maps.Keys(n.Moved)) {
		out := strings.HasPrefix(name, "XfrmOut") || name == "XfrmAcquireError"
		if strings.HasPrefix(name, "Xfrm") && n.Moved[name] > 0 && (slices.Contains(directions, "out") && out || !slices.Equal(directions, []string{"out"}) && !out) {
			counter = name
			break
		}
	}
	if counter == "" {
		return false
	}
	v.End, v.Detail = DroppedByStack, "IPsec policy"
	for _, p := range n.IPsec {
		if !slices.Contains(directions, p.Direction) || p.From.IsValid() && from.IsValid() && !p.From.Contains(from) || p.To.IsValid() && !p.To.Contains(to) {
			continue
		}
		switch {
		case p.Blocks:
			v.cause("%s: the policy of IPsec %s blocks it", n.Name, p.Text)
		case p.Wraps && p.Direction == "out" && len(p.Missing) > 0:
			v.cause("%s: the policy of IPsec %s wants a state that is not there (ip xfrm state): %s", n.Name, p.Text, strings.Join(p.Missing, ", "))
		case p.Wraps && p.Direction != "out":
			text := fmt.Sprintf("%s: the policy of IPsec %s takes only what comes by it, and the packet came without", n.Name, p.Text)
			if len(p.Missing) > 0 {
				text += "; there is no state either: " + strings.Join(p.Missing, ", ")
			}
			v.Cause = append(v.Cause, text)
		default:
			continue
		}
		break
	}
	v.cause("%s: the counter %s moved by %d", n.Name, counter, n.Moved[counter])
	return true
}
