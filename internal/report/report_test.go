package report

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/internal/explain"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/result"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// run runs the command.
func run(args ...string) (status int, out, complaints string) {
	var o, c strings.Builder
	status = Main(args, &o, &c)
	return status, o.String(), c.String()
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	dir := three(t)
	status, out, complaints := run(dir)
	assert.Equal(t, StatusWritten, status, complaints)
	assert.Equal(t, "3 tests: "+filepath.Join(dir, "report.html")+"\n", out)
	assert.Empty(t, complaints)
	first, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)

	for range 8 { // one that depends on the order of a map differs in some
		status, out, _ = run(dir, "-o", "-")
		assert.Equal(t, StatusWritten, status)
		require.True(t, string(first) == out, "the same files make another page")
	}

	file := filepath.Join(t.TempDir(), "x.html")
	status, out, _ = run("-o", file, dir)
	assert.Equal(t, StatusWritten, status)
	assert.Contains(t, out, file)
	assert.FileExists(t, file)

	status, out, _ = run("--help")
	assert.Equal(t, StatusWritten, status)
	assert.Equal(t, Usage, out)
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "it takes one folder, DIR, not 0"},
		{[]string{dir, dir}, "it takes one folder, DIR, not 2"},
		{[]string{"-x", dir}, "flag provided but not defined: -x; see `netrig report --help`"},
		{[]string{dir + "/none"}, "none: no such file or directory"},
		{[]string{t.TempDir()}, "holds nothing that a test has left behind: tests leave it there when they fail, and with NETRIG_KEEP=1 always"},
		{[]string{"-o", dir + "/none/x.html", dir}, "write the report: open "},
	} {
		status, out, complaints = run(c.args...)
		assert.Equal(t, StatusCannot, status, c.args)
		assert.Empty(t, out)
		assert.Contains(t, complaints, c.want)
	}
}

// page is what a report says of one test without being unpacked.
func pageOf(t *testing.T, dir string) (text, complaints string) {
	t.Helper()
	status, out, complaints := run("-o", "-", dir)
	require.Equal(t, StatusPartly, status, complaints)
	return out, complaints
}

// What is broken is told, and the rest is shown.
func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(p result.Place) error
		want string // in the page, and on standard error
		also string // in the page
	}{
		{"no test.json", func(p result.Place) error { return os.Remove(p.Path(result.TestFile)) },
			"test.json is missing: the test was ended while it saved its files, or an older netrig wrote them", `<li>without a result</li>`},
		{"half a test.json", cut(result.TestFile), "test.json: it is damaged, or was written only half: unexpected end of JSON input", "TestPass"},
		{"an empty test.json", func(p result.Place) error { return p.Write(result.TestFile, nil) }, "test.json: it is empty", "TestPass"},
		{"another's test.json", func(p result.Place) error { return p.Write(result.TestFile, []byte(`{"x":1}`)) }, "test.json: it names no test", "TestPass"},
		{"older", version(0), "test.json: it is of version 0, an older one than the 1 that this netrig reads: shown is what has the same form", `<li>passed</li>`},
		{"newer", version(7), "test.json: it is of version 7, a newer one than the 1", `<li>passed</li>`},
		{"an outcome of tomorrow", func(p result.Place) error {
			return p.Finish(&result.Test{Header: journal.Header{Version: result.Version}, Name: "TestPass", Outcome: "flaked"})
		}, `test.json: the outcome &#34;flaked&#34; is not known to this netrig`, "TestPass"},
		{"half a state", cut(result.StateFile), "state.json: it is damaged, or was written only half", "TestPass"},
		{"half of the steps", cut(result.StepsFile), "steps.json: it is damaged, or was written only half", "TestPass"},
		{"half of the packets", cut(result.PacketsFile), "lab.pcapng: read pcapng, block", "TestPass"},
		{"no packets but a text", func(p result.Place) error { return p.Write(result.PacketsFile, []byte("packets, I think")) },
			"lab.pcapng: read pcapng, block 1: it does not begin as such a file", "TestPass"},
		{"no packets", func(p result.Place) error { return os.Remove(p.Path(result.PacketsFile)) },
			"lab.pcapng is missing, though every test leaves one behind: no packet can be shown", `<li>passed</li>`},
		{"no state", func(p result.Place) error { return os.Remove(p.Path(result.StateFile)) },
			"state.json is missing, though every test leaves one behind", `<li>passed</li>`},
		{"no story", func(p result.Place) error { return os.Remove(p.Path(result.StoryFile)) },
			"story.txt is missing, though every test leaves one behind", `<li>passed</li>`},
		{"half a picture", func(p result.Place) error { return p.Write(result.TopologyFile, []byte("<svg><text>")) },
			"topology.svg: it is no SVG picture, or only half of one", "TestPass"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			p := sample{test: result.Test{Name: "TestPass", Outcome: journal.Passed, Began: epoch}, packets: routed(t, 3, "x"), facts: facts("1"),
				before: []result.At{{Step: "built", Facts: facts("0")}}}.save(t, dir)
			sample{test: result.Test{Name: "TestOther", Outcome: journal.Passed, Began: epoch}}.save(t, dir)
			require.NoError(t, c.do(p))
			text, complaints := pageOf(t, dir)
			assert.Contains(t, text, c.want)
			assert.Contains(t, complaints, strings.ReplaceAll(c.want, "&#34;", `"`))
			assert.Contains(t, text, c.also)
			assert.Contains(t, text, "TestOther")
			assert.Equal(t, 1, strings.Count(complaints, "\n"), complaints)
		})
	}
}

