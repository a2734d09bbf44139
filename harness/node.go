package harness

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/internal/firewall"
	"github.com/netrig/netrig/internal/limit"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Node is one network namespace: a host, a router, a container. What it can do
// is in the other files of the package: ports, routes, NAT, commands, questions.
type Node struct {
	lab    *Lab
	name   string
	number int // from 1, as in its MAC addresses

	*base
	tap *capture.Tap

	mu      sync.Mutex
	ports   []*Port
	bridges []*Bridge
	devices []*VirtualPort
	numbers int // given to interfaces, also to those that have moved away
	byName  map[string]*Port
	ipv6    bool
	sysctls []string // that SetSysctl has set

	bridgesOnce sync.Once
	letInOnce   sync.Once
	letInErr    error
	bridgesErr  error

	rules     firewall.Backend
	entered   atomic.Bool // by functions of the test (Do)
	servers   []*Server
	closers   []func()
	mounts    *mountSpace
	resolvers []string
}

// NodeOption changes what Lab.Node makes.
type NodeOption func(*nodeSettings)

type nodeSettings struct{ loopbackDown, ipv6, unrecorded bool }

// LoopbackDown leaves `lo` down, as `ip netns add` does. A node's own addresses
// then do not answer the node itself, until Node.LoopbackUp.
func LoopbackDown() NodeOption { return func(s *nodeSettings) { s.loopbackDown = true } }

// IPv6 switches IPv6 on from the start. Without it, IPv6 is on from the node's
// first IPv6 address on, so that captures of IPv4 hold no IPv6 noise.
func IPv6() NodeOption { return func(s *nodeSettings) { s.ipv6 = true } }

// Unrecorded makes a node whose packets are not recorded, for bulk traffic.
func Unrecorded() NodeOption { return func(s *nodeSettings) { s.unrecorded = true } }

// Node makes a node: a fresh network namespace with `lo` up and nothing else,
// every sysctl that scenarios depend on set explicitly, and recording on.
func (l *Lab) Node(name string, options ...NodeOption) *Node {
	l.TB.Helper()
	if err := checkName("a node", name); err != nil {
		l.fatalf("%v", err)
	}
	if l.byName[name] != nil {
		l.fatalf("the lab already has a node %q", name)
	}
	var settings nodeSettings
	for i, o := range options {
		if o == nil {
			l.fatalf("node %s: option %d is nil", name, i+1)
		}
		o(&settings)
	}
	n := &Node{lab: l, name: name, number: len(l.nodes) + 1, byName: map[string]*Port{}}
	if err := n.open(settings); err != nil {
		n.close()
		l.fatalf("node %s: %v", name, err)
	}
	l.mu.Lock()
	l.nodes = append(l.nodes, n)
	l.byName[name] = n
	l.mu.Unlock()
	n.did("")
	return n
}

// Nodes makes n nodes; format holds one verb for the number, from 1: "ns%d".
func (l *Lab) Nodes(format string, n int, options ...NodeOption) []*Node {
	l.TB.Helper()
	if n < 0 {
		l.fatalf("%d nodes can't be made", n)
	}
	if example := fmt.Sprintf(format, 1); strings.Contains(example, "%!") || n > 1 && example == fmt.Sprintf(format, 2) {
		l.fatalf("the format %q of the nodes' names has no place for a number, as in \"ns%%d\"", format)
	}
	nodes := make([]*Node, n)
	for i := range nodes {
		nodes[i] = l.Node(fmt.Sprintf(format, i+1), options...)
	}
	return nodes
}

func (n *Node) open(s nodeSettings) (err error) {
	if s.loopbackDown {
		n.base, err = newBase(false)
	} else {
		n.base, err = takeBase()
	}
	if err != nil {
		return err
	}
	if n.lab.timers == KernelTimers {
		if err := n.space.Do(func() error { return applySettings(n.proc, learned.kernelErrors()) }); err != nil {
			return err
		}
	}
	if s.ipv6 {
		n.enableIPv6()
	}
	if !s.unrecorded {
		if n.tap, err = n.lab.recording.Attach(n.name, n.space); err != nil {
			return err
		}
	}
	return nil
}

