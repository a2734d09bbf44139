package harness

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
)

// UseResolver gives the node name servers: for Resolver, Dial and HTTPClient,
// and in an /etc/resolv.conf that only the node's own programs see.
func (n *Node) UseResolver(servers ...string) {
	n.lab.TB.Helper()
	for _, s := range servers {
		_, err := parseAddr("the name server", s)
		n.must(err, "use a resolver")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.resolvers = servers
	if n.mounts == nil {
		return // it is written when the first program is started
	}
	file := filepath.Join(n.mounts.folder, "resolv.conf")
	if _, err := os.Stat(file); err != nil {
		// The mount namespace was made without it: the next program gets a new one.
		n.mounts.close()
		n.mounts = nil
		return
	}
	n.must(os.WriteFile(file, resolvConf(servers), 0o644), "write its resolv.conf")
}

// Resolver looks names up from inside the node, by asking the servers of
// UseResolver. Without any, every look-up that needs one fails.
func (n *Node) Resolver() *net.Resolver {
	var asked atomic.Uint32 // package net asks for both families at once
	return &net.Resolver{
		PreferGo: true, // the C library's would ask from its own thread
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			n.mu.Lock()
			servers := n.resolvers
			n.mu.Unlock()
			if len(servers) == 0 {
				return nil, fmt.Errorf("node %s has no name server: call UseResolver", n.name)
			}
			server := netip.MustParseAddr(servers[int(asked.Add(1)-1)%len(servers)])
			var conn net.Conn
			err := n.space.Do(func() (err error) {
				conn, err = (&net.Dialer{}).DialContext(ctx, network, netip.AddrPortFrom(server, 53).String())
				return err
			})
			return conn, err
		},
	}
}
