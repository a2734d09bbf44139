// Package assert holds the verbs of a test: Reachable, Unreachable, TTL,
// Neighbor, Path, Packets, Matrix and their like. Each sends real traffic or
// asks the kernel, looks at once, and returns what it saw.
//
// A verb whose demand is not met stops the test (FailNow) at the caller's
// line: what would follow rests on it. The message names nodes, interfaces and
// values, and lists the packets that did arrive.
//
// A negative is proven, not waited for. After a probe the verbs wait until no
// packet is under way anywhere in the lab (capture.Recording.Settle); an
// answer that is not there by then does not come. The same proof ends a
// Reachable that fails, long before its deadline.
package assert
