package document

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/journal"
)

// lines are about the packets of a step.
type lines struct {
	before    []string   // before anything was asked
	during    [][]string // while a question was being answered
	after     []string   // between answers
	redirects []string
}

// packets are the lines about a step.
//
// What depends on how fast a program or the machine is, is not told: how often
// what was not answered was sent again, when redirects come, how a connection
// goes on once it is established, whether the kernel asks a neighbour once more
// that it knows, and in which order packets came that belong to no question, or
// to one that was asked in a loop.
func (w *writer) packets(s *journal.Step, questions []*question) lines {
	of := map[int]int{} // the question of a verb
	for i, q := range questions {
		for _, number := range q.verbs {
			of[number] = i
		}
	}
	l := lines{during: make([][]string, len(questions))}
	var said []string // what was told of the step so far
	known := map[string]bool{}
	established := establishedIn(s)
	for _, hops := range flightsOf(s) {
		first := hops[0]
		ends := first.Src + " > " + first.Dst
		switch {
		case reassured(first, known):
			continue
		case strings.HasPrefix(first.Kind, "TCP ") && !strings.Contains(first.Kind, "SYN") && established[ends]:
			continue // the handshake stands for the connection
		}
		line := w.line(hops)
		i, asked := of[first.During]
		switch {
		case isRedirect(first):
			add(&l.redirects, line, true)
		case first.During == 0:
			add(&l.before, line, true)
		case asked && !first.After:
			add(&l.during[i], line, uncounted(first) || len(questions[i].verbs) > 1)
		case !uncounted(first) || !slices.Contains(said, line):
			add(&l.after, line, true)
		}
		said = append(said, line)
	}
	for i, q := range questions {
		if len(q.verbs) > 1 {
			slices.Sort(l.during[i])
		}
	}
	slices.Sort(l.before)
	slices.Sort(l.after)
	slices.Sort(l.redirects)
	return l
}

// reassured tells whether a kernel asks a neighbour whose address it knows (RFC
// 4861, 7.3.3: to the address itself, some time after it was used), or is answered
// so.
func reassured(p journal.Packet, known map[string]bool) bool {
	to := p.MACs[strings.LastIndexByte(p.MACs, ' ')+1:]
	target, _, _ := strings.Cut(strings.TrimPrefix(p.Detail, "target "), ",")
	switch p.Kind {
	case "arp request", "neighbor solicitation":
		asked := p.Dst
		if p.Kind == "neighbor solicitation" {
			asked = target
		}
		directly := strings.Contains(to, ":") && !strings.Contains(p.MACs, "> group ")
		known[p.Src+" "+asked] = directly
		return directly
	case "arp reply":
		return known[p.Dst+" "+p.Src]
	case "neighbor advertisement":
		return known[p.Dst+" "+target]
	}
	return false
}

func isRedirect(p journal.Packet) bool { return strings.HasPrefix(p.Kind, "redirect") }

// add adds a line, and of one that is there already how often.
func add(lines *[]string, line string, once bool) {
	for i, l := range *lines {
		was, times, _ := strings.Cut(l, " × ")
		if was != line {
			continue
		}
		if !once {
			n := 1
			_, _ = fmt.Sscan(times, &n)
			(*lines)[i] = fmt.Sprintf("%s × %d", line, n+1)
		}
		return
	}
	*lines = append(*lines, line)
}

// uncounted tells whether the number of such packets depends on time.
func uncounted(p journal.Packet) bool {
	return strings.HasPrefix(p.Kind, "TCP ") || p.Kind == "UDP" || p.Kind == "arp request" || p.Kind == "neighbor solicitation"
}

// establishedIn are the pairs of ends between which a TCP handshake was
// finished.
func establishedIn(s *journal.Step) map[string]bool {
	all := map[string]bool{}
	for _, p := range s.Packets {
		if strings.HasPrefix(p.Kind, "TCP ") && !strings.Contains(p.Kind, "SYN") && !strings.Contains(p.Kind, "RST") {
			all[p.Src+" > "+p.Dst], all[p.Dst+" > "+p.Src] = true, true
		}
	}
	return all
}

