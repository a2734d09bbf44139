package sandbox

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
)

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
		"-parallel":     {flags: []string{"-test.parallel=3"}, want: "parallel=3 threads="},
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
