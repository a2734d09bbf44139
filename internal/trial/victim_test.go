package trial

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

const (
	// victimVariable makes a process the victim. Its value says what it does:
	// "labs=3" builds three labs and passes, "hang" builds labs until it is ended,
	// "fatal@traffic@2" (also panic, background) does so by itself in the
	// second lab's phase "traffic", background at any moment after it began;
	// "fails" has a verb fail at the end of the lab;
	// "hog" takes memory until there is none; "escape" tries to leave the sandbox; "crowd=40" builds one lab of 40 nodes on a bridge, all of which ping.
	victimVariable = "NETRIG_TRIAL_VICTIM"
	// seedVariable makes the moments of background come out as before.
	seedVariable = "NETRIG_TRIAL_SEED"
	// numberVariable is what the victim's packets hold, 0 to 255: with it packets
	// of several victims are told apart.
	numberVariable = "NETRIG_TRIAL_NUMBER"
)

// phases of a lab's life, in the order of the marks that the victim prints.
var phases = []string{"build", "rules", "traffic", "program", "capture", "explain", "close"}

// TestVictim is what is started and ended by the trials. As a test of its own
// it lets a victim come to its end: it passes, having gone through every phase.
func TestVictim(t *testing.T) {
	if do := os.Getenv(victimVariable); do != "" {
		newVictim(t, do).run(t)
		return
	}
	for _, who := range users() {
		t.Run(string(who), func(t *testing.T) {
			machine := primed(t, who)
			v := who.victim(t, "labs=3")
			v.start()
			v.readAll()
			require.NoError(t, v.Wait(), "%s", v.log())
			for _, p := range phases {
				require.Equal(t, 3, v.seen[p], "phase %s\n%s", p, v.log())
			}
			v.requireNothingLeft(machine, time.Now(), false)
		})
	}
}

// labs is the life of the victim.
type labs struct {
	most        int // 0 for no end
	crowd       int // nodes
	hog, escape bool
	fails       bool // at its end

	how, phase string // how to end, and in which phase
	at         int    // of which lab
	random     *rand.Rand
	number     byte // that its packets hold
}

func newVictim(t *testing.T, do string) *labs {
	seed, err := strconv.ParseUint(os.Getenv(seedVariable), 10, 64)
	require.NoError(t, err, seedVariable)
	l := &labs{random: rand.New(rand.NewPCG(seed, 0))}
	if text := os.Getenv(numberVariable); text != "" {
		n, err := strconv.ParseUint(text, 10, 8)
		require.NoError(t, err, numberVariable)
		l.number = byte(n)
	}
	if do == "fails" {
		l.most, l.fails = 1, true
	} else if n, ok := strings.CutPrefix(do, "labs="); ok {
		l.most, err = strconv.Atoi(n)
		require.NoError(t, err)
	} else if n, ok := strings.CutPrefix(do, "crowd="); ok {
		l.crowd, err = strconv.Atoi(n)
		require.NoError(t, err)
	} else if l.hog, l.escape = do == "hog", do == "escape"; !l.hog && !l.escape && do != "hang" {
		parts := strings.Split(do, "@")
		require.Len(t, parts, 3, do)
		l.how, l.phase = parts[0], parts[1]
		l.at, err = strconv.Atoi(parts[2])
		require.NoError(t, err)
	}
	return l
}

func (l *labs) run(t *testing.T) {
	switch {
	case l.crowd > 0:
		crowd(t, l.crowd)
		return
	case l.hog:
		hog(t)
	case l.escape:
		escape(t)
		return
	}
	for n := 1; l.most == 0 || n <= l.most; n++ {
		if !t.Run(fmt.Sprint(n), func(t *testing.T) { l.lab(t, n) }) {
			return
		}
	}
}

// mark says which phase begins, and ends the victim if it is the one for that.
func (l *labs) mark(t *testing.T, n int, phase string) {
	fmt.Println("phase", phase, n)
	if phase != l.phase || n != l.at {
		return
	}
	switch l.how {
	case "fatal":
		t.Fatal("on purpose")
	case "panic":
		panic("on purpose")
	case "background":
		time.AfterFunc(time.Duration(l.random.IntN(20_000))*time.Microsecond, func() { panic("on purpose") })
	}
}