func cut(name string) func(result.Place) error {
	return func(p result.Place) error {
		raw, err := os.ReadFile(p.Path(name))
		if err != nil {
			return err
		}
		return p.Write(name, raw[:len(raw)/2+1])
	}
}

func version(v int) func(result.Place) error {
	return func(p result.Place) error {
		return p.Finish(&result.Test{Header: journal.Header{Version: v}, Name: "TestPass", Outcome: journal.Passed})
	}
}

// Whatever is in the files, there is a page, or a reason why not.
func TestDamagedFilesEndNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := sample{test: result.Test{Name: "TestPass", Outcome: journal.Passed, Began: epoch}, packets: routed(t, 2, "x"), facts: facts("1"),
		before: []result.At{{Step: "built", Facts: facts("0")}}}.save(t, dir)
	const letters = "0123456789{}[]\",:nulltrue-. \x00\xff"
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{result.TestFile, result.StateFile, result.StepsFile, result.PacketsFile} {
		whole, err := os.ReadFile(p.Path(name))
		require.NoError(t, err)
		for range 100 {
			damaged := append([]byte(nil), whole...)
			for range 1 + random.IntN(4) {
				damaged[random.IntN(len(damaged))] = letters[random.IntN(len(letters))]
			}
			require.NoError(t, p.Write(name, damaged))
			status, out, complaints := run("-o", "-", dir)
			require.NotEqual(t, StatusCannot, status, complaints)
			require.Contains(t, out, "</html>")
		}
		require.NoError(t, p.Write(name, whole))
	}
}

// A page asks for nothing, and holds no address that a browser would ask for.
func TestPageIsAlone(t *testing.T) {
	t.Parallel()
	_, out, _ := run("-o", "-", three(t))
	assert.NotRegexp(t, `(?i)(src|href|url)\s*[=(]\s*["']?(https?:)?//`, out)
	assert.Regexp(t, regexp.MustCompile(`Content-Security-Policy" content="default-src &#39;none&#39;;.* script-src &#39;sha256-`), out)
	for _, text := range []string{`<script>window.owned`, `<img`, `onerror="`} {
		assert.NotContains(t, out, text)
	}
}

