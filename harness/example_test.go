package harness_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/harness"
)

// In a test, t is the *testing.T; an example has none, so it borrows one.
func Example() {
	err := harness.Try("router", func(t testing.TB) {
		lab := harness.New(t)
		ns0, router, ns1 := lab.Node("ns0"), lab.Node("router"), lab.Node("ns1")
		lab.Connect(ns0.Port("veth0", "192.168.0.2/24"), router.Port("veth1", "192.168.0.1/24"))
		lab.Connect(ns1.Port("veth2", "192.168.1.2/24"), router.Port("veth3", "192.168.1.1/24"))
		router.EnableForwarding()
		ns0.AddDefaultRoute("192.168.0.1")
		ns1.AddDefaultRoute("192.168.1.1")

		echo := assert.Reachable(t, ns0, "192.168.1.2")
		fmt.Println("ttl", echo.TTL)
		for _, p := range echo.Request.Hops {
			fmt.Println(p.Where(), "ttl", p.TTL)
		}
	})
	fmt.Println(err)
	// Output:
	// ttl 63
	// ns0:veth0 ttl 64
	// router:veth1 ttl 64
	// router:veth3 ttl 63
	// ns1:veth2 ttl 63
	// <nil>
}

func ExampleNode_Masquerade() {
	err := harness.Try("masquerade", func(t testing.TB) {
		lab := harness.New(t)
		client, gateway, server := lab.Node("client"), lab.Node("gateway"), lab.Node("server")
		lab.Connect(client.Port("eth0", "10.0.0.2/24"), gateway.Port("eth1", "10.0.0.1/24"))
		lab.Connect(gateway.Port("eth0", "203.0.113.1/24"), server.Port("eth0", "203.0.113.9/24"))
		client.AddDefaultRoute("10.0.0.1")
		gateway.EnableForwarding()
		rule := gateway.Masquerade(harness.NAT{Source: "10.0.0.0/24", Out: "eth0"})
		server.Serve("tcp", ":80")

		e := assert.Reachable(t, client, "tcp:203.0.113.9:80")
		fmt.Println("the server saw", e.ServerSaw.Addr())
		fmt.Println(rule, "counted", rule.Packets())
	})
	fmt.Println(err)
	// Output:
	// the server saw 203.0.113.1
	// -t nat -A POSTROUTING -s 10.0.0.0/24 -o eth0 -j MASQUERADE counted 1
	// <nil>
}

func ExampleNode_Bridge() {
	err := harness.Try("bridge", func(t testing.TB) {
		lab := harness.New(t)
		host, pods := lab.Node("host"), lab.Nodes("pod%d", 2)
		br0 := host.Bridge("br0", harness.Address("10.0.0.1/24"))
		lab.Connect(pods[0].Port("eth0", "10.0.0.11/24"), br0.Port("veth1"))
		lab.Connect(pods[1].Port("eth0", "10.0.0.12/24"), br0.Port("veth2"))

		assert.Reachable(t, pods[0], "10.0.0.12")
		for _, e := range host.ForwardingDatabase() {
			if !e.Permanent {
				fmt.Println(e.MAC, "is behind", e.Interface)
			}
		}
	})
	fmt.Println(err)
	// Unordered output:
	// 02:00:02:00:00:01 is behind veth1
	// 02:00:03:00:00:01 is behind veth2
	// <nil>
}

// Do puts the calling goroutine into a node: what it opens there belongs to
// the node.
func ExampleNode_Do() {
	err := harness.Try("do", func(t testing.TB) {
		n := harness.New(t).Node("n")
		n.AddAddress("lo", "192.0.2.1/32")
		conn, err := n.Listen("tcp", "192.0.2.1:8080")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("listening on", conn.Addr())
		fmt.Println(n.Addresses()[0] == netip.MustParseAddr("192.0.2.1"))
	})
	fmt.Println(err)
	// Output:
	// listening on 192.0.2.1:8080
	// true
	// <nil>
}

// A program in a node sees the node's interfaces, and the other nodes by name.
func ExampleNode_Command() {
	err := harness.Try("command", func(t testing.TB) {
		lab := harness.New(t)
		a, b := lab.Node("a"), lab.Node("b")
		lab.Connect(a.Port("eth0", "10.0.0.1/24"), b.Port("eth0", "10.0.0.2/24"))
		out, err := a.Command("cat", "/sys/class/net/eth0/address").Output()
		fmt.Printf("%s%v\n", out, err)
	})
	fmt.Println(err)
	// Output:
	// 02:00:01:00:00:01
	// <nil>
	// <nil>
}

// Try also shows that a test fails when it should.
func ExampleTry() {
	err := harness.Try("no cable", func(t testing.TB) {
		lab := harness.New(t)
		assert.Reachable(t, lab.Node("a"), "10.0.0.2")
	})
	fmt.Println(err != nil)
	// Output: true
}
