package scenarios

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fault is something wrong in a network, planted while one of the six scenarios
// runs, and what the scenario's failure has to say of it.
type fault struct {
	name string
	in   string // the scenario
	at   string // the step of the scenario at which it is planted
	only string // the family that has it; "" for both

	plant func(l *planted)

	// What the explanation has to say: which packet ended, in which node, by
	// which phrase, where it was last seen, and a part of the reason. None of
	// the nodes but that and those in about may be blamed.
	packet, node, end, seen, cause string
	about                          []string
	// passes is why the scenario rightly passes, instead.
	passes string
	// reply tells that the fault is in the way of the answer only.
	reply    bool
	programs []string
	sysctls  []string
	// rules tells that the fault is about rules of a packet filter, which are then
	// those of each backend.
	rules bool
}

// planted is the lab of a scenario, in which a fault is being planted.
type planted struct {
	*harness.Lab
	family
	backend string
}

// node is a node of the scenario, by its name.
func (p *planted) node(name string) *harness.Node {
	for _, n := range p.All() {
		if n.Name() == name {
			return n
		}
	}
	p.Fatalf("the scenario has no node %q", name)
	panic("unreachable")
}

// run runs a program in a node.
func (p *planted) run(node string, words ...string) {
	p.Helper()
	out, err := p.node(node).Command(words[0], words[1:]...).CombinedOutput()
	require.NoError(p, err, "%s: %s", strings.Join(words, " "), out)
}

// down sets an interface down, and waits until the other end has noticed.
func (p *planted) down(node, name, peer, peerName string) {
	p.run(node, "ip", "link", "set", name, "down")
	require.NoError(p, deadline.Poll(5*time.Second, "the other end keeps its carrier", func() (bool, error) {
		i := p.node(peer).Interface(peerName)
		return !i.Up() || i.NoCarrier && (i.OperState == "down" || i.OperState == "lowerlayerdown"), nil
	}))
}

// saboteur is a testing.TB that plants a fault at one step of a scenario.
type saboteur struct {
	testing.TB
	fault   *fault
	family  family
	backend string
	done    bool
}

// backends are those that the fault is tried on.
func (f *fault) backends() []string {
	if f.rules {
		return []string{"nftables", "iptables", "iptables-legacy"}
	}
	return []string{"nftables"}
}

// AtStep is called by Lab.Step.
func (s *saboteur) AtStep(l *harness.Lab, step string) {
	if step == s.fault.at && !s.done {
		s.done = true
		s.fault.plant(&planted{l, s.family, s.backend})
	}
}

// StandIn keeps the harness from leaving files behind.
func (s *saboteur) StandIn() {}

// TestFaults plants faults in the six first scenarios: each must be noticed by
// the scenario's own demands, and be explained rightly, with nobody else
// blamed; or the scenario must pass, for a reason that is given.
func TestFaults(t *testing.T) {
	var rows []*row
	t.Run("planted", func(t *testing.T) {
		for _, f := range families {
			for _, fault := range faultsOf(f) {
				if fault.only != "" && fault.only != f.name {
					continue
				}
				for _, backend := range fault.backends() {
					r := &row{fault: fault, family: f, backend: backend}
					rows = append(rows, r)
					t.Run(fault.in+"/"+fault.name+"/"+f.name+"/"+backend, func(t *testing.T) {
						t.Parallel()
						harness.RequireBackend(t, backend)
						harness.RequireProgram(t, append(fault.programs, "ip")...)
						harness.RequireSysctl(t, fault.sysctls...)
						r.try(t)
					})
				}
			}
		}
	})
	report(t, rows)
}

// row is a line of the table that TestFaults prints.
type row struct {
	fault   *fault
	family  family
	backend string
	said    string
	ran     bool
	right   bool
}

// verdict is the line of an explanation that says what became of which packet.
var verdict = regexp.MustCompile(`(?m)^    the (.+?) ended in (\S+): (.+?); (.*)$`)

func (r *row) try(t *testing.T) {
	f := r.fault
	networks := slices.Concat(networks, sizeNetworks)
	i := slices.IndexFunc(networks, func(n network) bool { return n.name == f.in })
	require.GreaterOrEqual(t, i, 0, "there is no scenario %s", f.in)
	var nodes []string
	var s *saboteur
	result := try.Run(t.Name(), func(tb testing.TB) {
		s = &saboteur{TB: tb, fault: f, family: r.family, backend: r.backend}
		lab := networks[i].body(s, r.family, r.backend)
		for _, n := range lab.All() {
			nodes = append(nodes, n.Name())
		}
	})
	if result.Skipped {
		t.Skip(result.Log())
	}
	r.ran = true
	require.Nil(t, result.Panic, result.Stack)
	require.True(t, s.done, "the scenario has not come to the step %q:\n%s", f.at, result.Log())
	if f.passes != "" {
		r.said = "passes"
		require.False(t, result.Failed, "it must pass: %s\n%s", f.passes, result.Log())
		r.right = true
		return
	}
	require.True(t, result.Failed, "the scenario has not noticed")
	text := result.Lines[0].Text
	if os.Getenv("NETRIG_FAULTS_SAY") != "" {
		t.Log(text)
	}
	m := verdict.FindStringSubmatch(text)
	require.NotNil(t, m, "the failure is not explained:\n%s", text)
	r.said = m[0][4:]
	right := assert.Equal(t, fmt.Sprintf("the %s ended in %s: %s; %s", f.packet, f.node, f.end, f.seen), r.said, "%s", text)
	lines := explanationOf(text)
	right = assert.Contains(t, strings.Join(lines, "\n"), f.cause, "%s", text) && right
	right = assert.LessOrEqual(t, len(lines), 20) && right
	for _, line := range lines[1:] {
		word := strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == ':' })[0]
		if slices.Contains(r.labNodes(), word) && word != f.node && !slices.Contains(f.about, word) {
			right = assert.Fail(t, "an innocent node is blamed", "%s: %s\n%s", word, line, text) && right
		}
	}
	r.right = right
}

// labNodes are the names that nodes have in the six scenarios.
func (r *row) labNodes() []string {
	return []string{"ns0", "ns1", "ns2", "ns3", "router", "host", "outside", "client", "gateway", "server", "web"}
}

// explanationOf is the lines between the first of a failure and the story.
func explanationOf(text string) []string {
	var lines []string
	text = text[verdict.FindStringIndex(text)[0]:]
	for _, line := range strings.Split(text, "\n") {
		if regexp.MustCompile(`^ +\d+\.\d{3} ms  `).MatchString(line) || line == "    no packet was seen" {
			break
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// report prints the table, and demands that every fault was explained.
func report(t *testing.T, rows []*row) {
	var b strings.Builder
	all, right, replies := 0, 0, 0
	for _, r := range rows {
		if !r.ran {
			continue
		}
		all++
		mark := "WRONG"
		if r.right {
			right, mark = right+1, "right"
		}
		if r.fault.reply {
			replies++
		}
		said := r.said
		if r.fault.passes != "" {
			said += ": " + r.fault.passes
		}
		fmt.Fprintf(&b, "%s  %-11s %-4s  %-15s  %-48s  %s\n", mark, r.fault.in, r.family.name, r.backend, r.fault.name, said)
	}
	if all > 0 {
		t.Logf("%d of %d faults explained fully, %d %% (%d of them in the way of the reply only)\n%s", right, all, right*100/all, replies, b.String())
	}
}
