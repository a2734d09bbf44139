package bisect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netrig/netrig/internal/compare"
	"github.com/netrig/netrig/internal/journal"
)

// world is kernels by number, and from which on each behaves otherwise.
type world struct {
	kernels int
	ttl     int          // from here on the TTL is 62
	sender  int          // from here on an ICMP error comes from elsewhere
	sysctl  int          // from here on a default is another
	fails   int          // from here on the test fails
	crashes int          // from here on the kernel crashes under the tests
	broken  map[int]bool // that do not boot
	odd     map[int]bool // whose MTU is another: it came and went
	tried   []int
}

func (w *world) run(_ context.Context, k Kernel) (*Run, error) {
	var i int
	if _, err := fmt.Sscan(k.Name, &i); err != nil {
		return nil, err
	}
	w.tried = append(w.tried, i)
	since := func(first int) bool { return first > 0 && i >= first }
	pick := func(first int, before, after string) string {
		if since(first) {
			return after
		}
		return before
	}
	if w.broken[i] {
		return nil, &Untestable{errors.New("it did not start")}
	}
	if since(w.crashes) {
		return &Run{Ending: "the kernel crashed"}, nil
	}
	mtu := "1500"
	if w.odd[i] {
		mtu = "1400"
	}
	header := journal.Header{Version: journal.Version, Package: "example.org/lan", Kernel: k.Release, Machine: "x86_64", User: "root"}
	test := func(outcome string) *journal.Test {
		return &journal.Test{Header: header, Name: "TestRouter", Outcome: outcome, Labs: []*journal.Lab{{
			Steps: []*journal.Step{{Name: "reached", Verbs: []journal.Verb{
				{Verb: "Reachable", From: "ns0", To: "192.168.1.2", Line: "router_test.go:9", Saw: map[string]string{"ttl": pick(w.ttl, "63", "62")}},
				{Verb: "Unreachable", From: "ns0", To: "192.168.9.9", Line: "router_test.go:10", Saw: map[string]string{"said by": pick(w.sender, "router", "ns1")}},
			}}},
			Nodes: []journal.Node{{Name: "ns0", Objects: []journal.Object{{Kind: journal.Interface, Name: "veth0", Fields: map[string]string{"mtu": mtu}}}}},
		}}}
	}
	r := &Run{Ending: EndPassed, Journals: &journal.Folder{Path: k.Name}}
	outcome := journal.Passed
	if since(w.fails) {
		r.Ending, outcome = EndFailed, journal.Failed
	}
	for range 3 {
		r.Journals.Tests = append(r.Journals.Tests, test(outcome))
	}
	r.Journals.Processes = []*journal.Process{{Header: header, Sysctls: map[string]string{"net.ipv4.x": pick(w.sysctl, "0", "1")}}}
	return r, nil
}

func (w *world) list() (all []Kernel) {
	for i := range w.kernels {
		all = append(all, Kernel{Name: fmt.Sprint(i), Release: fmt.Sprintf("6.1.%d-amd64", i), Version: fmt.Sprintf("6.1.%d-1", i)})
	}
	return all
}

func (w *world) search(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Search(context.Background(), w.list(), w.run, o)
	require.NoError(t, err)
	return r
}

// Every kernel is found to be the first, in few steps, and for the reason.
func TestFirst(t *testing.T) {
	for first := 1; first < 30; first++ {
		w := &world{kernels: 30, ttl: first, sysctl: 15}
		r := w.search(t, Options{})
		require.Len(t, r.Changes, 1)
		c := r.Changes[0]
		assert.Equal(t, fmt.Sprintf("6.1.%d-1", first), c.First.Version)
		assert.Equal(t, fmt.Sprintf("6.1.%d-1", first-1), c.LastGood.Version)
		assert.Empty(t, c.Untestable)
		require.Len(t, c.Differences, 1)
		assert.Equal(t, "lan.TestRouter: Reachable 192.168.1.2, ttl: 63 before, 62 now", Summary(c.Differences))
		assert.LessOrEqual(t, len(w.tried), 2+5, "30 kernels take 5 steps beside the ends")
		assert.Empty(t, r.Later)
		assert.Equal(t, 1, r.Steps[len(r.Steps)-1].Left, "%+v", r.Steps)
	}
}

// A kernel that can't be tried is stepped over, and named when it may be the
// first.
func TestBroken(t *testing.T) {
	w := &world{kernels: 10, ttl: 5, broken: map[int]bool{4: true, 3: true, 8: true}}
	c := w.search(t, Options{}).Changes[0]
	assert.Equal(t, "6.1.5-1", c.First.Version)
	assert.Equal(t, "6.1.2-1", c.LastGood.Version)
	assert.Equal(t, []Kernel{w.list()[3], w.list()[4]}, c.Untestable)

	w = &world{kernels: 5, ttl: 3, broken: map[int]bool{1: true, 2: true, 3: true}}
	var said []string
	r := w.search(t, Options{Say: func(s Step) { said = append(said, s.Version+" "+string(s.Verdict)+" "+s.Why) }})
	assert.Equal(t, "6.1.4-1", r.Changes[0].First.Version)
	assert.Len(t, r.Changes[0].Untestable, 3)
	assert.Contains(t, said, "6.1.2-1 untestable it did not start")
	assert.Len(t, said, 5)
}

