package scenarios

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// labRecord is all that was recorded of a network.
type labRecord struct {
	name   string
	window capture.Window
}

// TestTshark: tshark reads the pcapng files of every network, without a
// complaint, and says the same of every packet at every interface as we do;
// assert.Path accepts the ways that packets took as tshark has them. All
// networks are in one file, since it takes longer to start than to read them.
func TestTshark(t *testing.T) {
	t.Parallel()
	harness.RequireProgram(t, "tshark", "ping")
	labs := recordAll(t, slices.Concat(networks, []network{{name: "RarePackets", body: plain(rarePackets)}}))
	require.NotEmpty(t, labs, "all networks are in one file: run TestTshark whole")
	packets, said := dissectAll(t, labs)

	checked := map[capture.Kind]int{}
	for _, lab := range labs {
		t.Run(lab.name, func(t *testing.T) {
			for _, p := range lab.window.Packets() {
				tshark, ours := said[p], ourDissection(p)
				ours["interface"] = lab.name + "//" + ours["interface"]
				for _, name := range disagreements(tshark, ours) {
					t.Errorf("%s\n    %s: tshark says %q, we say %q", p, name, tshark[name], ours[name])
				}
			}
			for _, flight := range lab.window.Flights() {
				assert.Path(t, flight, tsharkPath(flight, said)...)
			}
			for kind, n := range checkFlights(t, lab.window, said) {
				checked[kind] += n
			}
		})
	}

	for _, kind := range []capture.Kind{capture.EchoRequest, capture.EchoReply, capture.TCP, capture.UDP} {
		require.Positive(t, checked[kind], "no %s was followed", kind)
	}
	t.Run("Altered", func(t *testing.T) { seeAlterations(t, packets, said) })
}

// recordAll builds and drives the networks, of both families.
func recordAll(t *testing.T, networks []network) (labs []labRecord) {
	var mu sync.Mutex
	t.Run("Networks", func(t *testing.T) {
		for _, n := range networks {
			for _, f := range n.families() {
				t.Run(n.name+f.name, func(t *testing.T) {
					t.Parallel()
					lab := n.body(t, f, "nftables")
					lab.Settle()
					mu.Lock()
					defer mu.Unlock()
					labs = append(labs, labRecord{n.name + f.name, lab.Recording().All()})
				})
			}
		}
	})
	return labs
}

// dissectAll has tshark dissect the packets of all labs.
func dissectAll(t *testing.T, labs []labRecord) ([]*capture.Packet, map[*capture.Packet]dissection) {
	original := map[*capture.Packet]*capture.Packet{}
	var all []*capture.Packet
	for _, lab := range labs {
		for _, p := range lab.window.Packets() {
			named := *p
			named.Node = lab.name + "//" + p.Node
			original[&named] = p
			all = append(all, &named)
		}
	}
	window := capture.NewWindow(all...)
	name := filepath.Join(t.TempDir(), "all.pcapng")
	file, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, window.WritePcapng(file))
	require.NoError(t, file.Close())

	fields := []string{"-T", "fields"}
	for _, row := range dissected {
		for _, field := range strings.Fields(row.fields) {
			fields = append(fields, "-e", field)
		}
	}
	var values, infos []string
	var both sync.WaitGroup
	both.Go(func() { values = tsharkLines(t, name, fields...) })
	both.Go(func() { infos = tsharkLines(t, name, "-o", `gui.column.format:"Info","%i"`) })
	both.Wait()
	require.Len(t, values, window.Len(), "tshark finds every packet")
	require.Len(t, infos, window.Len(), "tshark finds every packet")

	packets := window.Packets()
	said := map[*capture.Packet]dissection{}
	for i, p := range packets {
		packets[i] = original[p]
		said[packets[i]] = tsharkDissection(strings.Split(values[i], "\t"), infos[i])
	}
	return packets, said
}

// tsharkLines are the lines that tshark prints about a file, one a frame. Each
// frame is to be taken by itself: of a packet that is seen at six interfaces,
// tshark would take five for retransmissions. And one echo in some 5000, which
// carry random bytes, would be taken for one of HiPerConTracer's.
func tsharkLines(t testing.TB, file string, args ...string) []string {
	args = append([]string{"-n", "-r", file, "--disable-protocol", "hipercontracer",
		"-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE",
		"-o", "tcp.desegment_tcp_streams:FALSE", "-o", "tcp.analyze_sequence_numbers:FALSE", "-o", "tcp.relative_sequence_numbers:FALSE"}, args...)
	cmd := exec.Command("tshark", args...)
	cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(file), "XDG_CONFIG_HOME="+filepath.Dir(file), "LC_ALL=C.UTF-8")
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Errorf("tshark: %v\n%s", err, complaints.String())
	}
	for line := range strings.Lines(complaints.String()) {
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "Running as user") {
			t.Errorf("tshark complains: %s", line)
		}
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// tsharkPath is the way that a packet took, in tshark's words.
func tsharkPath(flight *capture.Flight, said map[*capture.Packet]dissection) (lines []string) {
	for _, p := range flight.Hops {
		lines = append(lines, said[p].pathLine())
	}
	return lines
}

