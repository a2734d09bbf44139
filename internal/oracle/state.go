package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// State is what the kernel holds of a network, by node.
type State map[string]Node

// Node is what it holds of one node, by object: "link eth0",
// "route unicast default dev eth0 table main", "neighbour 192.168.1.2 dev eth0".
type Node map[string]Object

// Object is one thing in a node: its fields, as iproute2 and its likes name and
// print them, with what names a device of this network only (a MAC, an index)
// replaced by the interface's name, "node:interface".
type Object map[string]string

// String is the object in one line.
func (o Object) String() string {
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(o)) {
		fields = append(fields, name+"="+o[name])
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// kind is what sort of thing the object of that name is: "link", "route", ...
func kind(object string) string {
	kind, _, _ := strings.Cut(object, " ")
	return kind
}

// put adds an object; a second one of the same name gets a number.
func (n Node) put(name string, o Object) {
	unique := name
	for i := 2; n[unique] != nil; i++ {
		unique = fmt.Sprintf("%s #%d", name, i)
	}
	n[unique] = o
}

// clone is a copy that shares nothing with the state.
func (s State) clone() State {
	all := State{}
	for node, objects := range s {
		all[node] = Node{}
		for name, o := range objects {
			all[node][name] = maps.Clone(o)
		}
	}
	return all
}
