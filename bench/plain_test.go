package bench

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/google/gopacket/pcapgo"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// plain does the works as test helpers of network plugins do them: namespaces
// with names below /run/netns, each entered on a thread of its own, links by
// vishvananda/netlink, the programs ping and iptables for the rest.
var plain = worker{
	build: map[string]func(int) error{
		"pair":       plainPair,
		"masquerade": plainMasquerade,
		"bridge":     plainBridge,
		"chain":      plainChain,
	},
	other: map[string]func(int, int) (answer, error){
		"learned":   func(size, _ int) (answer, error) { return plainMatrix(size, false) },
		"permanent": func(size, _ int) (answer, error) { return plainMatrix(size, true) },
	},
}

// named is a namespace with a name.
type named struct {
	name   string
	handle netns.NsHandle
}

// do runs f on a thread of its own inside the namespace. The thread ends with
// it.
func (n *named) do(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(n.handle); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

func newNamed(name string) (*named, error) {
	n := &named{name: name}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		var err error
		n.handle, err = netns.NewNamed(name)
		done <- err
	}()
	return n, <-done
}

func (n *named) delete() error {
	n.handle.Close()
	return netns.DeleteNamed(n.name)
}

// network makes namespaces and takes them away again.
type plainNetwork []*named

func plainNodes(names ...string) (all plainNetwork, err error) {
	for _, name := range names {
		n, err := newNamed(name)
		if err != nil {
			return all, err
		}
		all = append(all, n)
	}
	return all, nil
}

func (all plainNetwork) delete() error {
	for _, n := range all {
		if err := n.delete(); err != nil {
			return err
		}
	}
	return nil
}

// cable makes a veth with both ends in their namespaces.
func cable(a *named, nameA string, b *named, nameB string) error {
	return a.do(func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: nameA}, PeerName: nameB, PeerNamespace: netlink.NsFd(b.handle)})
	})
}

// up gives an interface its address, if any, and sets it up.
func (n *named) up(name, address string) error {
	return n.do(func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if address != "" {
			addr, err := netlink.ParseAddr(address)
			if err != nil {
				return err
			}
			if err := netlink.AddrAdd(link, addr); err != nil {
				return err
			}
		}
		return netlink.LinkSetUp(link)
	})
}

// route adds a route; to is "" for the default.
func (n *named) route(to, via string) error {
	return n.do(func() error {
		r := &netlink.Route{Gw: net.ParseIP(via)}
		if to != "" {
			_, dst, err := net.ParseCIDR(to)
			if err != nil {
				return err
			}
			r.Dst = dst
		}
		return netlink.RouteAdd(r)
	})
}

func (n *named) forward() error {
	return n.do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644) })
}

func (n *named) run(name string, args ...string) error {
	return n.do(func() error {
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s %v: %w: %s", name, args, err, out)
		}
		return nil
	})
}

// ping counts one that is not answered (status 1 of ping(8)). Right after links
// have been set up that happens.
func (n *named) ping(to string) error {
	err := n.run("ping", "-n", "-q", "-c1", "-W5", to)
	var status *exec.ExitError
	if errors.As(err, &status) && status.ExitCode() == 1 {
		lostPings++
		return nil
	}
	return err
}

// first is the first error.
func first(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func plainPair(int) error {
	n, err := plainNodes("a", "b")
	if err != nil {
		return err
	}
	return first(
		func() error { return cable(n[0], "veth0", n[1], "veth1") },
		func() error { return n[0].up("veth0", "10.0.0.1/24") },
		func() error { return n[1].up("veth1", "10.0.0.2/24") },
		func() error { return n[0].ping("10.0.0.2") },
		n.delete,
	)
}

func plainMasquerade(int) error {
	n, err := plainNodes("client", "gateway", "server")
	if err != nil {
		return err
	}
	client, gateway, server := n[0], n[1], n[2]
	var r recorders
	return first(
		func() error { return cable(client, "veth0", gateway, "veth1") },
		func() error { return cable(server, "veth2", gateway, "veth3") },
		func() error { return client.up("veth0", "10.1.0.2/24") },
		func() error { return gateway.up("veth1", "10.1.0.1/24") },
		func() error { return gateway.up("veth3", "10.2.0.1/24") },
		func() error { return server.up("veth2", "10.2.0.2/24") },
		func() error { return client.route("", "10.1.0.1") },
		gateway.forward,
		func() error {
			return gateway.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "10.1.0.0/24", "-o", "veth3", "-j", "MASQUERADE")
		},
		func() error { return r.start(client, "veth0") },
		func() error { return r.start(gateway, "veth1") },
		func() error { return r.start(gateway, "veth3") },
		func() error { return r.start(server, "veth2") },
		func() error { return client.ping("10.2.0.2") },
		r.stop,
		n.delete,
	)
}

// recorders read packets through gopacket, one socket an interface.
type recorders struct {
	handles []*pcapgo.EthernetHandle
	readers sync.WaitGroup
	mu      sync.Mutex
	echoes  int
}

