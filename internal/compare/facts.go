package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/journal"
)

// Kind is what a difference is about.
type Kind string

// The kinds, in the order in which they are told.
const (
	Outcomes    Kind = "outcome"
	Answers     Kind = "answers"
	Packets     Kind = "packets"
	Order       Kind = "order"
	Interfaces  Kind = "interfaces"
	Addresses   Kind = "addresses"
	Routes      Kind = "routes"
	Neighbours  Kind = "neighbours"
	Bridges     Kind = "bridges"
	Filters     Kind = "filters"
	Connections Kind = "connections"
	Counters    Kind = "counters"
	Sysctls     Kind = "sysctls"
	Modules     Kind = "modules"
	Actions     Kind = "actions" // of the test itself
	Times       Kind = "times"
)

// Kinds are all kinds in the order in which they are told.
func Kinds() []Kind {
	return []Kind{Outcomes, Answers, Packets, Order, Interfaces, Addresses, Routes, Neighbours, Bridges, Filters, Connections, Counters, Sysctls, Modules, Configurations, Actions, Times}
}

// place is where something was observed, and what it is called there.
type place struct {
	Kind  Kind
	Lab   int    // of a test with several, from 1
	Step  string // the heading
	Node  string
	What  string // "192.168.1.2 (Reachable)", "interface veth0", "echo request"
	Field string // "ttl", "operational state"
}

// fact is what was observed there. Several values are a set of things of one
// sort, such as the packets of a kind.
type fact struct {
	values []string
	told   map[string]string // values as people are told them, where that is otherwise
	at     string            // line of the test's source, where known
}

// text is the fact as it is compared.
func (f *fact) text() string {
	if f == nil {
		return ""
	}
	return strings.Join(f.values, "\n")
}

// facts are what one run of a test has shown.
type facts map[place]*fact

func (f facts) set(p place, value, line string) { f[p] = &fact{values: []string{value}, at: line} }

func (f facts) add(p place, value, line string) {
	if f[p] == nil {
		f[p] = &fact{at: line, told: map[string]string{}}
	}
	f[p].values = append(f[p].values, value)
}

// factsOf takes the journal of a run apart.
func factsOf(t *journal.Test) facts {
	f := facts{}
	for number, lab := range t.Labs {
		quiet, hashed := repeatedQuestions(lab), hashedOf(lab)
		for _, step := range lab.Steps {
			f.actions(number+1, step)
			f.verbs(number+1, step)
			f.packets(number+1, step, quiet, hashed)
		}
		sums := hasUncounted(lab)
		for _, node := range lab.Nodes {
			for _, o := range distinctObjects(node.Objects) {
				f.object(number+1, node.Name, o, sums)
			}
		}
	}
	for _, fact := range f {
		slices.Sort(fact.values)
	}
	return f
}

// actions are what the test did to each node, in order.
func (f facts) actions(lab int, step *journal.Step) {
	for _, a := range step.Actions {
		p := place{Actions, lab, step.Name, a.Node, "what the test did", ""}
		text := strings.TrimSpace(a.Do + " " + a.What)
		if f[p] != nil {
			text = f[p].values[0] + then + text
		}
		f.set(p, text, a.Line)
	}
}

// then stands between what was done one after the other.
const then = ", then "

// verbs are the answers that the test got. The same question asked at another
// line gets a number, since lines move when a test is edited. One that is asked
// again and again at one line is in a loop: that is one place, in which answers
// follow each other.
func (f facts) verbs(lab int, step *journal.Step) {
	lines := map[string][]string{} // where the same is asked
	for _, v := range step.Verbs {
		what := fmt.Sprintf("%s %s", v.Verb, v.To)
		key := v.From + " " + what
		if !slices.Contains(lines[key], v.Line) {
			lines[key] = append(lines[key], v.Line)
		}
		if number := slices.Index(lines[key], v.Line) + 1; number > 1 {
			what = fmt.Sprintf("%s, place %d", what, number)
		}
		for name, value := range v.Saw {
			if v.Verb == "Neighbor" && name == "state" {
				value = confirmed(value)
			}
			p := place{Answers, lab, step.Name, v.From, what, name}
			if f[p] != nil && !strings.HasSuffix(", then "+f[p].values[0], ", then "+value) {
				value = f[p].values[0] + ", then " + value
			} else if f[p] != nil {
				continue
			}
			f.set(p, value, v.Line)
		}
	}
}

// asked is how often the test asked each of its questions.
func asked(t *journal.Test) string {
	count := map[string]int{}
	for number, lab := range t.Labs {
		for _, step := range lab.Steps {
			for _, v := range step.Verbs {
				count[fmt.Sprintf("%d %s %s %s %s", number, step.Name, v.Verb, v.From, v.To)]++
			}
		}
	}
	return fmt.Sprint(count) // in the order of the keys
}

var kindOf = map[string]Kind{
	journal.Interface: Interfaces, journal.Address: Addresses, journal.Route: Routes, journal.Neighbour: Neighbours,
	journal.RoutingRule: Routes, journal.Filter: Filters, journal.BridgePort: Bridges, journal.Forwarding: Bridges, journal.Connection: Connections, journal.Counter: Counters,
}

func (f facts) object(lab int, node string, o journal.Object, sums bool) {
	if ignoredObject(o, sums) {
		return
	}
	p := place{Kind: kindOf[o.Kind], Lab: lab, Node: node, What: o.Kind + " " + o.Name}
	switch o.Kind {
	case journal.Counter:
	case journal.Neighbour:
		p.Field = "state"
		f.set(p, neighbourState(o), "")
		return
	default:
		f.set(p, present, "")
	}
	for name, value := range o.Fields {
		p.Field = name
		if value, quiet := quietField(o, name, value); !quiet {
			f.set(p, value, "")
		}
	}
}

// distinctObjects leaves out connections that are like another: how many there
// are of one sort is how often a program has tried.
func distinctObjects(all []journal.Object) (kept []journal.Object) {
	seen, numbers := map[string]bool{}, map[string]int{}
	for _, o := range all {
		if o.Kind == journal.Connection {
			o.Name, _, _ = strings.Cut(o.Name, " #")
			fields := map[string]string{}
			for name, value := range o.Fields {
				if value, quiet := quietField(o, name, value); !quiet {
					fields[name] = value
				}
			}
			like := o.Name + fmt.Sprint(fields)
			if seen[like] {
				continue
			}
			seen[like] = true
			if numbers[o.Name]++; numbers[o.Name] > 1 {
				o.Name += fmt.Sprintf(" #%d", numbers[o.Name])
			}
		}
		kept = append(kept, o)
	}
	return kept
}

// present is the value of a thing that is there.
const present = "there"
