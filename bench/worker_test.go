package bench

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/require"
)

// A worker reads lines "WORK SIZE TIMES" and answers each with one of
//
//	ok seconds=0.012345 lost=0 ...   for all repetitions
//	no WHY                           this contender can't do that
//
// and ends with an error on standard error if the work fails.

// worker has the works of a contender that is written in Go.
type worker struct {
	// build makes a network, sends one ping through it, and lets go of it.
	build map[string]func(size int) error
	// other works measure something of their own.
	other map[string]func(size, times int) (answer, error)
}

// answer is what a work has measured. Unmeasured values are 0.
type answer struct {
	Seconds   float64 // for all repetitions
	Lost      int     // pings or packets
	Kilobytes int     // held to keep the packets
	Bits      float64 // a second
	refused   string  // why the contender can't do it
}

var errRefused = errors.New("refused")

func (a answer) String() string {
	return fmt.Sprintf("ok seconds=%.6f lost=%d kilobytes=%d bits=%.0f", a.Seconds, a.Lost, a.Kilobytes, a.Bits)
}

func parseAnswer(line string) (a answer, err error) {
	kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch kind {
	case "no":
		return answer{refused: rest}, nil
	case "ok":
	default:
		return a, fmt.Errorf("%q is no answer", line)
	}
	for _, field := range strings.Fields(rest) {
		name, value, _ := strings.Cut(field, "=")
		into, known := map[string]any{"seconds": &a.Seconds, "lost": &a.Lost, "kilobytes": &a.Kilobytes, "bits": &a.Bits}[name]
		if !known {
			return a, fmt.Errorf("%q is no answer: %s is unknown", line, name)
		}
		if _, err := fmt.Sscan(value, into); err != nil {
			return a, fmt.Errorf("%q is no answer: %s: %w", line, field, err)
		}
	}
	if a.Seconds <= 0 {
		return a, fmt.Errorf("%q is no answer: it took no time", line)
	}
	return a, nil
}

// serve does the work that it reads about, until there is no more.
func serve(in io.Reader, out io.Writer, w worker) error {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var name string
		var size, times int
		if _, err := fmt.Sscan(lines.Text(), &name, &size, &times); err != nil {
			return fmt.Errorf("%q is no work: %w", lines.Text(), err)
		}
		a, err := w.do(name, size, times)
		switch {
		case errors.Is(err, errRefused):
			fmt.Fprintf(out, "no %s\n", strings.TrimPrefix(err.Error(), errRefused.Error()+": "))
		case err != nil:
			return fmt.Errorf("%s: %w", lines.Text(), err)
		default:
			fmt.Fprintln(out, a)
		}
	}
	return nil
}

func (w worker) do(name string, size, times int) (answer, error) {
	if f := w.other[name]; f != nil {
		return f(size, times)
	}
	f := w.build[name]
	if f == nil {
		return answer{}, fmt.Errorf("%w: not done by it", errRefused)
	}
	runtime.GC() // of the works before
	lostPings = 0
	start := time.Now()
	for range times {
		if err := f(size); err != nil {
			return answer{}, err
		}
	}
	return answer{Seconds: time.Since(start).Seconds(), Lost: lostPings}, nil
}

// lostPings counts the pings of a work that were not answered, where that does
// not fail it.
var lostPings int

// goWorkers are those that run in sandbox.sh.
var goWorkers = map[string]worker{"plain": plain, "floor": floor}

// TestWorker does the works of netrig: those that another process of this binary
// asks for, when it was started as that contender (harness.Main has made its
// sandbox); else a few.
func TestWorker(t *testing.T) {
	if os.Getenv(roleVariable) != "" {
		require.NoError(t, serve(os.Stdin, os.Stdout, netrig))
		return
	}
	var out strings.Builder
	require.NoError(t, serve(strings.NewReader("pair 2 2\nlevitation 1 1\n"), &out, netrig))
	lines := strings.Split(out.String(), "\n")
	require.Len(t, lines, 3, "%s", out.String())
	a, err := parseAnswer(lines[0])
	require.NoError(t, err)
	require.Empty(t, a.refused)
	require.Equal(t, "no not done by it", lines[1])
	require.ErrorContains(t, serve(strings.NewReader("pair two 1"), &out, netrig), "is no work")
}

