package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/netrig/netrig/internal/deadline"
)

// UseResolver gives the node name servers: for Resolver, Dial and HTTPClient,
// and in an /etc/resolv.conf that only the node's own programs see.
func (n *Node) UseResolver(servers ...string) {
	n.lab.TB.Helper()
	for _, s := range servers {
		_, err := parseAddr("the name server", s)
		n.must(err, "use a resolver")
	}
	n.did("%v", servers)
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

// LookupHost looks a name up from inside the node, by asking the servers of
// UseResolver, each in its turn until one has an answer, and gives up when ctx
// ends. Without any server, it fails. Dial and HTTPClient use it.
func (n *Node) LookupHost(ctx context.Context, name string) ([]string, error) {
	n.mu.Lock()
	servers := n.resolvers
	n.mu.Unlock()
	if len(servers) == 0 {
		return nil, n.noServer()
	}
	var errs []error
	for _, server := range servers {
		// Package net would ask a dead server twice for five seconds each.
		asking, cancel := context.WithTimeout(ctx, deadline.Of(serverTime))
		addrs, err := n.resolver(server).LookupHost(asking, name)
		cancel()
		var failure *net.DNSError
		if errors.As(err, &failure) {
			failure.Server = server // package net names one of the machine's
		}
		if err == nil || failure != nil && failure.IsNotFound {
			return addrs, err
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// serverTime is how long one name server may take.
const serverTime = 2 * time.Second

// Resolver is a resolver of package net that asks the first server of
// UseResolver, from inside the node. Without any, every look-up that needs one
// fails. Search domains are the machine's, so write names out.
func (n *Node) Resolver() *net.Resolver {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.resolvers) == 0 {
		return n.resolver("")
	}
	return n.resolver(n.resolvers[0])
}

func (n *Node) noServer() error {
	return fmt.Errorf("node %s has no name server: call UseResolver", n.name)
}

func (n *Node) resolver(server string) *net.Resolver {
	return &net.Resolver{
		PreferGo: true, // the C library's would ask from its own thread
		Dial: func(ctx context.Context, network, _ string) (conn net.Conn, err error) {
			if server == "" {
				return nil, n.noServer()
			}
			err = n.space.Do(func() (err error) {
				conn, err = (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(server, "53"))
				return err
			})
			if err == nil {
				// Package net looks at the end of ctx between two tries only, and would
				// sit out its own time-out of five seconds.
				context.AfterFunc(ctx, func() { conn.Close() })
			}
			return conn, err
		},
	}
}
