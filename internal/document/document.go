package document

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/explain"
	"github.com/netrig/netrig/internal/journal"
	"github.com/netrig/netrig/internal/topology"
)

// Network is the network of a lab as a diagram of Mermaid.
func Network(title string, facts *explain.Facts) string {
	return "```mermaid\n" + strings.TrimSpace(topology.New(title, facts).Mermaid()) + "\n```\n"
}

// Steps are the steps of a lab. The facts have the cables, which tell how a
// flooded packet branched.
func Steps(lab *journal.Lab, facts *explain.Facts) string {
	w := &writer{peers: map[string]string{}, masters: map[string]string{}}
	for _, n := range facts.Nodes {
		for _, l := range n.Links {
			w.peers[n.Name+":"+l.Name] = l.Peer
			if l.Name == "lo" {
				w.peers[n.Name+":lo"] = n.Name + ":lo"
			}
			if l.Master != "" {
				w.masters[n.Name+":"+l.Name] = n.Name + ":" + l.Master
			}
		}
	}
	for _, s := range lab.Steps {
		w.step(s)
	}
	return w.String()
}

type writer struct {
	strings.Builder
	peers, masters map[string]string // of node:interface
}

func (w *writer) step(s *journal.Step) {
	questions := questionsOf(s)
	p := w.packets(s, questions)
	if len(questions)+len(p.before)+len(p.after)+len(p.redirects) == 0 {
		return // a heading at which nothing is asked, for the sake of others
	}
	name := s.Name
	if name == "" {
		name = "at first"
	}
	fmt.Fprintf(w, "\n**%s**\n\n", Text(name))
	w.list("before anything is asked:", p.before)
	for i, q := range questions {
		fmt.Fprintf(w, "- %s %s\n", Text(q.question()), Text(q.answers()))
		for _, line := range p.during[i] {
			fmt.Fprintf(w, "  - %s\n", line)
		}
	}
	w.list("besides:", p.after)
	w.list("redirects, which the kernel limits by time:", p.redirects)
}

func (w *writer) list(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(w, "- %s\n", title)
	for _, line := range lines {
		fmt.Fprintf(w, "  - %s\n", line)
	}
}

// question is what one line of the test asked, once or in a loop.
type question struct {
	journal.Verb
	verbs []int // their numbers, from 1
	saw   []string
}

// questionsOf puts together what was asked at one line one after the other: a
// loop until something has happened asks as often as it takes.
func questionsOf(s *journal.Step) []*question {
	var all []*question
	for i, v := range s.Verbs {
		saw := sawText(v.Saw)
		if len(all) > 0 {
			if last := all[len(all)-1]; last.Line == v.Line && last.Verb.Verb == v.Verb && last.From == v.From && last.To == v.To {
				last.verbs = append(last.verbs, i+1)
				if !slices.Contains(last.saw, saw) {
					last.saw = append(last.saw, saw)
				}
				continue
			}
		}
		all = append(all, &question{v, []int{i + 1}, []string{saw}})
	}
	return all
}

func (q *question) question() string {
	switch q.Verb.Verb {
	case "Reachable", "Unreachable", "Matrix":
		return fmt.Sprintf("does %s reach %s?", q.From, q.To)
	case "Neighbor", "NoNeighbor", "NeighborState":
		return fmt.Sprintf("what does %s know of its neighbour %s?", q.From, q.To)
	}
	return fmt.Sprintf("%s %s %s", q.Verb.Verb, q.From, q.To)
}

func (q *question) answers() string {
	if len(q.saw) == 1 && len(q.verbs) > 1 {
		return q.saw[0] + ", each time"
	}
	return strings.Join(q.saw, ", then ")
}

// sawText is what a verb saw, the outcome first.
func sawText(saw map[string]string) string {
	var parts []string
	for _, name := range []string{"outcome", "state"} {
		switch value := saw[name]; value {
		case "":
		case "REACHABLE", "STALE", "DELAY", "PROBE": // one becomes the other with time
			parts = append(parts, "its hardware address")
		default:
			parts = append(parts, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(saw)) {
		switch {
		case name == "outcome" || name == "state":
		case name == "said by" && saw[name] == "local":
			parts = append(parts, "said by its own kernel")
		default:
			parts = append(parts, name+" "+saw[name])
		}
	}
	return strings.Join(parts, ", ")
}

// Text keeps a text from being taken for Markdown.
func Text(text string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "<", "&lt;", "|", `\|`, "[", `\[`, "]", `\]`, "#", `\#`).Replace(text)
}
