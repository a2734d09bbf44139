package compare

import (
	"strings"

	"github.com/netrig/netrig/internal/journal"
)

// flightOf is one packet of a step.
type flightOf struct {
	step   *journal.Step
	flight int
}

// question is what a node asks to find a neighbour, by ARP or neighbour
// discovery.
type question struct{ asker, target string }

// repeatedQuestions are the packets of neighbour questions, and of their answers,
// that are not the first of their kind in the lab and were answered. When a kernel
// asks again (it has not heard in time on a slow machine, or confirms an entry
// that has been there for a while) is chance. Questions without an answer are
// compared one by one.
func repeatedQuestions(lab *journal.Lab) map[flightOf]bool {
	quiet, known := map[flightOf]bool{}, map[question]bool{}
	for _, step := range lab.Steps {
		answered := map[question]bool{}
		for _, p := range step.Packets {
			if q, answer, is := questionOf(p); is && answer {
				answered[q] = true
			}
		}
		type part struct {
			question
			answer bool
		}
		first := map[part]int{}
		for _, p := range step.Packets {
			q, answer, is := questionOf(p)
			if !is || !answered[q] {
				continue
			}
			at := part{q, answer}
			if first[at] == 0 {
				first[at] = p.Flight
			}
			if known[q] || first[at] != p.Flight {
				quiet[flightOf{step, p.Flight}] = true
			}
		}
		for q := range answered {
			known[q] = true
		}
	}
	return quiet
}

// questionOf is the question that a packet asks, or answers.
func questionOf(p journal.Packet) (q question, answer, is bool) {
	switch {
	case strings.HasPrefix(p.Kind, "arp request"):
		return question{p.Src, p.Dst}, false, true
	case strings.HasPrefix(p.Kind, "arp reply"):
		return question{p.Dst, p.Src}, true, true
	}
	_, rest, found := strings.Cut(p.Detail, "target ")
	target, _, _ := strings.Cut(rest, ",")
	switch {
	case !found || p.Housekeeping:
	case strings.HasPrefix(p.Kind, "neighbor solicitation"):
		return question{p.Src, target}, false, true
	case strings.HasPrefix(p.Kind, "neighbor advertisement"):
		return question{p.Dst, target}, true, true
	}
	return question{}, false, false
}
