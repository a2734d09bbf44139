package scenarios

import (
	"fmt"
	"net"
	"strings"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
)

// family spells the addresses of one IP version, so that a scenario is written
// once: subnet 1 is 192.168.1.0/24 or fd00:1::/64.
type family struct {
	name string
	v6   bool
}

var families = []family{{"IPv4", false}, {"IPv6", true}}

// addr is a host's address: addr(1, 2) is 192.168.1.2 or fd00:1::2. Subnets 10
// and 172 are those of two articles, 10.1.1.0/24 and 172.16.0.0/24.
func (f family) addr(subnet, host int) string {
	if f.v6 {
		return fmt.Sprintf("fd00:%d::%d", subnet, host)
	}
	return fmt.Sprintf("%s.%d", subnetIPv4(subnet), host)
}

func subnetIPv4(subnet int) string {
	switch subnet {
	case 10:
		return "10.1.1"
	case 172:
		return "172.16.0"
	}
	return fmt.Sprintf("192.168.%d", subnet)
}

// with is a host's address with its prefix length, as a port takes it.
func (f family) with(subnet, host int) string {
	return fmt.Sprintf("%s/%d", f.addr(subnet, host), f.bits())
}

// alone is a host's address as an interface takes it that no subnet is on.
func (f family) alone(subnet, host int) string {
	return f.addr(subnet, host) + f.either("/32", "/128")
}

// net is a subnet's prefix: net(1) is 192.168.1.0/24 or fd00:1::/64.
func (f family) net(subnet int) string {
	if f.v6 {
		return fmt.Sprintf("fd00:%d::/64", subnet)
	}
	return subnetIPv4(subnet) + ".0/24"
}

func (f family) bits() int {
	if f.v6 {
		return 64
	}
	return 24
}

// either is what the two families spell differently: either("127.0.0.1", "::1").
func (f family) either(v4, v6 string) string {
	if f.v6 {
		return v6
	}
	return v4
}

// tcp is the target of a TCP connection.
func (f family) tcp(subnet, host, port int) string {
	return "tcp:" + net.JoinHostPort(f.addr(subnet, host), fmt.Sprint(port))
}

// resolution are the two kinds of packet by which a neighbour is asked for and
// answers.
func (f family) resolution() (request, reply capture.Kind) {
	if f.v6 {
		return capture.NeighborSolicitation, capture.NeighborAdvertisement
	}
	return capture.ARPRequest, capture.ARPReply
}

// hop writes a line of assert.Path with a host's addresses.
func (f family) hop(where, from, to, rest string) string {
	return fmt.Sprintf("%s %s > %s %s", where, from, to, rest)
}

// other is the other family.
func (f family) other() family {
	if f.v6 {
		return families[0]
	}
	return families[1]
}

// counter is the family's SNMP counter for what IPv4 counts by the name given:
// counter("IpInAddrErrors") is that, or Ip6InAddrErrors.
func (f family) counter(name string) string {
	if !f.v6 {
		return name
	}
	switch name {
	case "IpForwDatagrams":
		return "Ip6OutForwDatagrams"
	case "IcmpOutEchoReps":
		return "Icmp6OutEchoReplies"
	}
	return strings.NewReplacer("Icmp", "Icmp6", "Ip", "Ip6").Replace(name)
}

// anywhere is the default route's prefix, for routes that name only a device.
func (f family) anywhere() string {
	if f.v6 {
		return "::/0"
	}
	return "0.0.0.0/0"
}

// here are the options of a node that has the family although it has no address
// of it, as any host has.
func (f family) here() []harness.NodeOption {
	if f.v6 {
		return []harness.NodeOption{harness.IPv6()}
	}
	return nil
}
