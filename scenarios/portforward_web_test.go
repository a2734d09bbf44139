package scenarios

import (
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"

	"github.com/netrig/netrig/assert"
	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/harness"
	"github.com/stretchr/testify/require"
)

// TestPortForwardWeb: a web server in a namespace, whose page another machine of
// the LAN gets by the host's port 8088. The rule is not for those on the bridge
// (`! -i br0`), nor for the host (PREROUTING sees what comes in). Network 18 in
// the README's table.
//
//	client eth0 --- eth0 host | br0 | veth1 --- eth0 web
//	                          |     | veth2 --- eth0 ns2
func TestPortForwardWeb(t *testing.T) { onEachBackend(t, portForwardWeb) }

func portForwardWeb(t testing.TB, f family, backend string) *harness.Lab {
	lab := harness.New(t, harness.WithBackend(backend))
	client, host, web, ns2 := lab.Node("client"), lab.Node("host"), lab.Node("web"), lab.Node("ns2")
	br0 := host.Bridge("br0", harness.Address(f.with(1, 254)))
	lab.Connect(web.Port("eth0", f.with(1, 1)), br0.Port("veth1"))
	lab.Connect(ns2.Port("eth0", f.with(1, 2)), br0.Port("veth2"))
	lab.Connect(client.Port("eth0", f.with(9, 2)), host.Port("eth0", f.with(9, 1)))
	web.AddDefaultRoute(f.addr(1, 254))
	ns2.AddDefaultRoute(f.addr(1, 254))
	host.EnableForwarding()
	serveVisitors(lab, web)
	page := "http://" + at(f, 9, 1, 8088).String() + "/"

	// Before: the server is there for its own subnet only.
	_, err := get(client, page)
	require.ErrorIs(lab, err, syscall.ECONNREFUSED)
	assert.Unreachable(t, client, f.tcp(1, 1, 80), assert.NoRoute)
	visitor, err := get(ns2, "http://"+at(f, 1, 1, 80).String()+"/")
	require.NoError(lab, err)
	require.Contains(lab, visitor, f.addr(1, 2))

	rule := host.PortForward(harness.Forward{Port: 8088, In: "br0", NotIn: true, To: at(f, 1, 1, 80).String()})
	visit := lab.Record(func() { visitor, err = get(client, page) })
	require.NoError(lab, err)
	first := assert.Seen(t, visit, capture.Match{Node: "client", Direction: capture.Out, TCPFlags: capture.SYN})
	require.Equal(lab, at(f, 9, 2, first.SrcPort).String(), visitor, "the server sees the client's own address")
	assert.Path(t, visit.Follow(first),
		"client:eth0 "+to(f, 9, 2, 9, 1, 8088)+" out ttl 64", "host:eth0 "+to(f, 9, 2, 9, 1, 8088)+" in ttl 64",
		"host:br0 "+to(f, 9, 2, 1, 1, 80)+" out ttl 63", "host:veth1 out ttl 63", "web:eth0 "+to(f, 9, 2, 1, 1, 80)+" in ttl 63")
	answer := assert.Seen(t, visit, capture.Match{Node: "web", Direction: capture.Out, Payload: []byte(visitor)})
	assert.Path(t, visit.Follow(answer),
		"web:eth0 "+at(f, 1, 1, 80).String()+" > "+visitor+" out ttl 64", "host:veth1 in", "host:br0 in ttl 64",
		"host:eth0 "+at(f, 9, 1, 8088).String()+" > "+visitor+" out ttl 63", "client:eth0 in ttl 63")
	require.EqualValues(lab, 1, rule.Packets())
	assert.Neighbor(t, client, f.addr(9, 1), host.MAC("eth0"))
	assert.NoNeighbor(t, client, f.addr(1, 1))

	// From inside the bridge, and from the host, the port is the host's own.
	for _, n := range []*harness.Node{ns2, web, host} {
		_, err := get(n, page)
		require.ErrorIs(lab, err, syscall.ECONNREFUSED, n.Name())
	}
	inside := assert.Unreachable(t, ns2, f.tcp(9, 1, 8088), assert.Reset.By("host"))
	assert.Path(t, inside.Request, "ns2:eth0 out", "host:veth2 in", "host:br0 "+to(f, 1, 2, 9, 1, 8088)+" in ttl 64")
	assert.NotSeen(t, inside.Window, capture.Match{Node: "web"})
	require.EqualValues(lab, 1, rule.Packets())
	return lab
}

// serveVisitors runs a web server at port 80 of a node, whose only page is the
// visitor's address as the server sees it.
func serveVisitors(lab *harness.Lab, n *harness.Node) {
	lab.Helper()
	l, err := n.Listen("tcp", ":80")
	require.NoError(lab, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) })}
	go func() { _ = server.Serve(l) }() // until the lab closes the listener
	lab.Cleanup(func() { server.Close() })
}

// get is the page that a node gets from a web server.
func get(from *harness.Node, url string) (string, error) {
	response, err := from.HTTPClient().Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	return string(page), err
}
