// Package result is the form of what a test keeps of itself: test.json, beside
// the story, the packets, the explanation and the state of its nodes.
//
// A test has one set of such files for each of its labs: story.txt, test.json and
// so on, and for the second lab story-2.txt, test-2.json. test.json is written
// last, and appears whole or not at all: a set without one was never finished.
package result

// Version is that of the form of test.json and steps.json. It changes when a
// reader of the form before would misread a file.
const Version = 1

// The files of a set, without the number of the lab.
const (
	TestFile        = "test.json"    // Test
	StepsFile       = "steps.json"   // States: before and after each step
	StateFile       = "state.json"   // State, at the end or after the failure
	StoryFile       = "story.txt"    // every packet, a line each
	PacketsFile     = "lab.pcapng"   // every packet
	ExplanationFile = "explain.txt"  // why it failed
	TopologyFile    = "topology.svg" // the network, drawn
	LadderFile      = "ladder.svg"   // the story, drawn
)

// KeepVariable asks for the files of tests that pass or are skipped, by the
// value 1.
const KeepVariable = "NETRIG_KEEP"
