package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// none stands for an object or a field that one side does not have.
const none = "none"

// Difference is one field in which the two networks are not alike. Field is
// empty where one side has no such object at all, or no such node.
type Difference struct {
	Node, Object, Field string
	Harness, Script     string
}

// String names the place and both values.
func (d Difference) String() string {
	where := []string{d.Node}
	for _, part := range []string{d.Object, d.Field} {
		if part != "" {
			where = append(where, part)
		}
	}
	return fmt.Sprintf("%s: the harness has %s, the script %s", strings.Join(where, ": "), d.Harness, d.Script)
}

// Compare are the differences between the network of the harness and that of
// the script, in the order of their nodes and objects.
func Compare(harness, script State) []Difference {
	var all []Difference
	for _, node := range both(harness, script) {
		h, s := harness[node], script[node]
		if h == nil || s == nil {
			all = append(all, Difference{Node: node, Harness: present(h != nil, "the node"), Script: present(s != nil, "the node")})
			continue
		}
		all = append(all, compareNodes(node, h, s)...)
	}
	return all
}

func compareNodes(name string, h, s Node) (all []Difference) {
	off := h[disableIPv6]["value"] == "1" && s[disableIPv6]["value"] == "0"
	for _, object := range both(h, s) {
		if off && ipv6Off(object) {
			continue
		}
		for _, d := range compareObjects(object, h[object], s[object]) {
			d.Node = name
			all = append(all, d)
		}
	}
	return all
}

func compareObjects(name string, h, s Object) (all []Difference) {
	if h == nil || s == nil {
		d := Difference{Object: name, Harness: none, Script: none}
		if h != nil {
			d.Harness = h.String()
		}
		if s != nil {
			d.Script = s.String()
		}
		return []Difference{d}
	}
	for _, field := range both(h, s) {
		hv, inHarness := h[field]
		sv, inScript := s[field]
		if inHarness == inScript && same(hv, sv) || excused(kind(name), field, hv, sv) {
			continue
		}
		d := Difference{Object: name, Field: field, Harness: present(inHarness, hv), Script: present(inScript, sv)}
		all = append(all, d)
	}
	return all
}

// same compares values. One that names interfaces can name several that can't
// be told apart: those that share a MAC.
func same(h, s string) bool {
	if h == s {
		return true
	}
	for name := range strings.SplitSeq(h, or) {
		if (strings.Contains(h, or) || strings.Contains(s, or)) && slices.Contains(strings.Split(s, or), name) {
			return true
		}
	}
	return false
}

func present(is bool, value string) string {
	if is {
		return value
	}
	return none
}

// both are the keys of either map, in order.
func both[V any](a, b map[string]V) []string {
	keys := slices.Collect(maps.Keys(a))
	keys = slices.AppendSeq(keys, maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Report is the differences, one a line, and below them, for each sort of thing
// that differs in a node, all of that sort that either side has there.
func Report(differences []Difference, harness, script State) string {
	var b strings.Builder
	type sort struct{ node, kind string }
	var sorts []sort
	for _, d := range differences {
		fmt.Fprintf(&b, "%s\n", d)
		if s := (sort{d.Node, kind(d.Object)}); !slices.Contains(sorts, s) {
			sorts = append(sorts, s)
		}
	}
	for _, s := range sorts {
		for _, side := range []struct {
			name  string
			state State
		}{{"the harness", harness}, {"the script", script}} {
			fmt.Fprintf(&b, "\n%s, %s of %s:\n", s.node, s.kind, side.name)
			for _, object := range slices.Sorted(maps.Keys(side.state[s.node])) {
				if s.kind == "" || kind(object) == s.kind {
					fmt.Fprintf(&b, "    %s %s\n", object, side.state[s.node][object])
				}
			}
		}
	}
	return b.String()
}