func (r *recorders) start(n *named, device string) error {
	return n.do(func() error {
		h, err := pcapgo.NewEthernetHandle(device)
		if err != nil {
			return err
		}
		r.handles = append(r.handles, h)
		r.readers.Add(1)
		go func() {
			defer r.readers.Done()
			for {
				data, _, err := h.ReadPacketData()
				if err != nil {
					return // closed
				}
				if len(data) >= 98 {
					r.mu.Lock()
					r.echoes++
					r.mu.Unlock()
				}
			}
		}()
		return nil
	})
}

// stop waits until the echo and its reply were seen everywhere, which they were
// not where the ping was lost.
func (r *recorders) stop() error {
	for end := time.Now().Add(5 * time.Second); ; runtime.Gosched() {
		r.mu.Lock()
		seen := r.echoes
		r.mu.Unlock()
		if seen >= 2*len(r.handles) || lostPings > 0 {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("only %d packets were recorded", seen)
		}
	}
	for _, h := range r.handles {
		h.Close()
	}
	r.readers.Wait()
	return nil
}

func plainBridged(size int) (all plainNetwork, err error) {
	names := []string{"switch"}
	for i := range size {
		names = append(names, fmt.Sprintf("h%d", i+1))
	}
	if all, err = plainNodes(names...); err != nil {
		return all, err
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	err = all[0].do(func() error {
		return first(func() error { return netlink.LinkAdd(bridge) }, func() error { return netlink.LinkSetUp(bridge) })
	})
	for i, n := range all[1:] {
		port := fmt.Sprintf("p%d", i+1)
		if err == nil {
			err = first(
				func() error { return cable(all[0], port, n, "eth0") },
				func() error {
					return all[0].do(func() error {
						link, err := netlink.LinkByName(port)
						if err != nil {
							return err
						}
						return netlink.LinkSetMaster(link, bridge)
					})
				},
				func() error { return all[0].up(port, "") },
				func() error { return n.up("eth0", address(i+1)+"/16") },
			)
		}
	}
	return all, err
}

func plainBridge(size int) error {
	all, err := plainBridged(size)
	if err != nil {
		return err
	}
	return first(func() error { return all[1].ping(address(size)) }, all.delete)
}

func plainChain(routers int) error {
	var names []string
	for i := range routers + 2 {
		names = append(names, fmt.Sprintf("r%d", i))
	}
	n, err := plainNodes(names...)
	if err != nil {
		return err
	}
	for i := range routers + 1 {
		err := first(
			func() error { return cable(n[i], "right", n[i+1], "left") },
			func() error { return n[i].up("right", fmt.Sprintf("10.0.%d.1/24", i)) },
			func() error { return n[i+1].up("left", fmt.Sprintf("10.0.%d.2/24", i)) },
		)
		if err != nil {
			return err
		}
	}
	steps := []func() error{
		func() error { return n[0].route("", "10.0.0.2") },
		func() error { return n[routers+1].route("", fmt.Sprintf("10.0.%d.1", routers)) },
	}
	for i := 1; i <= routers; i++ {
		steps = append(steps, n[i].forward)
		if i < routers {
			steps = append(steps, func() error { return n[i].route("", fmt.Sprintf("10.0.%d.2", i)) })
		}
		if i > 1 {
			steps = append(steps, func() error { return n[i].route("10.0.0.0/24", fmt.Sprintf("10.0.%d.1", i-1)) })
		}
	}
	steps = append(steps, func() error { return n[0].ping(fmt.Sprintf("10.0.%d.2", routers)) }, n.delete)
	return first(steps...)
}

func plainMatrix(size int, permanent bool) (a answer, err error) {
	all, err := plainBridged(size)
	if err != nil {
		return a, err
	}
	nodes := all[1:]
	if permanent {
		if err := plainNeighbours(nodes); err != nil {
			return a, err
		}
	}
	lostPings = 0
	start := time.Now()
	for i, from := range nodes {
		for j := range nodes {
			if i == j {
				continue
			}
			if err := from.ping(address(j + 1)); err != nil {
				return a, err
			}
		}
	}
	a.Seconds, a.Lost = time.Since(start).Seconds(), lostPings
	return a, all.delete()
}

func plainNeighbours(nodes []*named) error {
	links := make([]netlink.Link, len(nodes))
	for i, n := range nodes {
		if err := n.do(func() (err error) { links[i], err = netlink.LinkByName("eth0"); return err }); err != nil {
			return err
		}
	}
	for i, n := range nodes {
		err := n.do(func() error {
			for j := range nodes {
				if i == j {
					continue
				}
				entry := &netlink.Neigh{
					LinkIndex: links[i].Attrs().Index, Family: netlink.FAMILY_V4, State: unix.NUD_PERMANENT,
					IP: net.ParseIP(address(j + 1)), HardwareAddr: links[j].Attrs().HardwareAddr,
				}
				if err := netlink.NeighSet(entry); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
