package scenarios

import (
	"errors"
	"net/netip"
	"runtime"
	"unsafe"

	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// controlFaults are about what drops or changes packets at an interface, past
// the packet filter's chains: traffic control, XDP, a changed TTL.
func controlFaults(f family) []*fault {
	known := func(l *planted) {
		l.node("ns0").AddNeighbor("veth0", f.addr(1, 2), l.node("ns1").MAC("veth1"))
		l.node("ns1").AddNeighbor("veth1", f.addr(1, 1), l.node("ns0").MAC("veth0"))
	}
	// A queue of length 0 has no room for any packet.
	closed := func(l *planted, node, device string) {
		l.run(node, "tc", "qdisc", "add", "dev", device, "root", "pfifo", "limit", "0")
	}
	mangle := func(node, rule string) func(l *planted) {
		return func(l *planted) {
			l.run(node, "nft", "add table inet mangled; add chain inet mangled prerouting { type filter hook prerouting priority -150; }; add rule inet mangled prerouting "+rule)
		}
	}
	field := f.either("ip ttl", "ip6 hoplimit")
	tc := []string{"tc"}
	return []*fault{
		{
			name: "the sender's queue takes nothing, not even questions", in: "VethPair", at: "built", programs: tc,
			plant:  func(l *planted) { closed(l, "ns0", "veth0") },
			packet: f.ask(), node: "ns0", end: "filtered out (traffic control)", seen: "it never left ns0", cause: "ns0:veth0: pfifo (tc) dropped",
		},
		{
			name: "the target's queue takes nothing, not even answers", in: "VethPair", at: "built", programs: tc, reply: true,
			plant:  func(l *planted) { closed(l, "ns1", "veth1") },
			packet: f.ask(), node: "ns1", end: "filtered out (traffic control)", seen: entering("ns1:veth1", f.neighborTTL()), cause: "ns1:veth1: pfifo (tc) dropped", about: []string{"ns0"},
		},
		{
			name: "the sender's queue takes nothing", in: "VethPair", at: "built", programs: tc,
			plant:  func(l *planted) { known(l); closed(l, "ns0", "veth0") },
			packet: "echo request", node: "ns0", end: "filtered out (traffic control)", seen: "it never left ns0", cause: "ns0:veth0: pfifo (tc) dropped",
		},
		{
			name: "the target's queue takes nothing", in: "VethPair", at: "built", programs: tc, reply: true,
			plant:  func(l *planted) { known(l); closed(l, "ns1", "veth1") },
			packet: "echo reply", node: "ns1", end: "filtered out (traffic control)", seen: never("ns1", "echo request", "ns1:veth1", ttl64), cause: "ns1:veth1: pfifo (tc) dropped",
		},
		{
			name: "an XDP program drops all", in: "VethPair", at: "built",
			plant:  func(l *planted) { l.xdpDrop("ns1", "veth1") },
			packet: f.ask(), node: "ns1", end: "filtered in (XDP)", seen: leaving("ns0:veth0", f.neighborTTL()), cause: "ns1:veth1 has an XDP program", about: []string{"ns0"},
		},
		{
			name: "the TTL is set to 1", in: "Router", at: "forwarding", programs: []string{"nft"},
			plant:  mangle("router", "iif veth1 "+f.either("icmp", "icmpv6")+" type echo-request "+field+" set 1"),
			packet: "echo request", node: "router", end: "TTL exceeded", seen: entering("router:veth1", ttl64), cause: "router: ",
		},
		{
			name: "the TTL is set to 1 by a rule that counts", in: "Router", at: "forwarding", programs: []string{"nft"},
			plant:  mangle("router", "iif veth1 "+f.either("icmp", "icmpv6")+" type echo-request counter "+field+" set 1"),
			packet: "echo request", node: "router", end: "TTL exceeded", seen: entering("router:veth1", ttl64), cause: field + " set 1 counted 1, and changes what it meets",
		},
		{
			name: "the TTL of the answers is set to 1", in: "Router", at: "forwarding", reply: true, programs: []string{"nft"},
			plant:  mangle("router", "iif veth3 "+f.either("icmp", "icmpv6")+" type echo-reply "+field+" set 1"),
			packet: "echo reply", node: "router", end: "TTL exceeded", seen: entering("router:veth3", ttl64), cause: "router: ",
		},
		{
			name: "one of three drops the echoes of the others", in: "Bridge", at: "learned",
			plant: func(l *planted) {
				l.node("ns3").Drop(harness.Filter{Hook: harness.Input, Protocol: f.either("icmp", "icmpv6"), ICMPType: harness.ICMPType(f.echo())})
			},
			packet: "echo request", node: "ns3", end: "filtered in (input)", seen: entering("ns3:eth0", ttl64), cause: "DROP counted 1",
		},
	}
}

// xdpDrop attaches a program of two instructions: r0 = XDP_DROP, exit. It takes
// CAP_BPF on the machine.
func (p *planted) xdpDrop(node, name string) {
	license := []byte("GPL\x00")
	code := []uint64{0x00000001_000000b7, 0x00000000_00000095}
	const programLoad, typeXDP = 5, 6
	attributes := struct {
		kind, count uint32
		code        uintptr
		license     uintptr
		rest        [96]byte
	}{kind: typeXDP, count: uint32(len(code)), code: uintptr(unsafe.Pointer(&code[0])), license: uintptr(unsafe.Pointer(&license[0]))}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, programLoad, uintptr(unsafe.Pointer(&attributes)), unsafe.Sizeof(attributes))
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	if errors.Is(errno, unix.EPERM) || errors.Is(errno, unix.ENOSYS) {
		p.Skip("BPF programs need root on the machine itself")
	}
	require.Zero(p, errno, "load a BPF program")
	defer unix.Close(int(fd))
	require.NoError(p, p.node(node).Do(func() error {
		l, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetXdpFd(l, int(fd))
		}
		return err
	}))
}

// tired sends datagrams that die at the first router until that has sent as many
// errors as it may: the kernel allows six in a row (XRLIM_BURST_FACTOR).
func (p *planted) tired(node, target string) {
	a := netip.MustParseAddr(target)
	family, level, option := unix.AF_INET, unix.IPPROTO_IP, unix.IP_TTL
	var to unix.Sockaddr
	if a.Is4() {
		to = &unix.SockaddrInet4{Port: 33434, Addr: a.As4()}
	} else {
		family, level, option = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
		to = &unix.SockaddrInet6{Port: 33434, Addr: a.As16()}
	}
	require.NoError(p, p.node(node).Do(func() error {
		fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
			return err
		}
		for range 20 {
			if err := unix.Sendto(fd, []byte("tired"), 0, to); err != nil && !errors.Is(err, unix.EHOSTUNREACH) {
				return err
			}
		}
		return nil
	}))
	p.Settle()
}
