// Package bench runs the same work through netrig and through what people use
// without it, side by side in one run: a shell script with ip, iptables and
// ping; Mininet; plain Go with vishvananda/netlink and named namespaces; and a
// floor, the fewest system calls that do the same and check nothing.
//
// Every contender is a process of its own that is handed work, in namespaces of
// its own (sandbox.sh; netrig makes them itself). They take turns: each meets
// the same machine, after the kernel is done with what the one before has left.
//
// `make bench` runs all of it and writes docs/performance.md.
package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/netrig/netrig/harness"
)

// roleVariable says what a process of this test binary is, other than tests: a
// contender ("worker netrig"), or a sender of frames ("send veth0 64 1000000").
const roleVariable = "NETRIG_BENCH_ROLE"

// selfVariable tells contenders that are scripts where this binary is.
const selfVariable = "NETRIG_BENCH_SELF"

func TestMain(m *testing.M) {
	role := strings.Fields(os.Getenv(roleVariable))
	if len(role) == 0 || role[0] == "worker" && role[1] == "netrig" {
		harness.Main(m) // the worker is the test TestWorker
		return
	}
	err := fmt.Errorf("%s=%q is none that this binary has", roleVariable, role)
	switch role[0] {
	case "worker":
		err = serve(os.Stdin, os.Stdout, goWorkers[role[1]])
	case "send":
		err = sendFrames(role[1], role[2], role[3])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", strings.Join(role, " "), err)
		os.Exit(1)
	}
}
