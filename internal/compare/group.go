package compare

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// group is the differences that are alike but for names and addresses: a change
// of the kernel shows in many tests.
type group struct {
	shape string
	all   []Difference
}

// groups are the groups in the order of their first difference.
func (r *Result) groups() []*group {
	byShape := map[string]*group{}
	var list []*group
	for _, d := range r.Differences {
		shape := r.shape(d)
		g := byShape[shape]
		if g == nil {
			g = &group{shape: shape}
			byShape[shape] = g
			list = append(list, g)
		}
		g.all = append(g.all, d)
	}
	return list
}

// tests are the tests of the group's differences, each once.
func (g *group) tests() (names []string) {
	seen := map[string]bool{}
	for _, d := range g.all {
		if d.Test != "" && !seen[d.Test] {
			seen[d.Test] = true
			names = append(names, d.Test)
		}
	}
	return names
}

var word = regexp.MustCompile(`[^\s,]+`)

// shape is a difference without what is another in every network.
func (r *Result) shape(d Difference) string {
	if d.Kind == Outcomes {
		return strings.Join([]string{string(d.Kind), d.Test}, "\n")
	}
	parts := []string{string(d.Kind), string(d.Verdict), d.What, d.Field, d.Before, d.After}
	for i, p := range parts {
		parts[i] = word.ReplaceAllStringFunc(p, r.placeholder)
	}
	return strings.Join(parts, "\n")
}

func (r *Result) placeholder(text string) string {
	bare := strings.Trim(text, "()[]")
	switch {
	case r.names[text]:
		return "NAME"
	case isAddress(bare), strings.HasPrefix(text, "fe80::("):
		return "ADDRESS"
	}
	return text
}

func isAddress(text string) bool {
	if strings.HasPrefix(text, "tcp:") || strings.HasPrefix(text, "udp:") {
		text = text[4:]
	}
	// A port may be one in words.
	if at := strings.LastIndex(text, ":ephemeral"); at > 0 {
		text = strings.Trim(text[:at], "[]")
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	if _, err := netip.ParsePrefix(text); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(text)
	return err == nil
}

// Rare are the tests with a difference for the worse that fewer than so many
// tests show alike: it may be chance.
func (r *Result) Rare(tests int) (names []string) {
	for _, g := range r.groups() {
		if of := g.tests(); g.all[0].Verdict == Worse && len(of) < tests {
			names = append(names, of...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Judge sets the status by the differences that are there.
func (r *Result) Judge() {
	r.Status = StatusSame
	if slices.ContainsFunc(r.Differences, func(d Difference) bool { return d.Verdict == Worse }) {
		r.Status = StatusWorse
	}
}