// flightsOf are the packets of a step, each with its sightings, in the order in
// which they set out.
func flightsOf(s *journal.Step) [][]journal.Packet {
	place := map[int]int{}
	var all [][]journal.Packet
	for _, p := range s.Packets {
		if p.Housekeeping { // at random times of the kernel's
			continue
		}
		if _, known := place[p.Flight]; !known {
			place[p.Flight] = len(all)
			all = append(all, nil)
		}
		all[place[p.Flight]] = append(all[place[p.Flight]], p)
	}
	return all
}

// line is a packet and its way.
func (w *writer) line(hops []journal.Packet) string {
	first := hops[0]
	var b strings.Builder
	b.WriteString(Text(strings.TrimSpace(first.Kind)))
	if first.Src != "" {
		fmt.Fprintf(&b, " `%s > %s`", first.Src, first.Dst)
	}
	if d := detail(first); d != "" {
		b.WriteString(" (" + Text(d) + ")")
	}
	b.WriteString(": ")
	b.WriteString(w.way(hops))
	return b.String()
}

// way is where a packet came by. Branches of a flood go on side by side on any
// processor: they stand in the order of their names.
func (w *writer) way(hops []journal.Packet) string {
	rest := slices.Clone(hops)
	take := func(want func(journal.Packet) bool) []journal.Packet {
		var taken []journal.Packet
		rest = slices.DeleteFunc(rest, func(p journal.Packet) bool {
			if want(p) {
				taken = append(taken, p)
				return true
			}
			return false
		})
		slices.SortStableFunc(taken, func(a, b journal.Packet) int { return cmp.Or(strings.Compare(a.At, b.At), b.TTL-a.TTL) })
		return taken
	}
	var b strings.Builder
	var before journal.Packet
	var visit func(p journal.Packet)
	visit = func(p journal.Packet) {
		w.sighting(&b, p, before)
		before = p
		node, _, _ := strings.Cut(p.At, ":")
		var next []journal.Packet
		switch master := w.masters[p.At]; {
		case p.Direction == "out" && w.peers[p.At] != "":
			next = take(func(q journal.Packet) bool { return q.Direction == "in" && q.At == w.peers[p.At] && q.TTL == p.TTL })
		case p.Direction == "out": // a bridge's own
			next = take(func(q journal.Packet) bool { return q.Direction == "out" && w.masters[q.At] == p.At })
		case master != "":
			next = take(func(q journal.Packet) bool {
				return q.Direction == "out" && w.masters[q.At] == master && q.TTL == p.TTL || q.Direction == "in" && q.At == master
			})
		default:
			next = take(func(q journal.Packet) bool {
				return q.Direction == "out" && strings.HasPrefix(q.At, node+":") && w.masters[q.At] == ""
			})
		}
		for i, q := range next {
			if i > 0 {
				b.WriteString(";")
			}
			visit(q)
		}
	}
	for len(rest) > 0 {
		next := rest[0]
		rest = rest[1:]
		if before.At != "" {
			b.WriteString(";")
		}
		visit(next)
	}
	return b.String()
}

// sighting is a packet at an interface; what is as it was before is not said
// again.
func (w *writer) sighting(b *strings.Builder, p, before journal.Packet) {
	if before.At != "" {
		b.WriteString(" ")
	}
	fmt.Fprintf(b, "%s %s", map[string]string{"out": "out of", "in": "into"}[p.Direction], Text(p.At))
	if p.TTL != before.TTL && p.TTL != 0 {
		fmt.Fprintf(b, " ttl %d", p.TTL)
	}
	if ends := p.Src + " > " + p.Dst; before.At != "" && ends != before.Src+" > "+before.Dst {
		fmt.Fprintf(b, " as `%s`", ends)
	}
}

// plain are parts of a packet's detail that say nothing here; 0xc0 is what kernels
// send their errors with.
var plain = regexp.MustCompile(`^(\d+ bytes|don't fragment|type of service 0xc0)$`)

func detail(p journal.Packet) string {
	text, quoted, about := strings.Cut(p.Detail, "about (")
	var parts []string
	for _, part := range strings.Split(text, ", ") {
		if part != "" && !plain.MatchString(part) {
			parts = append(parts, part)
		}
	}
	if about && !strings.HasPrefix(p.Kind, "redirect") { // which packet one is about is chance
		parts = append(parts, "about "+strings.TrimSuffix(quoted, ")"))
	}
	return strings.Join(parts, ", ")
}
