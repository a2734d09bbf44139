package harness_test

import (
	"os"
	"testing"
	"time"

	"github.com/netrig/netrig/harness"
)

func TestMain(m *testing.M) {
	os.Unsetenv("GITHUB_ACTIONS") // some of these tests have labs fail on purpose: that is nothing to tell GitHub
	harness.Main(m)
}

// pair is the smallest lab: two nodes on a cable, of both families.
func pair(t testing.TB, options ...harness.Option) (lab *harness.Lab, a, b *harness.Node, cable *harness.Cable) {
	t.Helper()
	lab = harness.New(t, options...)
	a, b = lab.Node("a"), lab.Node("b")
	cable = lab.Connect(a.Port("veth0", "192.168.0.1/24", "fd00::1/64"), b.Port("veth1", "192.168.0.2/24", "fd00::2/64"))
	return lab, a, b, cable
}

// linkTimeForTests bounds waits of tests for states that the kernel or another
// goroutine brings about.
const linkTimeForTests = 5 * time.Second