// lab is a lab with something of everything: a bridge, a router, translation, a
// server, programs, one of them a daemon, and packets being recorded.
func (l *labs) lab(t *testing.T, n int) {
	defer l.mark(t, n, "close") // deferred calls come before cleanups
	l.mark(t, n, "build")
	lab := harness.New(t)
	client, gateway, server := lab.Node("client"), lab.Node("gateway"), lab.Node("server")
	br0 := gateway.Bridge("br0", harness.Address("192.168.1.1/24"))
	lab.Connect(client.Port("eth0", "192.168.1.2/24"), br0.Port("eth1"))
	lab.Connect(gateway.Port("eth0", "10.0.0.1/24"), server.Port("eth0", "10.0.0.2/24"))

	l.mark(t, n, "rules")
	client.AddDefaultRoute("192.168.1.1")
	gateway.EnableForwarding()
	gateway.Masquerade(harness.NAT{Out: "eth0"})

	l.mark(t, n, "traffic")
	server.Serve("tcp", ":80")
	assert.Reachable(t, client, "10.0.0.2")
	assert.Reachable(t, client, "tcp:10.0.0.2:80")

	l.mark(t, n, "program")
	// One that leaves its session and its parent, and one that stays.
	client.Run("sh", "-c", "setsid sh -c 'sleep 1000 </dev/null >/dev/null 2>&1 &'")
	require.NoError(t, server.Command("sleep", "1000").Start())
	if _, err := exec.LookPath("ip"); err == nil {
		// By the names that somebody else's namespace and link have too.
		client.Run("ip", "-n", "client", "link", "set", "eth0", "mtu", "1400")
	}

	l.mark(t, n, "capture")
	conn, err := client.Dial("udp", "10.0.0.2:9")
	require.NoError(t, err)
	defer conn.Close()
	window := lab.Record(func() {
		for range 200 {
			// Nobody listens; the kernel says so to the next write.
			_, _ = conn.Write(bytes.Repeat([]byte{l.number}, 1000))
		}
	})
	// Its own packets, nodes and rules, and nobody else's.
	sent := window.Find(capture.Match{Node: "client", Kind: capture.UDP, Direction: capture.Out})
	require.NotEmpty(t, sent)
	for _, p := range window.Find(capture.Match{Kind: capture.UDP}) {
		require.Equal(t, bytes.Repeat([]byte{l.number}, 1000), p.Payload, "a packet of another process: %s", p)
	}

	l.mark(t, n, "explain")
	require.ErrorContains(t, harness.Try("explained", func(tb testing.TB) {
		assert.Unreachable(tb, client, "10.0.0.2", assert.NoRoute)
	}), "but must not: want no route")
	require.Len(t, gateway.Rules(), 2, "masquerade, of both families")
	if _, err := exec.LookPath("ip"); err == nil {
		require.Len(t, strings.Fields(client.Run("sh", "-c", "ip netns list | cut -d' ' -f1")), 3)
	}
	if l.fails {
		assert.Reachable(t, client, "10.0.0.77")
	}
}

// crowd is a lab of many nodes on a bridge, each of which runs a program and
// pings the bridge's host.
func crowd(t *testing.T, nodes int) {
	lab := harness.New(t)
	host := lab.Node("host")
	br0 := host.Bridge("br0", harness.Address("10.0.255.254/16"))
	for i := range nodes {
		n := lab.Node(fmt.Sprint("n", i))
		lab.Connect(n.Port("eth0", fmt.Sprintf("10.0.%d.%d/16", i/200, 1+i%200)), br0.Port(fmt.Sprint("p", i)))
		n.Run("true")
		assert.Reachable(t, n, "10.0.255.254")
	}
}

// hog is a lab, and a test that takes memory for as long as it gets some.
func hog(t *testing.T) {
	node := harness.New(t).Node("a")
	node.Run("true")
	var held [][]byte
	for {
		held = append(held, bytes.Repeat([]byte{1}, 8<<20))
		runtime.KeepAlive(held)
	}
}