// handle opens an rtnetlink socket of the library in the namespace that the calling
// thread is in. Only that family: the library's default set fails on kernels without
// all of them.
func handle() (*netlink.Handle, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open an rtnetlink socket: %w", err)
	}
	return h, nil
}

// Name is the node's name.
func (n *Node) Name() string { return n.name }

// Lab is the lab that the node is part of.
func (n *Node) Lab() *Lab { return n.lab }

// String is the node's name.
func (n *Node) String() string { return n.name }

// LoopbackUp sets `lo` up where the option LoopbackDown has left it down: from
// then on the node's own addresses, 127.0.0.1 and ::1 answer the node itself.
func (n *Node) LoopbackUp() {
	n.lab.TB.Helper()
	n.must(n.raw.Up(loopbackIndex, 0), "set lo up")
	n.must(n.awaitAddresses(loopbackIndex), "set lo up")
	n.did("")
}

// NetnsPath names the node's namespace for outside programs, as in
// `nsenter --net=PATH`, `ip link set veth0 netns PATH` or CNI_NETNS. It holds
// until the test ends.
func (n *Node) NetnsPath() string {
	n.lab.TB.Helper()
	n.must(n.letIn(), "hand its namespace out")
	n.lab.foreign.Store(true)
	return n.space.Path()
}

// Do runs f inside the node, on the calling goroutine: FailNow, Skip and
// panics in f work as usual. Sockets that f opens belong to the node and can be
// used anywhere afterwards; goroutines that f starts run outside the node.
func (n *Node) Do(f func() error) error {
	if f == nil {
		return fmt.Errorf("in node %s: Do was given no function (nil)", n.name)
	}
	n.entered.Store(true)
	err := n.letIn()
	if err == nil {
		err = n.space.Do(f)
	}
	if err != nil {
		return fmt.Errorf("in node %s: %w", n.name, err)
	}
	return nil
}

// Enter moves the calling goroutine into the node until it calls leave itself, as it
// must. It is for a library that opens a socket and goes on to use it in one and the
// same call, with a hook between the two that can call leave: a goroutine inside a node
// keeps a thread of the operating system to itself. For all else there is Do; above all
// nothing that makes links belongs here.
func (n *Node) Enter() (leave func(), err error) {
	if leave, err = n.space.Enter(); err != nil {
		return nil, fmt.Errorf("in node %s: %w", n.name, err)
	}
	return leave, nil
}

// MAC is the hardware address of one of the node's interfaces.
func (n *Node) MAC(name string) net.HardwareAddr {
	n.lab.TB.Helper()
	l, err := n.route.LinkByIndex(n.linkIndex(name))
	n.must(err, "interface %s", name)
	return l.Attrs().HardwareAddr
}

// StopRecording ends the recording of this node's packets: before bulk
// traffic, say. What was recorded stays.
func (n *Node) StopRecording() {
	if n.tap != nil {
		n.tap.Close()
		n.tap = nil
	}
}

// Recorded tells whether the node's packets are being recorded.
func (n *Node) Recorded() bool { return n.tap != nil }

// must fails the test, naming the node.
func (n *Node) must(err error, format string, args ...any) {
	if err != nil {
		n.lab.TB.Helper()
		n.lab.fatalf("node %s: %s: %v%s", n.name, fmt.Sprintf(format, args...), err, limit.Hint(err))
	}
}

func (n *Node) fatalf(format string, args ...any) {
	n.lab.TB.Helper()
	n.lab.fatalf("node %s: %s", n.name, fmt.Sprintf(format, args...))
}

// onStop has f run when the lab ends, before the namespaces are closed.
func (n *Node) onStop(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closers = append(n.closers, f)
}

// stop ends what runs in the node, the newest first.
func (n *Node) stop() {
	n.mu.Lock()
	closers := n.closers
	n.closers = nil
	n.mu.Unlock()
	for i := len(closers) - 1; i >= 0; i-- {
		closers[i]()
	}
}

// close lets go of everything that holds the namespace.
func (n *Node) close() {
	if n.rules != nil {
		n.rules.Close()
	}
	if n.mounts != nil {
		n.mounts.close()
	}
	if n.base != nil {
		n.base.close()
	}
}
