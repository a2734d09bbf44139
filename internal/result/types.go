package result

import (
	"time"

	"github.com/netrig/netrig/internal/explain"
	"github.com/netrig/netrig/internal/journal"
)

// Test is how one test went, as far as one of its labs goes.
type Test struct {
	// The version, the package's import path, and where it ran. It ends with
	// whether that was root.
	journal.Header
	Name    string `json:"test"`
	Outcome string `json:"outcome"`          // journal.Passed, Failed or Skipped
	Reason  string `json:"reason,omitempty"` // why it was skipped
	// Began is when the lab was made, by the machine's clock, which stamps the
	// packets too.
	Began time.Time `json:"began"`
	// Took is how long the lab was there, in milliseconds.
	Took     float64   `json:"ms"`
	Timers   string    `json:"timers,omitempty"`  // "fast" or "kernel"
	Backend  string    `json:"backend,omitempty"` // of NAT and filters
	Failures []Failure `json:"failures,omitempty"`
	Steps    []Step    `json:"steps,omitempty"`
	// Interfaces are those of the nodes when the files were written. Interfaces of
	// lab.pcapng have the same names.
	Interfaces []Interface `json:"interfaces,omitempty"`
	// Drops say where the recording lacks packets.
	Drops []string `json:"drops,omitempty"`
}

// Failure is what a verb said when it failed the test. What the test itself
// says, by t.Fatal, nobody tells netrig: go test's output has it.
type Failure struct {
	Line string `json:"line"`           // "router_test.go:22"
	Code string `json:"code,omitempty"` // what is written there
	Text string `json:"text"`
}

// Step is what happened under one heading; that before the first has no name.
type Step struct {
	Name  string    `json:"name,omitempty"`
	Began time.Time `json:"began"`
	Asked []Asked   `json:"asked,omitempty"`
}

// Asked is a question of the test, and what it saw: in the words of the
// journal, but with the addresses as they are.
type Asked struct {
	journal.Verb
	Began time.Time `json:"began"`
	Took  float64   `json:"ms"`
}

// Interface is one of a node's.
type Interface struct {
	Name      string   `json:"name"` // "node:interface"
	Node      string   `json:"node"`
	Interface string   `json:"interface"`
	Kind      string   `json:"kind,omitempty"`
	MAC       string   `json:"mac,omitempty"`
	Addresses []string `json:"addresses,omitempty"`
}

// State is what the kernel said of each node, in state.json. Files of the first
// version have neither version nor package.
type State struct {
	Version int    `json:",omitempty"`
	Package string `json:",omitempty"`
	Test    string
	*explain.Facts
}

// States are what the kernel said at the beginning of each step, in steps.json.
// What it said at the end is in state.json.
type States struct {
	Version int    `json:"version"`
	Package string `json:"package"`
	Test    string `json:"test"`
	States  []At   `json:"states"`
}

// At is what the kernel said at the beginning of a step.
type At struct {
	Step  string         `json:"step"`
	Facts *explain.Facts `json:"facts"`
}
