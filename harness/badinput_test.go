package harness_test

import (
	"net"
	"testing"
	"time"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever can be wrong in a test's own text fails the test at the line that
// holds it, with a message that names the thing and says what to do. Each entry
// is wrong in one way; says is a part of the message for each thing that it has
// to hold.
var badInput = []struct {
	name string
	do   func(lab *harness.Lab, a, b *harness.Node)
	says []string
}{
	{"a node's name twice", func(lab *harness.Lab, _, _ *harness.Node) { lab.Node("a") }, []string{`already has a node "a"`}},
	{"a node's name of 16 characters", func(lab *harness.Lab, _, _ *harness.Node) { lab.Node("abcdefghijklmnop") }, []string{"abcdefghijklmnop", "16 characters", "at most 15"}},
	{"a node's name with a slash", func(lab *harness.Lab, _, _ *harness.Node) { lab.Node("a/b") }, []string{`"a/b"`, "'/'"}},
	{"a node's name that leads out", func(lab *harness.Lab, _, _ *harness.Node) { lab.Node("..") }, []string{`".."`, "reserved"}},
	{"a node without a name", func(lab *harness.Lab, _, _ *harness.Node) { lab.Node("") }, []string{"empty"}},
	{"an interface's name twice", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("veth0") }, []string{"node a", `interface "veth0" already`}},
	{"an interface's name of 16 characters", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("abcdefghijklmnop") }, []string{"16 characters"}},
	{"an interface's name with a slash", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("x/y") }, []string{`"x/y"`}},
	{"an interface named lo", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("lo") }, []string{`"lo" already`}},
	{"an interface named as all settings", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("all") }, []string{`"all"`, "reserved", "net.ipv4.conf.all"}},
	{"a bridge named as the default settings", func(_ *harness.Lab, a, _ *harness.Node) { a.Bridge("default") }, []string{`"default"`, "reserved"}},
	{"an interface renamed as all settings", func(lab *harness.Lab, a, b *harness.Node) {
		p := a.Port("p")
		lab.Connect(p, b.Port("q"))
		p.Rename("all")
	}, []string{"interface p", `"all"`, "reserved"}},
	{"an interface renamed to lo", func(lab *harness.Lab, a, b *harness.Node) {
		p := a.Port("p")
		lab.Connect(p, b.Port("q"))
		p.Rename("lo")
	}, []string{"interface p", "rename it to lo", "already"}},
	{"an address without prefix", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("p", "10.0.0.1") }, []string{"node a", "interface p", `"10.0.0.1"`, "10.0.0.1/24"}},
	{"an IPv6 address without prefix", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("p", "fd00::1") }, []string{"fd00::1/64"}},
	{"an address that is none", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("p", "10.0.0.300/24") }, []string{`"10.0.0.300/24"`}},
	{"an IPv4 address written as IPv6", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("p", "::ffff:10.0.0.1/120") }, []string{"interface p", "write it as 10.0.0.1/24"}},
	{"an address with a zone", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("p", "fe80::1%p/64") }, []string{"interface p", "zone", "write it as fe80::1/64"}},
	{"a multicast address", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("p", "224.0.0.1/24") }, []string{"interface p", "224.0.0.1/24", "multicast"}},
	{"an IPv6 multicast address", func(_ *harness.Lab, a, _ *harness.Node) { a.AddAddress("veth0", "ff02::1/64") }, []string{"interface veth0", "ff02::1/64", "multicast"}},
	{"the address of nobody", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("p", "0.0.0.0/0") }, []string{"interface p", "0.0.0.0/0", "unspecified"}},
	{"an IPv6 address where the test has switched IPv6 off", func(_ *harness.Lab, a, _ *harness.Node) {
		a.SetSysctl("net.ipv6.conf.all.disable_ipv6", 1)
		a.AddAddress("veth0", "fd09::1/64")
	}, []string{"fd09::1/64 to veth0", "switched off", "net.ipv6.conf.veth0.disable_ipv6"}},
	{"an address twice", func(_ *harness.Lab, a, _ *harness.Node) { a.AddAddress("veth0", "192.168.0.1/24") }, []string{"192.168.0.1/24", "veth0", "already"}},
	{"an address removed that is not there", func(_ *harness.Lab, a, _ *harness.Node) { a.DelAddress("veth0", "10.9.9.9/24") }, []string{"10.9.9.9/24", "does not have it"}},
	{"an address for an interface that is not there", func(_ *harness.Lab, a, _ *harness.Node) { a.AddAddress("eth7", "10.0.0.1/24") }, []string{"eth7", "no such interface", "lo, veth0"}},
	{"a port connected twice", func(lab *harness.Lab, a, b *harness.Node) {
		p := a.Port("p")
		lab.Connect(p, b.Port("q"))
		lab.Connect(p, b.Port("r"))
	}, []string{"a:p", "connected to b:q already"}},
	{"a port connected to itself", func(lab *harness.Lab, a, _ *harness.Node) { p := a.Port("p"); lab.Connect(p, p) }, []string{"a:p", "itself"}},
	{"no port", func(lab *harness.Lab, a, _ *harness.Node) { lab.Connect(a.Port("p"), nil) }, []string{"nil"}},
	{"a port never connected", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("p") }, []string{"a:p", "never connected"}},
	{"a port used before it is connected", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("p").Up() }, []string{"interface p", "before it is connected", "Lab.Connect"}},
	{"an MTU too small", func(lab *harness.Lab, a, b *harness.Node) { lab.Connect(a.Port("p"), b.Port("q"), harness.MTU(60)) }, []string{"60 bytes", "68"}},
	{"an MTU too small for IPv6", func(lab *harness.Lab, a, b *harness.Node) {
		lab.Connect(a.Port("p", "fd01::1/64"), b.Port("q"), harness.MTU(1000))
	}, []string{"1000 bytes", "1280", "RFC 8200"}},
	{"an IPv6 address on a link too narrow for IPv6", func(lab *harness.Lab, a, b *harness.Node) {
		lab.Connect(a.Port("p"), b.Port("q"), harness.MTU(1000))
		a.AddAddress("p", "fd01::1/64")
	}, []string{"fd01::1/64 to p", "MTU of 1000 bytes", "1280", "RFC 8200"}},
	{"an IPv6 address on a bridge too narrow for IPv6", func(lab *harness.Lab, a, b *harness.Node) {
		a.Bridge("br0", harness.BridgeMTU(1000), harness.Address("fd01::1/64"))
	}, []string{"fd01::1/64 to br0", "MTU of 1000 bytes", "1280", "RFC 8200"}},
	{"an IPv6 neighbour on a link too narrow for IPv6", func(lab *harness.Lab, a, b *harness.Node) {
		lab.Connect(a.Port("p"), b.Port("q"), harness.MTU(1000))
		a.AddNeighbor("p", "fd01::1", net.HardwareAddr{2, 0, 0, 0, 0, 9})
	}, []string{"fd01::1", "on p", "MTU of 1000 bytes", "1280"}},
	{"a hardware address that is none", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("p").SetMAC("02:00") }, []string{`"02:00"`}},
	{"a multicast hardware address", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("p").SetMAC("01:00:00:00:00:01") }, []string{"interface p", "01:00:00:00:00:01", "multicast"}},
	{"a hardware address of zeros", func(_ *harness.Lab, a, _ *harness.Node) { a.Port("p").SetMAC("00:00:00:00:00:00") }, []string{"interface p", "00:00:00:00:00:00"}},
	{"a gateway that is not on link", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("10.0.0.0/8", "192.168.9.1") }, []string{"10.0.0.0/8 via 192.168.9.1", "not on link", "192.168.0.1/24 on veth0"}},
	{"an IPv6 gateway that is not on link", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("fd09::/64", "fd07::1") }, []string{"fd09::/64 via fd07::1", "not on link"}},
	{"an IPv4 gateway written as IPv6", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("default", "::ffff:192.168.0.2") }, []string{"default via ::ffff:192.168.0.2", "write it as 192.168.0.2"}},
	{"a gateway with a zone", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("fd09::/64", "fe80::1%veth0") }, []string{"fd09::/64 via fe80::1%veth0", `"fe80::1" with harness.Device("veth0")`}},
	{"a gateway of nobody", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("10.0.0.0/8", "0.0.0.0") }, []string{"the gateway 0.0.0.0", "harness.Device"}},
	{"an IPv4 gateway of an IPv6 route", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("fd09::/64", "192.168.0.2") }, []string{"fd09::/64 via 192.168.0.2", "IPv4 gateway"}},
	{"a gateway that is the node itself", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("fd09::/64", "fd00::1") }, []string{"fd09::/64 via fd00::1", "the node's own address"}},
	{"a gateway on a link that is not named", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("10.0.0.0/8", "10.1.1.1", harness.OnLink()) }, []string{"10.0.0.0/8 via 10.1.1.1", "OnLink needs harness.Device"}},
	{"a blackhole with a gateway", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoute("10.0.0.0/8", "192.168.0.2", harness.RouteType("blackhole"))
	}, []string{"10.0.0.0/8 via 192.168.0.2", "neither gateway nor device"}},
	{"a preferred source of another", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoute("10.0.0.0/8", "192.168.0.2", harness.PreferredSource("9.9.9.9"))
	}, []string{"10.0.0.0/8 via 192.168.0.2", "the preferred source 9.9.9.9 is not an address of the node", "192.168.0.1/24 on veth0"}},
	{"a preferred source of the other family", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoute("10.0.0.0/8", "192.168.0.2", harness.PreferredSource("fd00::1"))
	}, []string{"10.0.0.0/8 via 192.168.0.2", "fd00::1", "family"}},
	{"a gateway that is no address", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("10.0.0.0/8", "b") }, []string{`"b" is not an IP address`}},
	{"a destination with host bits", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("10.0.0.1/8", "192.168.0.2") }, []string{"10.0.0.1/8", "10.0.0.0/8"}},
	{"a route without gateway and device", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("10.0.0.0/8", "") }, []string{"gateway", "harness.Device"}},
	{"a route to be tried without gateway and device", func(_ *harness.Lab, a, _ *harness.Node) { _ = a.TryAddRoute("10.0.0.0/8", "") }, []string{"gateway", "harness.Device"}},
	{"a route through an interface that is not there", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("10.0.0.0/8", "", harness.Device("eth7")) }, []string{"eth7", "no such interface"}},
	{"a route twice", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoute("10.0.0.0/8", "192.168.0.2")
		a.AddRoute("10.0.0.0/8", "192.168.0.2")
	}, []string{"10.0.0.0/8 via 192.168.0.2", "already"}},
	{"a route removed that is not there", func(_ *harness.Lab, a, _ *harness.Node) { a.DelRoute("10.0.0.0/8", "") }, []string{"10.0.0.0/8"}},
	{"a route type that is none", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("10.0.0.0/8", "", harness.RouteType("loop")) }, []string{`"loop"`, "blackhole"}},
	{"an unknown sysctl", func(_ *harness.Lab, a, _ *harness.Node) { a.SetSysctl("net.ipv4.nonsense", 1) }, []string{"net.ipv4.nonsense", "no such sysctl"}},
	{"a sysctl of the machine", func(_ *harness.Lab, a, _ *harness.Node) { a.SetSysctl("kernel.hostname", "x") }, []string{"kernel.hostname", "below net."}},
	{"a sysctl that leads out", func(_ *harness.Lab, a, _ *harness.Node) { a.SetSysctl("net/../kernel/hostname", "x") }, []string{"below net."}},
	{"a sysctl with a dot too many", func(_ *harness.Lab, a, _ *harness.Node) { a.SetSysctl("net.ipv4.ip_forward.", 1) }, []string{`"net.ipv4.ip_forward."`, "a dot or a slash too many"}},
	{"a sysctl with an empty part", func(_ *harness.Lab, a, _ *harness.Node) { a.Sysctl("net..ipv4.ip_forward") }, []string{`"net..ipv4.ip_forward"`, "a dot or a slash too many"}},
	{"a sysctl that can only be written", func(_ *harness.Lab, a, _ *harness.Node) { a.Sysctl("net.ipv4.route.flush") }, []string{"net.ipv4.route.flush", "can only be written"}},
	{"a folder of sysctls read", func(_ *harness.Lab, a, _ *harness.Node) { a.Sysctl("net.ipv4") }, []string{"net.ipv4", "holds sysctls"}},
	{"a folder of sysctls set", func(_ *harness.Lab, a, _ *harness.Node) { a.SetSysctl("net.ipv4", 1) }, []string{"net.ipv4", "holds sysctls"}},
	{"a sysctl's value that is none", func(_ *harness.Lab, a, _ *harness.Node) { a.SetSysctl("net.ipv4.ip_default_ttl", "many") }, []string{"net.ipv4.ip_default_ttl", `"many"`, "does not take this value"}},
	{"a bridge's name twice", func(_ *harness.Lab, a, _ *harness.Node) { a.Bridge("veth0") }, []string{`"veth0" already`}},
	{"a bridge's address without prefix", func(_ *harness.Lab, a, _ *harness.Node) { a.Bridge("br0", harness.Address("10.0.0.1")) }, []string{"bridge br0", "10.0.0.1/24"}},
	{"a forward delay that the kernel refuses", func(_ *harness.Lab, a, _ *harness.Node) { a.Bridge("br0", harness.STP(time.Second)) }, []string{"1s", "2s and 30s"}},
	{"masquerade out of an interface that is not there", func(_ *harness.Lab, a, _ *harness.Node) { a.Masquerade(harness.NAT{Out: "eth7"}) }, []string{`"eth7"`, "could never match", "veth0"}},
	{"masquerade to an address", func(_ *harness.Lab, a, _ *harness.Node) { a.Masquerade(harness.NAT{To: "10.0.0.1"}) }, []string{"10.0.0.1", "SNAT"}},
	{"masquerade of a source that is none", func(_ *harness.Lab, a, _ *harness.Node) { a.Masquerade(harness.NAT{Source: "lan"}) }, []string{`"lan"`}},
	{"SNAT without an address", func(_ *harness.Lab, a, _ *harness.Node) { a.SNAT(harness.NAT{Out: "veth0"}) }, []string{"the new source"}},
	{"a port forward without a port", func(_ *harness.Lab, a, _ *harness.Node) { a.PortForward(harness.Forward{To: "10.0.0.1:80"}) }, []string{"Port is 0"}},
	{"a port forward to nowhere", func(_ *harness.Lab, a, _ *harness.Node) { a.PortForward(harness.Forward{Port: 80}) }, []string{"field To is empty"}},
	{"a port forward of two families", func(_ *harness.Lab, a, _ *harness.Node) {
		a.PortForward(harness.Forward{Port: 80, Destination: "192.168.0.1", To: "[fd00::1]:80"})
	}, []string{"mixes IPv4 and IPv6"}},
	{"a policy that is none", func(_ *harness.Lab, a, _ *harness.Node) { a.ForwardPolicy("reject") }, []string{`"reject"`, "accept or drop"}},
	{"a hook without a policy", func(_ *harness.Lab, a, _ *harness.Node) { a.Policy(harness.Prerouting, "drop") }, []string{"prerouting", "no policy"}},
	{"a relay of another network's target", func(_ *harness.Lab, a, _ *harness.Node) { a.Relay("tcp4", ":22", "[fd00::2]:22") }, []string{"node a", "tcp4 :22 to [fd00::2]:22", "not of the network"}},
	{"a relay of two networks", func(_ *harness.Lab, a, _ *harness.Node) { a.Relay("tcp46", ":22", "192.168.0.2:22") }, []string{"node a", "tcp46", "not tcp"}},
	{"an option of a node that is nil", func(lab *harness.Lab, _, _ *harness.Node) { lab.Node("c", harness.IPv6(), nil) }, []string{"node c", "option 2 is nil"}},
	{"an option of a bridge that is nil", func(_ *harness.Lab, a, _ *harness.Node) { a.Bridge("br0", nil) }, []string{"node a", "bridge br0", "option 1 is nil"}},
	{"an option of a cable that is nil", func(lab *harness.Lab, a, b *harness.Node) { lab.Connect(a.Port("p"), b.Port("q"), nil) }, []string{"connect", "option 1 of the cable is nil"}},
	{"an option of a route that is nil", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("10.0.0.0/8", "192.168.0.2", nil) }, []string{"10.0.0.0/8 via 192.168.0.2", "option 1 is nil"}},
	{"the number of a namespace of another lab", func(lab *harness.Lab, a, _ *harness.Node) { a.NetnsID(harness.New(lab).Node("c")) }, []string{"node a", "node c", "another lab"}},
	{"a program without a name", func(lab *harness.Lab, _, _ *harness.Node) { harness.RequireProgram(lab, "") }, []string{"program", "empty"}},
	{"an answer that is none", func(_ *harness.Lab, a, _ *harness.Node) { a.Reject(harness.Filter{}, "shout") }, []string{`"shout"`}},
	{"a filter's port without a protocol", func(_ *harness.Lab, a, _ *harness.Node) { a.Drop(harness.Filter{Port: 80}) }, []string{"80"}},
	{"a server of no network", func(_ *harness.Lab, a, _ *harness.Node) { a.Serve("icmp", ":1") }, []string{"icmp"}},
	{"a server at an address of another", func(_ *harness.Lab, a, _ *harness.Node) { a.Serve("tcp", "10.9.9.9:80") }, []string{"node a", "10.9.9.9:80", "cannot assign requested address"}},
	{"a relay of no network", func(_ *harness.Lab, a, _ *harness.Node) { a.Relay("udp", ":53", "192.168.0.2:53") }, []string{"node a", "udp", "not tcp"}},
	{"a relay to no port", func(_ *harness.Lab, a, _ *harness.Node) { a.Relay("tcp", ":22", "192.168.0.2") }, []string{"node a", `"192.168.0.2"`, "192.168.1.2:22"}},
	{"a relay at an address of another", func(_ *harness.Lab, a, _ *harness.Node) { a.Relay("tcp", "10.9.9.9:22", "192.168.0.2:22") }, []string{"node a", "10.9.9.9:22", "cannot assign requested address"}},
	{"a name server that is none", func(_ *harness.Lab, a, _ *harness.Node) { a.UseResolver("dns") }, []string{`"dns"`}},
	{"an interface asked for that is not there", func(_ *harness.Lab, a, _ *harness.Node) { a.MAC("eth7") }, []string{"eth7", "lo, veth0"}},
	{"a missing program", func(_ *harness.Lab, a, _ *harness.Node) { a.Run("no-such-program") }, []string{"no-such-program", "node a", "install the Debian package"}},
	{"a program that fails", func(_ *harness.Lab, a, _ *harness.Node) { a.Run("sh", "-c", "echo reason >&2; exit 3") }, []string{"exit status 3", "reason"}},
	{"a neighbour that is no address", func(_ *harness.Lab, a, _ *harness.Node) { a.AddNeighbor("veth0", "b", nil) }, []string{`"b"`}},
	{"a rule whose protocol contradicts its address", func(_ *harness.Lab, a, _ *harness.Node) {
		a.Drop(harness.Filter{Hook: harness.Input, Protocol: "icmp", Source: "fd00::1"})
	}, []string{"icmp", "could never match"}},
	{"a rule's counter after its end", func(_ *harness.Lab, a, _ *harness.Node) {
		r := a.Count(harness.Filter{Hook: harness.Input, Source: "192.168.0.2"})
		r.Remove()
		r.Packets()
	}, []string{"it has been removed"}},
	{"counters of two nodes at a time", func(_ *harness.Lab, a, b *harness.Node) {
		harness.Counts(a.Count(harness.Filter{Hook: harness.Input}), b.Count(harness.Filter{Hook: harness.Input, Source: "192.168.0.1"}))
	}, []string{"-s 192.168.0.1/32", "a rule of node b", "one node at a time"}},
	{"a move to where it is", func(_ *harness.Lab, a, b *harness.Node) {
		p := a.Port("p")
		a.Lab().Connect(p, b.Port("q"))
		_ = p.Move(a)
	}, []string{"interface p", "there already"}},
	{"the number of no node's namespace", func(_ *harness.Lab, a, _ *harness.Node) { a.NetnsID(nil) }, []string{"node a", "nil"}},
	{"a bridge's MTU below zero", func(_ *harness.Lab, a, _ *harness.Node) { a.Bridge("br0", harness.BridgeMTU(-1)) }, []string{"MTU of -1"}},
	{"an ageing time that the kernel can't count", func(_ *harness.Lab, a, _ *harness.Node) { a.Bridge("br0", harness.Ageing(time.Millisecond)) }, []string{"1ms", "10ms"}},
	{"an ageing time below zero", func(_ *harness.Lab, a, _ *harness.Node) { a.Bridge("br0").SetAgeing(-time.Second) }, []string{"bridge br0", "-1s", "10ms"}},
	{"the ageing of no hardware address", func(_ *harness.Lab, a, _ *harness.Node) { a.Bridge("br0").AwaitForgotten(nil) }, []string{"bridge br0", "no hardware address"}},
	{"the learning of what is no bridge's port", func(_ *harness.Lab, a, b *harness.Node) {
		p := a.Port("p")
		a.Lab().Connect(p, b.Port("q"))
		p.SetLearning(false)
	}, []string{"interface p", "not a port of a bridge"}},
	{"the hairpin mode of what is no bridge's port", func(lab *harness.Lab, a, b *harness.Node) {
		p := a.Port("p")
		lab.Connect(p, b.Port("q"))
		p.SetHairpin(true)
	}, []string{"interface p", "not a port of a bridge"}},
	{"a tracked connection of no protocol", func(_ *harness.Lab, a, _ *harness.Node) { a.Tracked("gre", harness.Tuple{}) }, []string{`"gre"`, "icmpv6"}},
	{"a bridge's multicast hardware address", func(_ *harness.Lab, a, _ *harness.Node) { a.Bridge("br0", harness.BridgeMAC("01:00:00:00:00:01")) }, []string{"01:00:00:00:00:01"}},
	{"a metric below zero", func(_ *harness.Lab, a, _ *harness.Node) { a.AddRoute("10.0.0.0/8", "192.168.0.2", harness.Metric(-1)) }, []string{"metric of -1"}},
	{"a metric of 33 bits", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoute("10.0.0.0/8", "192.168.0.2", harness.Metric(1<<32))
	}, []string{"10.0.0.0/8 via 192.168.0.2", "metric of 4294967296", "0 and 4294967295"}},
	{"a table of 33 bits", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoute("10.0.0.0/8", "192.168.0.2", harness.Table(1<<32+7))
	}, []string{"table of 4294967303", "1 and 4294967295"}},
	{"a route's MTU that the kernel would cut", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoute("10.0.0.0/8", "192.168.0.2", harness.RouteMTU(65521))
	}, []string{"MTU of 65521", "68 and 65520"}},
	{"a neighbour without hardware address", func(_ *harness.Lab, a, _ *harness.Node) { a.AddNeighbor("veth0", "192.168.0.9", nil) }, []string{"192.168.0.9", "no hardware address"}},
	{"nodes' names without a number", func(lab *harness.Lab, _, _ *harness.Node) { lab.Nodes("ns", 2) }, []string{`"ns"`, "ns%d"}},
	{"an MTU of zero", func(lab *harness.Lab, a, b *harness.Node) { lab.Connect(a.Port("p"), b.Port("q"), harness.MTU(0)) }, []string{"MTU of 0"}},
	{"a routing rule without a priority", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoutingRule(harness.RoutingRule{From: "10.0.0.1", Table: 100})
	}, []string{"node a", "from 10.0.0.1 lookup 100", "priority"}},
	{"a routing rule without a table", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoutingRule(harness.RoutingRule{Priority: 1, From: "10.0.0.1"})
	}, []string{"needs a table", "254"}},
	{"a routing rule that refuses and looks up", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoutingRule(harness.RoutingRule{Priority: 1, Table: 100, Type: "prohibit"})
	}, []string{"prohibit", "looks up no table"}},
	{"a routing rule of no type", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoutingRule(harness.RoutingRule{Priority: 1, Type: "goto"})
	}, []string{`"goto"`, "blackhole, unreachable or prohibit"}},
	{"a routing rule of two families", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoutingRule(harness.RoutingRule{Priority: 1, Table: 100, From: "10.0.0.1", To: "fd00::/8"})
	}, []string{"mixes IPv4 and IPv6"}},
	{"a routing rule about an interface that is not there", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoutingRule(harness.RoutingRule{Priority: 1, Table: 100, In: "eth7"})
	}, []string{`"eth7"`, "could never match", "veth0"}},
	{"a routing rule that can match nothing", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoutingRule(harness.RoutingRule{Priority: 1, Table: 100, Not: true})
	}, []string{"could never match"}},
	{"a routing rule twice", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoutingRule(harness.RoutingRule{Priority: 1, From: "10.0.0.1", Table: 100})
		a.AddRoutingRule(harness.RoutingRule{Priority: 1, From: "10.0.0.1", Table: 100})
	}, []string{"1: from 10.0.0.1 lookup 100", "already"}},
	{"a routing rule removed that is not there", func(_ *harness.Lab, a, _ *harness.Node) {
		a.DelRoutingRule(harness.RoutingRule{Priority: 7, From: "10.0.0.1", Table: 100})
	}, []string{"no such rule", "32766: from all lookup 254"}},
	{"a hop that is not on link", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoute("10.0.0.0/8", "", harness.Hop("10.9.9.9", "", 1), harness.Hop("192.168.0.2", "", 1))
	}, []string{"add the route 10.0.0.0/8", "not on link", "192.168.0.1/24"}},
	{"a hop of no weight", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoute("10.0.0.0/8", "", harness.Hop("192.168.0.2", "", 0))
	}, []string{"weight of 0", "1 and 256"}},
	{"a hop of another family", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoute("10.0.0.0/8", "", harness.Hop("fd00::2", "", 1))
	}, []string{"fd00::2", "not of the family"}},
	{"hops and a gateway", func(_ *harness.Lab, a, _ *harness.Node) {
		a.AddRoute("10.0.0.0/8", "192.168.0.2", harness.Hop("192.168.0.2", "", 1))
	}, []string{"harness.Hop", "neither gateway nor device"}},
	{"a VLAN of a bridge that knows none", func(lab *harness.Lab, a, b *harness.Node) {
		p := a.Bridge("br0").Port("p")
		lab.Connect(p, b.Port("q"))
		p.AddVLAN(10)
	}, []string{"interface p", "bridge br0", "VLANFiltering"}},
	{"a VLAN of what is no bridge's port", func(lab *harness.Lab, a, b *harness.Node) {
		p := a.Port("p")
		lab.Connect(p, b.Port("q"))
		p.AddVLAN(10)
	}, []string{"interface p", "not a port of a bridge"}},
	{"a VLAN that is none", func(_ *harness.Lab, a, _ *harness.Node) { a.VLAN("veth0.4095", "veth0", 4095) }, []string{"4095", "1 and 4094"}},
	{"a VLAN of itself", func(_ *harness.Lab, a, _ *harness.Node) { a.VLAN("veth0", "veth0", 5) }, []string{"VLAN of itself"}},
	{"a VLAN on an interface that is not there", func(_ *harness.Lab, a, _ *harness.Node) { a.VLAN("eth7.5", "eth7", 5) }, []string{"eth7", "lo, veth0"}},
	{"a tunnel whose identifier has 25 bits", func(_ *harness.Lab, a, _ *harness.Node) { a.VXLAN("vxlan0", 1<<24) }, []string{"tunnel vxlan0", "16777216"}},
	{"a tunnel of two families", func(_ *harness.Lab, a, _ *harness.Node) {
		a.VXLAN("vxlan0", 1, harness.VXLANLocal("192.168.0.1"), harness.VXLANRemote("fd00::2"))
	}, []string{"tunnel vxlan0", "mixes IPv4 and IPv6"}},
	{"a tunnel's end that is a group", func(_ *harness.Lab, a, _ *harness.Node) {
		a.VXLAN("vxlan0", 1, harness.VXLANRemote("239.0.0.1"))
	}, []string{"239.0.0.1"}},
	{"a tunnel's port that is none", func(_ *harness.Lab, a, _ *harness.Node) {
		a.VXLAN("vxlan0", 1, harness.VXLANPort(65536))
	}, []string{"UDP port of 65536"}},
	{"an option of a tunnel that is nil", func(_ *harness.Lab, a, _ *harness.Node) { a.VXLAN("vxlan0", 1, nil) }, []string{"tunnel vxlan0", "option 1 is nil"}},
	{"a frame without a header", func(_ *harness.Lab, a, b *harness.Node) {
		p := a.Port("p")
		a.Lab().Connect(p, b.Port("q"))
		p.Inject([]byte{1, 2, 3})
	}, []string{"interface p", "frame 1 of 1 (3 bytes)"}},
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	for _, c := range badInput {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := try.Run("bad", func(tb testing.TB) {
				lab, a, b, _ := pair(tb)
				c.do(lab, a, b)
			})
			require.True(t, r.Failed, "it must fail")
			require.Nil(t, r.Panic, r.Stack)
			require.NotEmpty(t, r.Lines)
			for _, part := range c.says {
				assert.Contains(t, r.Lines[0].Text, part)
			}
			assert.Equal(t, "badinput_test.go", r.Lines[0].File, "the line is the caller's: %s", r.Log())
		})
	}
}

// A caller that nobody can be is an error, not a panic.
func TestWaitPeerBelowZero(t *testing.T) {
	t.Parallel()
	_, a, _, _ := pair(t)
	_, err := a.Serve("tcp", ":80").WaitPeer(t.Context(), -1)
	require.ErrorContains(t, err, "no caller number -1: they are counted from 0")
}

// An unknown backend, an unknown timer profile and an option that is none are
// refused before anything is made.
func TestBadOptions(t *testing.T) {
	for says, option := range map[string]harness.Option{
		`backend "ipfw" is unknown: use one of nftables, iptables, iptables-legacy`: harness.WithBackend("ipfw"),
		`timer profile "slow" is unknown`:                                           harness.WithTimers("slow"),
		"option 1 of the lab is nil":                                                nil,
	} {
		r := try.Run("bad", func(tb testing.TB) { harness.New(tb, option) })
		require.True(t, r.Failed)
		assert.Contains(t, r.Log(), says)
		assert.Contains(t, r.Log(), "badinput_test.go:")
	}
}