// address is that of a node on the bridge, from 1.
func address(i int) string { return fmt.Sprintf("10.0.%d.%d", i>>8, i&255) }

// Each contender but Mininet, which only make bench installs, does each of its
// works.
func TestContenders(t *testing.T) {
	harness.RequireProgram(t, "unshare", "bash", "ip", "iptables", "ping", "tcpdump", "sysctl")
	works := []struct {
		name        string
		size, times int
		but         []string
	}{
		{name: "pair", size: 2, times: 2},
		{name: "masquerade", size: 3, times: 1},
		{name: "bridge", size: 3, times: 1},
		{name: "learned", size: 3, times: 1},
		{name: "permanent", size: 3, times: 1},
		{name: "chain", size: 3, times: 1},
		{name: "capture", size: 64, times: 1000, but: []string{"plain"}},
	}
	groups, err := os.ReadFile("/proc/self/setgroups")
	require.NoError(t, err)
	notRoot := strings.TrimSpace(string(groups)) == "deny" // in a user namespace of an ordinary user
	for _, c := range contenders() {
		if c.name == "mininet" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			defer c.stop()
			for _, w := range works {
				if slices.Contains(w.but, c.name) {
					continue
				}
				a, err := c.ask(w.name, w.size, w.times, deadline.Of(time.Minute))
				require.NoError(t, err)
				if a.refused == "tcpdump wants root" && notRoot {
					continue
				}
				require.Empty(t, a.refused, "%s", w.name)
				require.Positive(t, a.Seconds, "%s", w.name)
				if c.name == "netrig" || c.name == "floor" { // the others do lose some
					require.Zero(t, a.Lost, "%s", w.name)
				}
			}
			a, err := c.ask("levitation", 1, 1, deadline.Of(time.Minute))
			require.NoError(t, err)
			require.NotEmpty(t, a.refused, "a work that it does not know")
		})
	}
}

// A contender that fails, or takes too long, is told as such, and can be asked
// again.
func TestContenderFails(t *testing.T) {
	c := &contender{name: "failing", command: []string{"sh", "-c", "read work; echo PASS; echo it is broken >&2; exit 1"}}
	defer c.stop()
	for range 2 {
		_, err := c.ask("pair", 2, 1, deadline.Of(time.Minute))
		require.ErrorContains(t, err, "failing has ended over pair 2")
		require.ErrorContains(t, err, "it is broken")
		require.ErrorContains(t, err, "PASS")
	}
	c = &contender{name: "slow", command: []string{"sh", "-c", "cat >/dev/null"}}
	defer c.stop()
	a, err := c.ask("pair", 2, 1, time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, "not done after 0 s", a.refused)
}

func TestParseAnswer(t *testing.T) {
	want := answer{Seconds: 0.25, Lost: 2, Kilobytes: 3, Bits: 4e9}
	got, err := parseAnswer(want.String())
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = parseAnswer("no reason given")
	require.NoError(t, err)
	require.Equal(t, "reason given", got.refused)
	for _, bad := range []string{"", "yes", "ok", "ok seconds=0", "ok seconds=x", "ok seconds=1 colour=2"} {
		_, err := parseAnswer(bad)
		require.Error(t, err, "%q", bad)
	}
}

func TestMedian(t *testing.T) {
	require.Zero(t, median(nil))
	require.Equal(t, 2.0, median([]float64{3, 1, 2}))
	require.Equal(t, 2.0, median([]float64{4, 3, 1, 2}), "the lower one")
}
