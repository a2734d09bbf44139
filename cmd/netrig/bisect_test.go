package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"github.com/netrig/netrig/internal/bisect"
	"github.com/netrig/netrig/internal/compare"
	"github.com/netrig/netrig/internal/vm"
)

// What became of a machine, as bisection takes it.
func TestJudge(t *testing.T) {
	b := &bisection{}
	for _, tt := range []struct {
		result *vm.Result
		err    error
		want   string
	}{
		{&vm.Result{}, nil, bisect.EndPassed},
		{&vm.Result{Status: 1}, nil, bisect.EndFailed},
		{&vm.Result{Signal: 9}, nil, "ended by killed"},
		{&vm.Result{Complaints: []string{"WARNING: CPU: 0"}}, nil, "passed, and the kernel complained"},
		{nil, &vm.Crash{Started: true, Why: "kernel 6.1 crashed"}, "the machine did not live to their end"},
	} {
		run, err := b.judge(tt.result, tt.err)
		require.NoError(t, err)
		assert.Equal(t, tt.want, run.Ending)
	}
	_, err := b.judge(nil, &vm.Crash{Why: "kernel 6.1 did not start within 2m0s"})
	var untestable *bisect.Untestable
	require.ErrorAs(t, err, &untestable)
	assert.EqualError(t, err, "it does not boot: kernel 6.1 did not start within 2m0s")
	_, err = b.judge(nil, errors.New("no qemu"))
	assert.EqualError(t, err, "no qemu")
	assert.False(t, errors.As(err, &untestable))
}

func TestBisected(t *testing.T) {
	kernel := func(v string) bisect.Kernel {
		return bisect.Kernel{Release: v + "-amd64", Version: v + "-1"}
	}
	difference := compare.Difference{Kind: compare.Answers, Test: "lan.TestRouter", Node: "ns0", What: "Reachable 10.0.0.1", Field: "ttl", Before: "63", After: "62", Verdict: compare.Worse}
	found := &bisect.Result{Good: kernel("1"), Bad: kernel("9"), Changes: []bisect.Change{{First: kernel("5"), LastGood: kernel("4"), Differences: []compare.Difference{difference}}}}
	narrowed := &bisect.Result{Changes: []bisect.Change{{First: kernel("5"), LastGood: kernel("3"), Untestable: []bisect.Kernel{kernel("4")}, Differences: []compare.Difference{difference}}},
		Later: []compare.Difference{difference}}
	for _, tt := range []struct {
		result *bisect.Result
		err    error
		status int
		want   []string
	}{
		{found, nil, 0, []string{"5-amd64 (5-1) is the first that behaves otherwise; 4-amd64 (4-1), the one before, does not.\n", "Reachable 10.0.0.1, ttl: 63 before, 62 now"}},
		{narrowed, nil, 2, []string{"Those between the two can't be tried, so that any of them may be the first:\n    4-amd64 (4-1)\n", "that came later (--all finds out when)"}},
		{found, bisect.ErrSame, 1, []string{"both ends behave alike, from 1-amd64 (1-1) to 9-amd64 (9-1): nothing to be found"}},
		{found, bisect.ErrSwapped, 1, []string{"the tests fail on the good kernel, and pass on the bad one"}},
		{found, errors.New("no qemu"), 125, []string{"no qemu"}},
	} {
		var out bytes.Buffer
		c := &cli.Command{Writer: &out, Flags: []cli.Flag{&cli.BoolFlag{Name: "json"}}}
		err := bisected(c, tt.result, tt.err)
		status := 0
		if err != nil {
			status = statusCannot
			var e exit
			if errors.As(err, &e) {
				status = e.status
			}
			out.WriteString(err.Error())
		}
		assert.Equal(t, tt.status, status)
		for _, want := range tt.want {
			assert.Contains(t, out.String(), want)
		}
	}
	assert.Equal(t, []int{0, 1, 2, 2, 3, 5}, []int{steps(0), steps(1), steps(2), steps(3), steps(4), steps(28)})
	text := told(bisect.Step{Kernel: kernel("5"), Verdict: bisect.Bad, Why: "ttl: 63 before, 62 now\nmore", Seconds: 4.25, Left: 3})
	assert.Equal(t, "bad         5-amd64 (5-1)  4.2 s  ttl: 63 before, 62 now  (3 left)", text)
	assert.False(t, strings.Contains(text, "more"))
}
