package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

const results = `{"work":"bridge","size":50,"times":1,"results":[{"contender":"netrig","seconds":[0.03,0.01,0.02],"after":[0.5]},{"contender":"mininet","seconds":[2]},{"contender":"shell","refused":"not done after 20 s"}]}
{"work":"permanent","size":50,"times":1,"results":[{"contender":"netrig","seconds":[0.25]},{"contender":"mininet","seconds":[125],"lost":2}]}
{"work":"capture","size":64,"times":1000000,"results":[{"contender":"netrig","seconds":[2,2],"kilobytes":409600},{"contender":"shell","seconds":[3,3],"lost":500000,"kilobytes":2048}]}
{"work":"throughput","size":1,"times":1,"results":[{"contender":"netrig","seconds":[1],"bits":[9.9e9]},{"contender":"shell","seconds":[1],"bits":[10e9]}]}
`

func TestTables(t *testing.T) {
	all, err := read(strings.NewReader(results))
	if err != nil {
		t.Fatal(err)
	}
	text := tables(all, "a machine")
	for _, want := range []string{
		"a machine. Medians",
		"| a bridge with 50 nodes, one ping | **20.0 ms** | [1] | 2.00 s (100×) | – | – |",
		"[1] shell script, a bridge with 50 nodes, one ping: not done after 20 s.",
		"2450 pings | **250 ms** | – | 125 s (500×), 2 lost |",
		"| 1,000,000 of 64 bytes | 0 lost, 400 MB | 250,000 lost, 2 MB | – |",
		"9.90 Gbit/s, between two bare namespaces 10.00 Gbit/s: a ratio of 0.990",
		"| a bridge with 50 nodes, one ping | 500 ms | – | – | – | – |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

func TestRatios(t *testing.T) {
	all, err := read(strings.NewReader(results))
	if err != nil {
		t.Fatal(err)
	}
	text := ratios(all)
	for _, want := range []string{"a bridge with 50 nodes, one ping: 20.0 ms (Mininet 100×)", "2450 pings: 250 ms (Mininet 500×).\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "frames") {
		t.Errorf("a work that is none of the main ones is in\n%s", text)
	}
}

func TestLaterResultsCount(t *testing.T) {
	all, err := read(strings.NewReader(results + `{"work":"bridge","size":50,"times":1,"results":[{"contender":"netrig","seconds":[7]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if text := tables(all, ""); !strings.Contains(text, "**7.00 s**") || strings.Contains(text, "**20.0 ms**") {
		t.Errorf("want the later results:\n%s", text)
	}
}

func TestBadResults(t *testing.T) {
	for _, text := range []string{"", "no JSON"} {
		if _, err := read(strings.NewReader(text)); err == nil {
			t.Errorf("%q was taken for results", text)
		}
	}
}

func TestPlot(t *testing.T) {
	all, err := read(strings.NewReader(results))
	if err != nil {
		t.Fatal(err)
	}
	dots := 0
	for d := xml.NewDecoder(strings.NewReader(plot(all))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the plot is no XML: %v", err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "title" {
			dots++
		}
	}
	if dots != 6 { // each contender that has values, throughput aside
		t.Errorf("the plot has %d values, want 6", dots)
	}
}

func TestBetween(t *testing.T) {
	page, err := between([]byte("before\n"+begin+"old\n"+end+"after\n"), "new\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := "before\n" + begin + "new\n" + end + "after\n"; string(page) != want {
		t.Errorf("the page is %q, want %q", page, want)
	}
	if _, err := between([]byte("no markers"), "new"); err == nil {
		t.Error("a page without markers was taken")
	}
}
