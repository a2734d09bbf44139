package harness

import (
	"fmt"
	"os"
	"testing"

	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/sandbox"
)

// Main runs the tests of m inside namespaces of their own (network, mount and
// PID, and for an ordinary user a user namespace too) and does not return.
// Call it from TestMain. The machine's own links, addresses, routes, sysctls
// and mounts can't be changed from in there by accident, and whatever ends the
// tests, every process that they started and every namespace ends with them.
//
// Arguments, standard streams, signals and the exit status are handed over, so
// that the flags of go test work as usual. Where the kernel forbids namespaces
// the process says which setting forbids them, and exits with 1.
//
// On a machine with fewer than eight processors, eight tests that call
// t.Parallel run at once all the same, since they mostly wait, and GOMAXPROCS is
// 8: benchmarks are then called BenchmarkX-8, and b.RunParallel starts eight
// goroutines. Whoever wants otherwise says so by -parallel, -cpu or GOMAXPROCS.
//
// The environment variable NETRIG_SANDBOX=inplace runs the tests where they
// are, for debuggers; NETRIG_REQUIRE=1 turns every skip for something missing
// into a failure; no other value does. NETRIG_HOLD=1 keeps the lab of the first
// failed test up, and says how to open a shell in its nodes.
func Main(m *testing.M) { sandbox.Main(&tests{m}) }

// tests are those of the process, and what is to be done after them.
type tests struct{ *testing.M }

func (t *tests) Run() int {
	if text := wrongHold(); text != "" {
		fmt.Fprintln(os.Stderr, "netrig: "+text)
	}
	if os.Getenv(journal.Variable) != "" {
		modulesAtStart = kernelModules()
	}
	code := t.M.Run()
	if err := journalProcess(); err != nil {
		fmt.Fprintf(os.Stderr, "netrig: %v\n", err)
		code = max(code, 1)
	}
	return code
}
