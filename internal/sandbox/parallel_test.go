package sandbox

import (
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// On one processor the runtime's watcher, and it alone, may sleep longer.
func TestWatchedSeldom(t *testing.T) {
	own := strconv.Itoa(processor(t))
	everyone(t, func(t *testing.T, who user) {
		look := []string{victimBinary(t), "-test.run=^TestSlack$"}
		for _, c := range []struct {
			command []string
			seldom  bool
		}{
			{command: append([]string{"taskset", "--cpu-list", own}, look...), seldom: true},
			{command: look, seldom: runtime.NumCPU() == 1},
		} {
			out, state := who.program(t, c.command...).run()
			assert.True(t, state.Success(), out)
			slacks := regexp.MustCompile(`slack=(\d+)`).FindAllStringSubmatch(out, -1)
			require.Greater(t, len(slacks), 1, out)
			for i, s := range slacks {
				assert.Equal(t, i == 1 && c.seldom, s[1] == "4000000", "thread %d of %q: %s", i, c.command, out)
			}
		}
	})
}

// processor is one that this process may run on.
func processor(t testing.TB) int {
	var may unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &may))
	for n := range 64 * len(may) {
		if may.IsSet(n) {
			return n
		}
	}
	t.Fatal("no processor")
	return 0
}

// Tests wait for each other's waits only where somebody wants it so.
func TestAtOnce(t *testing.T) {
	processors := runtime.NumCPU()
	most := max(processors, enough)
	for name, c := range map[string]struct {
		environment []string
		flags       []string
		want        string
	}{
		"as it comes":   {want: fmt.Sprintf("parallel=%d threads=%d", most, most)},
		"-parallel":     {flags: []string{"-test.parallel=3"}, want: fmt.Sprintf("parallel=3 threads=%d", most)},
		"-cpu":          {flags: []string{"-test.cpu=1"}, want: "threads=1\n"},
		"GOMAXPROCS":    {environment: []string{"GOMAXPROCS=1"}, want: "parallel=1 threads=1\n"},
		"-cpu and more": {flags: []string{"-test.cpu=2", "-test.parallel=5"}, want: "parallel=5 threads=2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			everyone(t, func(t *testing.T, who user) {
				v := who.command(t, append(c.flags, "-test.run=^TestAtOnce$")...)
				v.Env = append(v.Env, c.environment...)
				out, state := v.run()
				assert.True(t, state.Success(), out)
				assert.Contains(t, out, c.want)
			})
		})
	}
}
