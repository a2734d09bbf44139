// Package compare tells what changed between two sets of journals: tests that
// end otherwise, and behaviour that was observed otherwise although the tests
// still pass.
//
// A journal is taken apart into facts (facts.go, packets.go), those that tell
// nothing are dropped in one place (noise.go), and what is left is compared
// (diff.go). A difference counts only when every run of one side differs from
// every run of the other.
package compare
