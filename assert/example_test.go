package assert_test

import (
	"fmt"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
)

// A router that does not forward swallows the request in silence, which is
// proven without waiting for a time-out.
func ExampleUnreachable() {
	err := harness.Try("silence", func(t testing.TB) {
		client, router, _ := chain(t)
		router.DisableForwarding()
		e := assert.Unreachable(t, client, "10.0.2.2", assert.Silence)
		fmt.Println("last seen at", e.Request.Last().Where())

		e = assert.Unreachable(t, client, "10.0.1.77", assert.HostUnreachable.By("client"))
		fmt.Println(e.Cause.Kind)
	})
	fmt.Println(err)
	// Output:
	// last seen at router:left
	// host unreachable
	// <nil>
}

func ExamplePath() {
	err := harness.Try("path", func(t testing.TB) {
		client, _, _ := chain(t)
		echo := assert.Reachable(t, client, "10.0.2.2")
		assert.Path(t, echo.Request,
			"client:eth0   10.0.1.2 > 10.0.2.2  out ttl 64",
			"router:left   in  ttl 64",
			"router:right  out ttl 63",
			"server:eth0   in  ttl 63")
	})
	fmt.Println(err)
	// Output: <nil>
}

func ExamplePackets() {
	err := harness.Try("packets", func(t testing.TB) {
		client, router, _ := chain(t)
		assert.Reachable(t, client, "10.0.1.1") // the neighbours know each other now
		w := client.Lab().Record(func() { assert.Reachable(t, client, "10.0.1.1") })
		assert.Packets(t, w,
			capture.Match{Node: "client", Direction: capture.Out, Kind: capture.EchoRequest, DstMAC: router.MAC("left")},
			capture.Match{Node: "router", Direction: capture.In, Kind: capture.EchoRequest},
			capture.Match{Node: "router", Direction: capture.Out, Kind: capture.EchoReply, TTL: 64},
			capture.Match{Node: "client", Direction: capture.In, Kind: capture.EchoReply})
	})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleMatrix() {
	err := harness.Try("matrix", func(t testing.TB) {
		client, router, server := chain(t)
		router.Drop(harness.Filter{In: "left", Out: "right"})
		assert.Matrix(t, []*harness.Node{client, router, server}, func(from, to *harness.Node) assert.Cause {
			if from != router && to != router {
				return assert.Silence // in both directions: the answer to the server is dropped too
			}
			return assert.Reached
		})
	})
	fmt.Println(err)
	// Output: <nil>
}
