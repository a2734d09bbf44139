// Package topology draws a network as the kernel describes it: its nodes, their
// bridges and interfaces with addresses and MACs, the cables between them, and
// on it the way of the packets that a failed test is about, with TTL and
// addresses at each hop, up to where it ended. As SVG, Mermaid and DOT.
//
// It draws what explain.Facts say and nothing else, so that a picture can't show
// what a test meant to build and did not.
package topology
