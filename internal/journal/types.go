package journal

import (
	"cmp"
	"fmt"
	"slices"
)

// Outcomes of a test.
const (
	Passed  = "pass"
	Failed  = "fail"
	Skipped = "skip"
)

// Header is how every file begins: what wrote it, and where.
type Header struct {
	Version int    `json:"version"`
	Package string `json:"package"`
	Kernel  string `json:"kernel"`  // the release, as uname -r prints it
	Machine string `json:"machine"` // the architecture, as uname -m prints it
	User    string `json:"user"`    // "root", or "ordinary" inside a user namespace
}

// Test is what one run of a test has shown.
type Test struct {
	Header
	Name    string `json:"test"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"` // why it was skipped
	Labs    []*Lab `json:"labs,omitempty"`
	// Times are apart from the rest: they differ from run to run.
	Times []Time `json:"times,omitempty"`
}

// Process is what a process has shown beside its tests.
type Process struct {
	Header
	// Sysctls are those below /proc/sys/net of a fresh namespace, by name, at the
	// end of the process: what the tests load modules for is there by then.
	Sysctls map[string]string `json:"sysctls"`
	// Modules are those of the kernel at the end of the process, in order, and of
	// them Loaded those that were not there at its beginning: what the tests needed,
	// unless something else on the machine loaded modules meanwhile. A kernel without
	// modules has none.
	Modules []string `json:"modules,omitempty"`
	Loaded  []string `json:"loaded,omitempty"`
}

// Lab is one network, as it was built, asked and left.
type Lab struct {
	Timers  string  `json:"timers"`
	Backend string  `json:"backend"`
	Steps   []*Step `json:"steps"`
	Nodes   []Node  `json:"nodes"`
	// Gaps say where the recording lacks packets.
	Gaps []string `json:"gaps,omitempty"`
}

// Step is what happened under one heading of Lab.Step; that before the first has
// no name.
type Step struct {
	Name    string   `json:"name,omitempty"`
	Actions []Action `json:"actions,omitempty"` // in order
	Verbs   []Verb   `json:"verbs,omitempty"`
	Packets []Packet `json:"packets,omitempty"`
}

// Action is what the test did to the network by a verb of the harness.
type Action struct {
	Do   string `json:"do"`             // the verb that the test called: "AddRoute", "Masquerade", "Down", ...
	Node string `json:"node,omitempty"` // "" for the lab's own verbs, such as Connect
	What string `json:"what,omitempty"` // as ip(8) and its likes have it: "192.168.2.0/24 via 192.168.1.1 dev eth0"
	Line string `json:"line"`           // of the test's source: "router_test.go:23"
}

// Verb is a question that the test asked, and what it saw.
type Verb struct {
	Verb string `json:"verb"` // "Reachable", "Neighbor", ...
	From string `json:"from"` // a node
	To   string `json:"to"`   // as the test wrote it
	Line string `json:"line"` // of the test's source: "router_test.go:23"
	// Saw is what came of it, by name: "outcome", "said by", "ttl", ...
	Saw map[string]string `json:"saw,omitempty"`
}

// Packet is one sighting of a packet, in words.
type Packet struct {
	At        string `json:"at"`        // node:interface
	Direction string `json:"direction"` // as the node sees it
	// Flight numbers the packets of the step: sightings of one packet have the
	// same number.
	Flight int    `json:"flight"`
	During int    `json:"during,omitempty"` // number of the verb that had begun last, from 1
	After  bool   `json:"after,omitempty"`  // that verb had ended by then
	Kind   string `json:"kind"`             // with the reason of an ICMP error
	Src    string `json:"src,omitempty"`
	Dst    string `json:"dst,omitempty"`
	TTL    int    `json:"ttl,omitempty"`
	Detail string `json:"detail,omitempty"` // flags, sizes, what an error is about
	MACs   string `json:"macs,omitempty"`   // "node:interface > node:interface"
	// Housekeeping is what a kernel sends on its own account when an interface
	// comes up.
	Housekeeping bool `json:"housekeeping,omitempty"`
}

// Node is what the kernel held of a node when its lab ended.
type Node struct {
	Name    string   `json:"name"`
	Objects []Object `json:"objects"`
}

// Object is one thing in a node, such as the interface veth0 or a route.
type Object struct {
	Kind   string            `json:"kind"` // one of the kinds below
	Name   string            `json:"name"`
	Fields map[string]string `json:"fields,omitempty"`
}

// Kinds of objects.
const (
	Interface   = "interface"
	Address     = "address"
	Route       = "route"
	RoutingRule = "routing rule"
	Neighbour   = "neighbour"
	BridgePort  = "bridge port"
	Forwarding  = "forwarding entry"
	Filter      = "filter rule" // NAT rules too, as the backend lists them
	Connection  = "tracked connection"
	Counter     = "counter"
)

// Time is how long something took.
type Time struct {
	What string  `json:"what"`
	Took float64 `json:"ms"`
}

// Sort puts objects in the order of their kinds, names and fields, and gives
// numbers to those that share a name: the kernel has them in the order of a hash
// with a random key.
func Sort(objects []Object) {
	slices.SortFunc(objects, func(a, b Object) int {
		if c := cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)); c != 0 {
			return c
		}
		return cmp.Compare(fmt.Sprint(a.Fields), fmt.Sprint(b.Fields)) // of the few that share a name
	})
	for i := 0; i < len(objects); {
		end := i + 1
		for end < len(objects) && objects[end].Kind == objects[i].Kind && objects[end].Name == objects[i].Name {
			end++
		}
		for number := 2; i+number-1 < end; number++ {
			objects[i+number-1].Name += fmt.Sprintf(" #%d", number)
		}
		i = end
	}
}
