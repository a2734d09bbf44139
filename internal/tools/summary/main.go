// Command summary reads what `go test -json` writes and tells a person what
// matters: the output of tests that failed, go test's own closing lines, and at
// the end how many tests ran and which were skipped, with their reasons.
//
// A line "## as NAME" starts a new part, so that runs as different users share
// one summary; "## not run as NAME: WHY" is repeated at the end. The exit status
// is 1 when a test or a build failed or when a part ran no test at all. A part
// whose tests were all skipped ran some, and it is said.
package main

import (
	"fmt"
	"os"
)

func main() {
	s := newSummary(os.Stdout)
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "summary: read the output of go test:", err)
		os.Exit(1)
	}
	if !s.close() {
		os.Exit(1)
	}
}