// checkFlights demands that what we follow as one packet is one by what tshark
// says of it, and that of what is one to tshark we make two flights only where
// it passed the same place twice, as what is sent again does.
func checkFlights(t *testing.T, w capture.Window, said map[*capture.Packet]dissection) map[capture.Kind]int {
	places := map[string]map[string]bool{}
	checked := map[capture.Kind]int{}
	for _, flight := range w.Flights() {
		one := unaltered(flight.First(), said)
		if one == "" {
			continue
		}
		checked[flight.First().Kind]++
		passed, again := map[string]bool{}, false
		for _, p := range flight.Hops {
			require.Equal(t, one, unaltered(p, said), "tshark sees two packets in what we follow as one:\n%s", flight)
			place := fmt.Sprint(p.Where(), p.Direction)
			again = again || places[one][place]
			passed[place] = true
		}
		require.True(t, again || places[one] == nil, "of what is one packet to tshark, we followed this as another:\n%s", flight)
		if places[one] == nil {
			places[one] = map[string]bool{}
		}
		maps.Copy(places[one], passed)
	}
	return checked
}

// unaltered is what nothing on the way rewrites of a packet, in tshark's words;
// empty for kinds that are not followed so.
func unaltered(p *capture.Packet, said map[*capture.Packet]dissection) string {
	d := said[p]
	if _, carries := p.Inner(); carries {
		if d["payload"] == "" {
			return ""
		}
		return fmt.Sprintf("in VXLAN %s to %s type %s sequence %s payload %s", d["vni"], d["destination"], d["type"], d["echo sequence"], d["payload"])
	}
	switch p.Kind {
	case capture.EchoRequest, capture.EchoReply:
		return fmt.Sprintf("type %s sequence %s payload %s", d["type"], d["echo sequence"], d["payload"])
	case capture.TCP:
		return fmt.Sprintf("%s flags %s sequence %s acknowledged %s payload %s", callersPort(d), d["flags"], d["sequence"], d["acknowledged"], d["payload"])
	case capture.UDP:
		return fmt.Sprintf("%s payload %s", callersPort(d), d["payload"])
	}
	return ""
}

// callersPort is the port that the caller has chosen, which masquerading keeps,
// since no two callers have chosen the same; rules rewrite only those that are
// called.
func callersPort(d dissection) string {
	if called := []string{"53", "80", "8088"}; slices.Contains(called, d["source port"]) {
		return "to " + d["destination port"]
	}
	return "from " + d["source port"]
}

// rarePackets: what hardly a network has. Packets too big, in fragments, with
// something inside, with a VLAN tag; and ping's, with a time stamp inside.
//
//	ns0 eth0 --- eth1 router eth2 --- eth0 ns1
func rarePackets(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	ns0, router, ns1 := lab.Node("ns0"), lab.Node("router"), lab.Node("ns1")
	near := lab.Connect(ns0.Port("eth0", f.with(1, 2)), router.Port("eth1", f.with(1, 1)))
	lab.Connect(router.Port("eth2", f.with(2, 1)), ns1.Port("eth0", f.with(2, 2)), harness.MTU(1400))
	ns0.AddDefaultRoute(f.addr(1, 1))
	ns1.AddDefaultRoute(f.addr(2, 1))
	router.EnableForwarding()
	ns1.Serve("tcp", ":80")
	ns1.Serve("udp", ":53")

	assert.Unreachable(t, ns0, f.addr(2, 2), assert.TooBig.By("router"), assert.Size(1420), assert.DontFragment())
	assert.Reachable(t, ns0, f.addr(2, 2), assert.Size(3000))
	ns0.Run("ping", "-c1", f.addr(2, 2))
	assert.Reachable(t, ns0, "udp:"+net.JoinHostPort(f.addr(2, 2), "53"))
	assert.Unreachable(t, ns0, "udp:"+net.JoinHostPort(f.addr(2, 2), "54"), assert.PortUnreachable)

	call, err := ns0.Dial("tcp", net.JoinHostPort(f.addr(2, 2), "80"))
	require.NoError(t, err)
	_, err = call.Write([]byte("what is said"))
	require.NoError(t, err)
	_, err = call.Read(make([]byte, 100))
	require.NoError(t, err)
	require.NoError(t, call.Close())

	tagged := append(append([]byte(near.B.MAC()), near.A.MAC()...), 0x81, 0, 0, 42) // IEEE 802.1Q
	near.A.Inject(append(tagged, 0x88, 0xb5, 'x'))                                  // an ethertype for experiments
	return lab
}