// many are 60 tests with 20,000 packets in all, none like another.
func many(t testing.TB) (dir string) {
	dir = t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	const tests, packets = 60, 20_000
	for i := range tests {
		n := packets / tests / 4
		if i < packets/4-n*tests {
			n++
		}
		state := facts("1")
		for _, node := range state.Nodes {
			for j := range 120 {
				node.Sysctls[fmt.Sprintf("net.ipv4.conf.eth%d.rp_filter", j)] = fmt.Sprint(random.IntN(3))
				node.Counters[fmt.Sprintf("TcpExtCounter%d", j)] = random.Uint64N(1000)
			}
		}
		var text strings.Builder
		for j := range 40 {
			fmt.Fprintf(&text, "%d.%03d ms  router:veth%d  >  10.0.%d.2 > 10.0.2.2  echo request id %d seq 0  ttl 64\n", j, random.IntN(1000), j, i, random.IntN(65536))
		}
		payload := func(int) string { // as much as ping sends
			b := make([]byte, 56)
			for j := range b {
				b[j] = byte(random.IntN(256))
			}
			return string(b)
		}
		test := result.Test{Name: fmt.Sprintf("TestNetwork%d/IPv4", i), Outcome: journal.Failed, Began: epoch, Took: 12.5,
			Failures: []result.Failure{{Line: "lan_test.go:9", Text: "client cannot reach 10.0.2.2\n" + text.String()}}}
		for j := range 6 {
			test.Steps = append(test.Steps, result.Step{Name: fmt.Sprint("step ", j), Began: epoch.Add(time.Duration(j) * 10 * time.Millisecond)})
		}
		sample{test: test, packets: routedEach(t, n, payload), facts: state,
			before: []result.At{{Step: "built", Facts: facts("0")}, {Step: "then", Facts: state}},
			more:   map[string]string{result.ExplanationFile: text.String()}}.save(t, dir)
	}
	return dir
}

// A report of 60 tests and 20,000 packets is 5 MB or less.
func TestSize(t *testing.T) {
	t.Parallel()
	status, out, complaints := run("-o", "-", many(t))
	require.Equal(t, StatusWritten, status, complaints)
	assert.Equal(t, 60, strings.Count(out, "<article "))
	assert.LessOrEqual(t, len(out), 5<<20, "bytes of the page")
	assert.Greater(t, len(out), 200<<10, "it is all there")
	t.Logf("60 tests, 20,000 packets: %.2f MB", float64(len(out))/(1<<20))
}

// What a kernel says is told by node and kind, with a key by which it is found
// again.
func TestStateLines(t *testing.T) {
	t.Parallel()
	st := stateOf("at the end", &explain.Facts{Errors: []string{"node x: routes: busy"}, Nodes: []*explain.Node{nil, {
		Name:       "host",
		Links:      []explain.Link{{Name: "eth0", Kind: "veth", MAC: "02:00:00:00:00:01", MTU: 1500, Master: "br0", Port: &explain.Port{State: "forwarding", Learning: true, Flood: true, Isolated: true}, Filters: []string{"egress u32 action mirred egress redirect dev br0"}}},
		Policy:     []explain.PolicyRule{{Text: "100: from all lookup 7"}, {Text: "100: from all lookup 7", IPv6: true}},
		IPsec:      []explain.IPsecPolicy{{Text: "src ::/0 dst ::/0 dir in"}},
		Rules:      []explain.Rule{{Text: "drop", Counted: true, Packets: 1}, {Text: "drop", Counted: true, Packets: 2}},
		Forwarding: []explain.Forwarding{{MAC: "02:00:00:00:00:09", Interface: "eth0", Bridge: "br0", Permanent: true}},
		Counters:   map[string]uint64{"zero": 0, "b": 2, "a": 1},
	}}})
	require.Len(t, st.Nodes, 2)
	var lines []string
	keys := map[string]bool{}
	for _, g := range st.Nodes[0].Groups {
		for _, l := range g.Lines {
			lines = append(lines, g.Title+": "+l[1])
			require.False(t, keys[g.Title+l[0]], "key %s", l[0])
			keys[g.Title+l[0]] = true
		}
	}
	assert.Equal(t, []string{
		"interfaces: eth0, down, veth, MTU 1500, 02:00:00:00:00:01, port of br0, forwarding, isolated",
		"interfaces:     traffic control: egress u32 action mirred egress redirect dev br0",
		"routes: rule of IPv4 100: from all lookup 7", "routes: rule of IPv6 100: from all lookup 7", "routes: policy of IPsec src ::/0 dst ::/0 dir in",
		"forwarding database: 02:00:00:00:00:09 behind eth0 of br0, permanent",
		"packet filter: drop  (1 packets)", "packet filter: drop  (2 packets)", "counters: a = 1", "counters: b = 2",
	}, lines)
	assert.Equal(t, "node x: routes: busy", st.Nodes[1].Groups[0].Lines[0][1])
}

func TestTook(t *testing.T) {
	t.Parallel()
	for ms, want := range map[float64]string{0.25: "0.25 ms", 12.34: "12.3 ms", 999.4: "999 ms", 999.9: "1 s", 2500: "2.5 s", 61_000: "1m1s"} {
		assert.Equal(t, want, took(ms))
	}
}