// What can't be had is not tried, and named.
func TestMissing(t *testing.T) {
	w := &world{kernels: 9, ttl: 5}
	list := w.list()
	for _, i := range []int{3, 4, 7} {
		list[i].Missing = "the archive no longer has it"
	}
	r, err := Search(context.Background(), list, w.run, Options{})
	require.NoError(t, err)
	c := r.Changes[0]
	assert.Equal(t, []string{"6.1.5-1", "6.1.2-1"}, []string{c.First.Version, c.LastGood.Version})
	assert.Equal(t, list[3:5], c.Untestable)
	assert.NotContains(t, w.tried, 3)
	assert.NotContains(t, w.tried, 4)
	assert.Equal(t, 5, r.Steps[0].Left)
}

// An end that can't be tried ends the search, and says which.
func TestBrokenEnd(t *testing.T) {
	for end, want := range map[int]string{0: "the good kernel, 6.1.0-amd64 (6.1.0-1): it did not start", 4: "the bad kernel, 6.1.4-amd64 (6.1.4-1): it did not start"} {
		w := &world{kernels: 5, ttl: 3, broken: map[int]bool{end: true}}
		_, err := Search(context.Background(), w.list(), w.run, Options{})
		assert.EqualError(t, err, want)
	}
}

// What is otherwise only in between is not what is looked for.
func TestCameAndWent(t *testing.T) {
	w := &world{kernels: 9, ttl: 7, odd: map[int]bool{2: true, 3: true, 4: true, 5: true}}
	c := w.search(t, Options{}).Changes[0]
	assert.Equal(t, "6.1.7-1", c.First.Version)
	assert.Len(t, c.Differences, 1)
}

// Several changes: the first, what came later, and all of them by themselves.
func TestSeveral(t *testing.T) {
	w := &world{kernels: 20, sender: 5, ttl: 12}
	r := w.search(t, Options{})
	require.Len(t, r.Changes, 1)
	assert.Equal(t, "6.1.5-1", r.Changes[0].First.Version)
	assert.Equal(t, "said by", r.Changes[0].Differences[0].Field)
	require.Len(t, r.Later, 1)
	assert.Equal(t, "ttl", r.Later[0].Field)

	w = &world{kernels: 20, sender: 5, ttl: 12, sysctl: 12}
	r = w.search(t, Options{All: true, Kinds: []compare.Kind{compare.Answers, compare.Sysctls}})
	require.Len(t, r.Changes, 2)
	assert.Equal(t, []string{"6.1.5-1", "6.1.12-1"}, []string{r.Changes[0].First.Version, r.Changes[1].First.Version})
	assert.Len(t, r.Changes[1].Differences, 2)
	assert.Empty(t, r.Later)
	for i, a := range w.tried {
		for _, b := range w.tried[:i] {
			assert.NotEqual(t, a, b, "a kernel is run once: %v", w.tried)
		}
	}

	r = (&world{kernels: 20, sender: 5, sysctl: 3}).search(t, Options{Kinds: []compare.Kind{compare.Sysctls}})
	assert.Equal(t, "6.1.3-1", r.Changes[0].First.Version)
}

// A test that fails, and a kernel that crashes, are differences too.
func TestEndings(t *testing.T) {
	r := (&world{kernels: 9, fails: 4}).search(t, Options{})
	assert.Equal(t, "6.1.4-1", r.Changes[0].First.Version)
	assert.Equal(t, "lan.TestRouter: the test: pass before, fail now", Summary(r.Changes[0].Differences))
	r = (&world{kernels: 9, crashes: 6}).search(t, Options{})
	assert.Equal(t, "6.1.6-1", r.Changes[0].First.Version)
	assert.Equal(t, "the run: passed before, the kernel crashed now", Summary(r.Changes[0].Differences))
}

// Where there is nothing to be found, that is said.
func TestNothing(t *testing.T) {
	w := &world{kernels: 9, sysctl: 3}
	r, err := Search(context.Background(), w.list(), w.run, Options{})
	assert.ErrorIs(t, err, ErrSame)
	assert.ErrorContains(t, err, "the tests passed on each")
	assert.Len(t, r.Steps, 2)

	swapped := func(ctx context.Context, k Kernel) (*Run, error) {
		r, err := (&world{kernels: 2, fails: 1}).run(ctx, Kernel{Name: map[string]string{"0": "1", "8": "0"}[k.Name], Release: k.Release})
		return r, err
	}
	_, err = Search(context.Background(), w.list(), swapped, Options{})
	assert.ErrorIs(t, err, ErrSwapped)
}

// Another error of a runner ends the search: it would be that of every kernel.
func TestRunnerFails(t *testing.T) {
	w := &world{kernels: 9, ttl: 3}
	n := 0
	_, err := Search(context.Background(), w.list(), func(ctx context.Context, k Kernel) (*Run, error) {
		if n++; n > 2 {
			return nil, errors.New("no qemu")
		}
		return w.run(ctx, k)
	}, Options{})
	assert.EqualError(t, err, "kernel 6.1.4-amd64 (6.1.4-1): no qemu")
	assert.False(t, strings.Contains(fmt.Sprint(w.tried), "4"))
}
