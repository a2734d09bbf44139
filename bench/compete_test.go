package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// figuresVariable, set to 1, has a benchmark fail that misses its target. The
	// targets are for an idle machine with two processors.
	figuresVariable = "NETRIG_FIGURES"
	// resultsVariable names a file that each benchmark adds a line of JSON to.
	resultsVariable = "NETRIG_BENCH_RESULTS"
	// shortVariable, set to 1, leaves the large sizes out.
	shortVariable = "NETRIG_BENCH_SHORT"
)

func short() bool { return os.Getenv(shortVariable) == "1" }

// contest is one work of one size, done by the contenders in turn.
type contest struct {
	Work  string `json:"work"`
	Size  int    `json:"size"`
	Times int    `json:"times"` // repetitions in a turn
	// Results are by contender, in the order of their turns.
	Results []*result `json:"results"`
}

// result is what one contender has reached.
type result struct {
	Contender string    `json:"contender"`
	Seconds   []float64 `json:"seconds,omitempty"` // for one repetition, each turn's
	After     []float64 `json:"after,omitempty"`   // until the kernel was done with what was left, each turn's
	Lost      int       `json:"lost,omitempty"`    // in all turns
	Kilobytes int       `json:"kilobytes,omitempty"`
	Bits      []float64 `json:"bits,omitempty"`
	Refused   string    `json:"refused,omitempty"`

	who   *contender
	spent time.Duration
}

func (r *result) median() float64 { return median(r.Seconds) }

// median is the middle of the values, the lower one of two; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}

// of is the result of a contender; one without values if it has none.
func (c *contest) of(name string) *result {
	for _, r := range c.Results {
		if r.Contender == name {
			return r
		}
	}
	return &result{Contender: name}
}

// ring are the contenders of this process, started when first asked.
var ring = sync.OnceValue(contenders)

func known(name string) *contender {
	all := ring()
	return all[slices.IndexFunc(all, func(c *contender) bool { return c.name == name })]
}

// compete has the contenders named do a work in turn, as often as the benchmark
// runs. One that has used its time up sits out.
func compete(b *testing.B, work string, size, times int, names ...string) *contest {
	b.Helper()
	budget, limit := 40*time.Second, 400*time.Second
	if short() {
		budget, limit = 2*time.Second, 20*time.Second
	}
	c := &contest{Work: work, Size: size, Times: times}
	for _, name := range names {
		c.Results = append(c.Results, &result{Contender: name, who: known(name)})
	}
	for b.Loop() {
		for _, r := range c.Results {
			if r.Refused != "" || r.spent > budget {
				continue
			}
			if err := c.turn(r, limit); err != nil {
				b.Errorf("%v", err)
				r.Refused = "failed"
			}
		}
	}
	c.report(b)
	return c
}

func (c *contest) turn(r *result, limit time.Duration) error {
	start := time.Now()
	a, err := r.who.ask(c.Work, c.Size, c.Times, limit)
	r.spent += time.Since(start)
	if err != nil {
		return err
	}
	rest, err := known("floor").ask("rest", 0, 1, limit)
	if err != nil {
		return err
	}
	if a.refused != "" {
		r.Refused = a.refused
		return nil
	}
	r.Seconds = append(r.Seconds, a.Seconds/float64(c.repetitions()))
	r.After = append(r.After, rest.Seconds/float64(c.repetitions()))
	r.Lost += a.Lost
	r.Kilobytes = max(r.Kilobytes, a.Kilobytes)
	if a.Bits > 0 {
		r.Bits = append(r.Bits, a.Bits)
	}
	return nil
}

// repetitions is what a turn's seconds are for; of packets it is all together.
func (c *contest) repetitions() int {
	if c.Work == "capture" {
		return 1
	}
	return c.Times
}

// report gives the medians to package testing, and adds them to the results.
func (c *contest) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // of all contenders together: says nothing
	for _, r := range c.Results {
		if r.Refused != "" {
			b.Logf("%s: %s", r.Contender, r.Refused)
		}
		if len(r.Seconds) > 0 {
			b.ReportMetric(1000*r.median(), r.Contender+"-ms")
		}
		if r.Lost > 0 {
			b.ReportMetric(float64(r.Lost), r.Contender+"-lost")
		}
	}
	file := os.Getenv(resultsVariable)
	if file == "" {
		return
	}
	line, err := json.Marshal(c)
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		b.Fatalf("%s: %v", resultsVariable, err)
	}
	_, err = fmt.Fprintln(f, string(line))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		b.Fatalf("%s: %v", resultsVariable, err)
	}
}

// demand fails the benchmark if a target is missed and that was asked for.
func demand(b *testing.B, met bool, format string, args ...any) {
	b.Helper()
	if !met {
		text := "target missed: " + fmt.Sprintf(format, args...)
		if os.Getenv(figuresVariable) == "1" {
			b.Error(text)
		} else {
			b.Log(text)
		}
	}
}

// faster demands that netrig is so many times as fast as another.
func (c *contest) faster(b *testing.B, than string, want float64) {
	b.Helper()
	own, other := c.of("netrig").median(), c.of(than).median()
	if own == 0 || other == 0 {
		return // told by compete
	}
	b.ReportMetric(other/own, "x-"+than)
	demand(b, other/own >= want, "%.1f times as fast as %s, want %.0f", other/own, than, want)
}

// near demands that netrig takes at most so many times what the floor does.
func (c *contest) near(b *testing.B, most float64) {
	b.Helper()
	own, floor := c.of("netrig").median(), c.of("floor").median()
	if own == 0 || floor == 0 {
		return
	}
	b.ReportMetric(own/floor, "x-floor")
	demand(b, own/floor <= most, "%.2f times the floor, want at most %.1f", own/floor, most)
}

// everyone are all contenders, but for those left out.
func everyone(but ...string) []string {
	return slices.DeleteFunc(strings.Fields("netrig shell mininet plain floor"), func(n string) bool { return slices.Contains(but, n) })
}
