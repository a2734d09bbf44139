package bench

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/try"
)

// netrig does the works as its users write them: with everything recorded,
// every state observed and the answers asserted.
var netrig = worker{
	build: map[string]func(int) error{
		"pair":       lab(netrigPair),
		"masquerade": lab(netrigMasquerade),
		"bridge":     lab(netrigBridge),
		"chain":      lab(netrigChain),
	},
	other: map[string]func(int, int) (answer, error){
		"learned":    func(size, _ int) (answer, error) { return netrigMatrix(size, false) },
		"permanent":  func(size, _ int) (answer, error) { return netrigMatrix(size, true) },
		"capture":    netrigCapture,
		"throughput": netrigThroughput,
	},
}

// lab makes a work of a test.
func lab(body func(t testing.TB, size int)) func(int) error {
	return func(size int) error {
		return tried(func(t testing.TB) { body(t, size) })
	}
}

// tried runs a test to its end, cleanups included.
func tried(body func(testing.TB)) error {
	if r := try.Run("work", body); r.Failed || r.Skipped {
		return fmt.Errorf("%v\n%s%s", r.Panic, r.Log(), r.Stack)
	}
	return nil
}

func netrigPair(t testing.TB, _ int) {
	lab := harness.New(t)
	a, b := lab.Node("a"), lab.Node("b")
	lab.Connect(a.Port("veth0", "10.0.0.1/24"), b.Port("veth1", "10.0.0.2/24"))
	assert.Reachable(t, a, "10.0.0.2")
}

func netrigMasquerade(t testing.TB, _ int) {
	lab := harness.New(t)
	client, gateway, server := lab.Node("client"), lab.Node("gateway"), lab.Node("server")
	lab.Connect(client.Port("veth0", "10.1.0.2/24"), gateway.Port("veth1", "10.1.0.1/24"))
	lab.Connect(server.Port("veth2", "10.2.0.2/24"), gateway.Port("veth3", "10.2.0.1/24"))
	client.AddDefaultRoute("10.1.0.1")
	gateway.EnableForwarding()
	gateway.Masquerade(harness.NAT{Source: "10.1.0.0/24", Out: "veth3"})
	echo := assert.Reachable(t, client, "10.2.0.2")
	if seen := echo.Request.Last(); seen.Node != "server" || seen.Src.String() != "10.2.0.1" {
		t.Fatalf("the server saw %s, want 10.2.0.1", seen)
	}
}

func bridged(t testing.TB, size int) []*harness.Node {
	lab := harness.New(t)
	br := lab.Node("switch").Bridge("br0")
	nodes := lab.Nodes("h%d", size)
	for i, n := range nodes {
		lab.Connect(br.Port(fmt.Sprintf("p%d", i+1)), n.Port("eth0", address(i+1)+"/16"))
	}
	return nodes
}

func netrigBridge(t testing.TB, size int) {
	assert.Reachable(t, bridged(t, size)[0], address(size))
}

func netrigChain(t testing.TB, routers int) {
	lab := harness.New(t)
	nodes := lab.Nodes("r%d", routers+2)
	last := len(nodes) - 1
	for i, left := range nodes[:last] {
		right := nodes[i+1]
		lab.Connect(left.Port("right", fmt.Sprintf("10.0.%d.1/24", i)), right.Port("left", fmt.Sprintf("10.0.%d.2/24", i)))
	}
	nodes[0].AddDefaultRoute("10.0.0.2")
	nodes[last].AddDefaultRoute(fmt.Sprintf("10.0.%d.1", routers))
	for i, n := range nodes[1:last] {
		i++
		n.EnableForwarding()
		if i < routers {
			n.AddDefaultRoute(fmt.Sprintf("10.0.%d.2", i))
		}
		if i > 1 {
			n.AddRoute("10.0.0.0/24", fmt.Sprintf("10.0.%d.1", i-1))
		}
	}
	echo := assert.Reachable(t, nodes[0], fmt.Sprintf("10.0.%d.2", routers))
	assert.TTL(t, echo, 64-routers)
}

func netrigMatrix(size int, permanent bool) (a answer, err error) {
	err = tried(func(t testing.TB) {
		nodes := bridged(t, size)
		if permanent {
			nodes[0].Lab().PermanentNeighbors()
		}
		start := time.Now()
		assert.Matrix(t, nodes, func(_, _ *harness.Node) assert.Cause { return assert.Reached })
		a.Seconds = time.Since(start).Seconds()
	})
	return a, err
}

// netrigCapture records frames at both ends of a cable. Packets that are lost
// fail the lab; here they are counted.
func netrigCapture(size, count int) (a answer, err error) {
	err = tried(func(t testing.TB) {
		lab := harness.New(t, harness.WithCapture(capture.Ring(16<<20), capture.Keep(128, 128)))
		from, to := lab.Node("from"), lab.Node("to")
		lab.Connect(from.Port("veth0"), to.Port("veth1"))
		send := from.Command(self())
		send.Env = append(os.Environ(), roleVariable+"="+fmt.Sprintf("send veth0 %d %d", size, count), "NETRIG_SANDBOX=")
		debug.FreeOSMemory() // of the works before
		before := resident(t)
		start := time.Now()
		if out, err := send.CombinedOutput(); err != nil {
			t.Fatalf("send frames: %v\n%s", err, out)
		}
		for _, d := range lab.Recording().Dropped() { // which drains
			a.Lost += d.Packets
		}
		a.Seconds = time.Since(start).Seconds()
		a.Kilobytes = resident(t) - before
	})
	if a.Lost > 0 {
		err = nil
	}
	return a, err
}

// resident is the memory of this process, in kilobytes.
func resident(t testing.TB) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kilobytes int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kilobytes); n == 1 {
			return kilobytes
		}
	}
	t.Fatalf("there is no VmRSS in\n%s", status)
	return 0
}

// netrigThroughput is TCP between two nodes with recording off.
func netrigThroughput(seconds, _ int) (a answer, err error) {
	err = tried(func(t testing.TB) {
		start := time.Now()
		lab := harness.New(t)
		client, server := lab.Node("client", harness.Unrecorded()), lab.Node("server", harness.Unrecorded())
		lab.Connect(client.Port("veth0", "10.0.0.1/24"), server.Port("veth1", "10.0.0.2/24"))
		serve := server.Command("iperf3", "-s", "-1", "--forceflush")
		said, err := serve.StdoutPipe()
		if err == nil {
			err = serve.Start()
		}
		if err == nil {
			err = untilListening(said)
		}
		if err != nil {
			t.Fatalf("start iperf3: %v", err)
		}
		out, err := client.Command("iperf3", "-c", "10.0.0.2", "-t", strconv.Itoa(seconds), "-J").Output()
		if err == nil {
			a.Bits, err = received(out)
		}
		if err != nil {
			t.Fatalf("run iperf3: %v\n%s", err, out)
		}
		if err := serve.Wait(); err != nil {
			t.Fatalf("end iperf3: %v", err)
		}
		a.Seconds = time.Since(start).Seconds()
	})
	return a, err
}

func self() string {
	if path := os.Getenv(selfVariable); path != "" {
		return path
	}
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}
