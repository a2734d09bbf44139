package scenarios

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"
	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/sandbox"
	"github.com/stretchr/testify/require"
)

// TestTcpdump: on each interface of a host that bridges, routes and translates,
// tcpdump has the frames that we recorded there: all, in order, byte for byte.
//
// Not among them are fragments that the host translates. Their buffers are
// shared with our packet socket, and connection tracking, which reassembles
// them, has the headers of all but the first overwritten with those that go out
// (the fast path of ip_do_fragment) before we read them; tcpdump has a copy.
//
//	ns1 eth0 --- veth1 | br0 | host eth0 --- eth0 outside
//	ns2 eth0 --- veth2 |     |
func TestTcpdump(t *testing.T) {
	requireTcpdump(t)
	bothFamilies(t, tcpdumped)
}

func tcpdumped(t testing.TB, f family) *harness.Lab {
	lab := harness.New(t)
	host, outside := lab.Node("host"), lab.Node("outside")
	ns := lab.Nodes("ns%d", 2)
	br0 := host.Bridge("br0", harness.Address(f.with(1, 254)))
	cable := lab.Connect(ns[0].Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(ns[1].Port("eth0", f.with(1, 2)), br0.Port("veth2"))
	uplink := lab.Connect(outside.Port("eth0", f.with(9, 2)), host.Port("eth0", f.with(9, 1)))
	ns[0].AddDefaultRoute(f.addr(1, 254))
	host.EnableForwarding()
	host.Masquerade(harness.NAT{Source: f.net(1), Out: "eth0"})
	outside.Serve("tcp", ":80")

	var dumps []*tcpdump
	for _, name := range []string{"veth1", "veth2", "br0", "eth0"} {
		d, err := startTcpdump(t, host, name)
		require.NoError(t, err)
		dumps = append(dumps, d)
	}
	lab.Settle()
	from := time.Now()
	assert.Reachable(t, ns[0], f.addr(1, 2), assert.Size(4000)) // in fragments
	assert.TTL(t, assert.Reachable(t, ns[0], f.addr(9, 2)), 63)
	assert.Unreachable(t, ns[0], f.addr(9, 77), assert.HostUnreachable)
	transfer(t, ns[0], net.JoinHostPort(f.addr(9, 2), "80"))
	vlan := slices.Concat(uplink.A.MAC(), uplink.B.MAC(), []byte{0x81, 0, 0, 42, 0x88, 0xb5}) // IEEE 802.1Q
	uplink.B.Inject(vlan)
	lab.Settle()
	// The last frame of each, which the bridge floods.
	for _, p := range []*harness.Port{cable.A, uplink.A} {
		p.Inject(slices.Concat([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, p.MAC(), lastFrame))
	}
	lab.Settle()

	for _, d := range dumps {
		var ours []frame
		for _, p := range lab.Recording().All().Find(capture.Match{Node: "host", Interface: d.iface}) {
			ours = append(ours, frame{p.Time.UnixNano(), p.Length, p.Data})
		}
		theirs, err := d.frames()
		require.NoError(t, err)
		ours, theirs = since(ours, from), since(theirs, from)
		require.Empty(t, frameDifferences(ours, theirs), "host:%s", d.iface)
		seeAlteredFrames(t, ours, theirs)
	}
	return lab
}

// transfer sends 64 KB to a server that sends them back: in segments larger
// than the MTU, which a veth passes on as they are.
func transfer(t testing.TB, from *harness.Node, to string) {
	c, err := from.Dial("tcp", to)
	require.NoError(t, err)
	defer c.Close()
	sent := bytes.Repeat([]byte("netrig"), 11000)
	_, err = c.Write(sent)
	require.NoError(t, err)
	back := make([]byte, len(sent))
	_, err = io.ReadFull(c, back)
	require.NoError(t, err)
	require.Equal(t, sent, back)
}

// lastFrame is the end of the frame by which a reader knows that all is there:
// an ethertype for local experiments (IEEE 802), and a text.
var lastFrame = []byte("\x88\xb5the last frame")

// frame is one as tcpdump or our recorder has it: when the kernel saw it, in
// nanoseconds since 1970, how long it was, and what was kept of it.
type frame struct {
	at     int64
	length int
	data   []byte
}

// since are the frames from a time on, up to the last one, sender by sender: what
// comes in and what goes out at the same moment passes on two processors, and
// each recorder has them in an order of its own.
func since(frames []frame, from time.Time) []frame {
	frames = slices.DeleteFunc(frames, func(f frame) bool { return f.at < from.UnixNano() })
	if end := slices.IndexFunc(frames, isLast); end >= 0 {
		frames = frames[:end]
	}
	slices.SortStableFunc(frames, func(a, b frame) int { return bytes.Compare(a.data[6:12], b.data[6:12]) })
	return frames
}

func isLast(f frame) bool { return bytes.HasSuffix(f.data, lastFrame) }

// frameDifferences tells in what two recordings of an interface differ. We keep
// the first 128 bytes only of a frame of more than 2048 (capture.Keep).
func frameDifferences(ours, tcpdump []frame) (lines []string) {
	if len(ours) != len(tcpdump) {
		lines = append(lines, fmt.Sprintf("tcpdump has %d frames, we have %d", len(tcpdump), len(ours)))
	}
	for i := range min(len(ours), len(tcpdump)) {
		o, d := ours[i], tcpdump[i]
		if o.length > 2048 {
			d.data = d.data[:min(128, len(d.data))]
		}
		for _, c := range []struct {
			what          string
			tcpdump, ours any
		}{
			{"length", d.length, o.length}, {"data", fmt.Sprintf("%x", d.data), fmt.Sprintf("%x", o.data)},
		} {
			if c.tcpdump != c.ours {
				lines = append(lines, fmt.Sprintf("frame %d: tcpdump has %s %v\n    ours is %v", i+1, c.what, c.tcpdump, c.ours))
			}
		}
	}
	return lines
}

// seeAlteredFrames demands that frameDifferences notices what is wrong.
func seeAlteredFrames(t testing.TB, ours, tcpdump []frame) {
	last := len(ours) - 1
	for name, alter := range map[string]func(all []frame) []frame{
		"a frame less":           func(all []frame) []frame { return all[1:] },
		"the last frame missing": func(all []frame) []frame { return all[:last] },
		"a frame more":           func(all []frame) []frame { return append(all, all[last]) },
		"another order":          func(all []frame) []frame { slices.Reverse(all); return all },
		"another length":         func(all []frame) []frame { all[last].length++; return all },
		"the last byte another": func(all []frame) []frame {
			all[last].data = slices.Clone(all[last].data)
			all[last].data[len(all[last].data)-1] ^= 1
			return all
		},
	} {
		require.NotEmpty(t, frameDifferences(alter(slices.Clone(ours)), tcpdump), "ours with %s", name)
		require.NotEmpty(t, frameDifferences(ours, alter(slices.Clone(tcpdump))), "tcpdump's with %s", name)
	}
}

// tcpdump is one that runs on an interface.
type tcpdump struct {
	*harness.Cmd
	iface string
	file  io.Reader
}

// errUserID: tcpdump gives up its user and its groups, also for "-Z root", which
// the kernel lets nobody do who has a user namespace without being root outside
// of it (setgroups in user_namespaces(7)).
var errUserID = errors.New("tcpdump wants to change its user and groups, which an ordinary user's namespace forbids: run it as root")

// startTcpdump returns when tcpdump records.
func startTcpdump(t testing.TB, n *harness.Node, iface string) (*tcpdump, error) {
	ctx, cancel := deadline.Context(time.Minute)
	t.Cleanup(cancel)
	d := &tcpdump{iface: iface, Cmd: n.CommandContext(ctx, "tcpdump", "-i", iface, "-n", "-Z", "root", "-w", "-", "-U",
		"--immediate-mode", "--time-stamp-precision=nano")}
	file, err := d.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.file = file
	said, err := d.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := d.Start(); err != nil {
		return nil, err
	}
	var log strings.Builder
	for lines := bufio.NewScanner(said); lines.Scan(); {
		fmt.Fprintln(&log, lines.Text())
		if strings.Contains(lines.Text(), "listening on "+iface) {
			go func() { _, _ = io.Copy(io.Discard, said) }()
			return d, nil
		}
	}
	if strings.Contains(log.String(), "Couldn't change to 'root'") {
		return nil, errUserID
	}
	return nil, fmt.Errorf("tcpdump does not run: %s", log.String())
}

// frames reads what tcpdump has recorded, up to the last frame.
func (d *tcpdump) frames() (all []frame, err error) {
	r, err := pcapgo.NewReader(d.file)
	if err != nil {
		return nil, fmt.Errorf("read what tcpdump writes: %w", err)
	}
	for {
		data, info, err := r.ReadPacketData()
		if err != nil {
			return nil, fmt.Errorf("tcpdump on %s: after %d frames, without the last one: %w", d.iface, len(all), err)
		}
		all = append(all, frame{info.Timestamp.UnixNano(), info.Length, data})
		if isLast(all[len(all)-1]) {
			return all, nil
		}
	}
}

// requireTcpdump skips the test where tcpdump can't run.
func requireTcpdump(t *testing.T) {
	harness.RequireProgram(t, "tcpdump")
	_, err := startTcpdump(t, harness.New(t).Node("n"), "lo")
	if errors.Is(err, errUserID) && !sandbox.RequireAll() {
		t.Skip(err)
	}
	require.NoError(t, err)
}
