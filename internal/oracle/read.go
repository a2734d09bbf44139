package oracle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Sysctls are the sysctls that are to be read, beyond those of the baseline: as
// paths below /proc/sys, by node.
type Sysctls map[string][]string

// SetIn are the sysctls that were set in any of the networks.
func SetIn(networks ...*Network) Sysctls {
	all := Sysctls{}
	for _, n := range networks {
		for node, paths := range n.sysctls {
			all[node] = append(all[node], paths...)
		}
	}
	return all
}

// raw is what the programs said of one node.
type raw struct {
	links, routes, rules, rules6, neighbours []map[string]any
	ports                                    []map[string]any // of a node with a bridge
	fdb                                      []map[string]any // of a node with a bridge or a tunnel
	vlans                                    []map[string]any // of a node with a bridge that is aware of VLANs
	peers                                    map[string]string
	filters                                  map[string]string // what iptables-save and ip6tables-save printed, by family
	sysctls                                  map[string]string
}

// Read reads the state of every node, of both families whichever the network is
// about, by the programs ip, bridge and iptables-save inside it.
func (n *Network) Read(sysctls Sysctls) (State, error) {
	if err := n.lookAtCarriers(); err != nil {
		return nil, err
	}
	names := n.names()
	answers, errs := make([]raw, len(names)), make([]error, len(names))
	var reading sync.WaitGroup
	for i, name := range names {
		reading.Go(func() { answers[i], errs[i] = n.readNode(name, sysctls) })
	}
	reading.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	all := map[string]raw{}
	for i, name := range names {
		all[name] = answers[i]
	}
	return translate(all), nil
}

func (n *Network) readNode(name string, sysctls Sysctls) (r raw, err error) {
	// The address list of a device has all that is said of the device.
	err = n.ask(name, "ip", nil,
		question{"addr show", &r.links}, question{"route show table all", &r.routes},
		question{"rule show", &r.rules}, question{"neigh show", &r.neighbours})
	if err == nil {
		// Without a family the rules are those of IPv4.
		err = n.ask(name, "ip", []string{"-6"}, question{"rule show", &r.rules6})
	}
	if err == nil && has(r.links, "bridge", "") {
		err = n.ask(name, "bridge", nil, question{"link show", &r.ports})
	}
	if err == nil && (has(r.links, "bridge", "") || has(r.links, "vxlan", "")) {
		err = n.ask(name, "bridge", nil, question{"fdb show", &r.fdb})
	}
	if err == nil && has(r.links, "bridge", "vlan_filtering") { // without, some kernels refuse the question
		err = n.ask(name, "bridge", nil, question{"vlan show", &r.vlans})
	}
	if err == nil {
		r.filters, err = n.savedRules(name)
	}
	if err == nil {
		r.peers, err = n.peers(name)
	}
	if err == nil {
		err = n.nodes[name].Do(func() error {
			r.sysctls, err = readSysctls(sysctls[name], name, r.links)
			return err
		})
	}
	return r, err
}

// question is a command to a program that prints a JSON array.
type question struct {
	command string
	answer  *[]map[string]any
}

// ask has one program answer several questions at once.
func (n *Network) ask(node, program string, options []string, questions ...question) error {
	var input strings.Builder
	for _, q := range questions {
		input.WriteString(q.command + "\n")
	}
	out, err := n.Run(node, input.String(), program, slices.Concat(options, []string{"-json", "-details", "-batch", "-"})...)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	decoder.UseNumber()
	for _, q := range questions {
		if err := decoder.Decode(q.answer); err != nil {
			return fmt.Errorf("%s: read what %s printed: %w\n%s", node, program, err, out)
		}
	}
	if decoder.More() {
		return fmt.Errorf("%s: %s printed more than was asked for\n%s", node, program, out)
	}
	return nil
}

// has tells whether there is a device of a kind, with a setting that is 1 if one is
// named.
func has(links []map[string]any, kind, setting string) bool {
	return slices.ContainsFunc(links, func(l map[string]any) bool {
		o := flatten(l)
		return o["linkinfo.info_kind"] == kind && (setting == "" || o["linkinfo.info_data."+setting] == "1")
	})
}

// savedRules are the node's packet filters.
func (n *Network) savedRules(node string) (map[string]string, error) {
	saved := map[string]string{}
	for family, program := range map[string]string{"IPv4": "iptables-save", "IPv6": "ip6tables-save"} {
		out, err := n.Run(node, "", program)
		if err != nil {
			return nil, err
		}
		saved[family] = string(out)
	}
	return saved, nil
}

// peers are the nodes by the numbers under which a node knows their namespaces
// (link-netnsid of ip-link(8)).
func (n *Network) peers(node string) (map[string]string, error) {
	peers := map[string]string{}
	err := n.netlink(node, func(h *netlink.Handle) error {
		for _, other := range n.names() {
			id, err := h.GetNetNsIdByFd(n.nodes[other].Fd())
			if err != nil {
				return fmt.Errorf("ask for the number of the namespace of %s: %w", other, err)
			}
			if id >= 0 {
				peers[fmt.Sprint(id)] = other
			}
		}
		return nil
	})
	return peers, err
}

// lookAtCarriers asks for every link by itself. From 6.12 on the kernel then
// takes note at once of a carrier that has come or gone, which may take it a
// second otherwise (linkwatch_sync_dev, net/core/link_watch.c); older ones are
// waited for by who compares. Twice: that of a bridge follows its ports'.
func (n *Network) lookAtCarriers() error {
	for range 2 {
		for _, node := range n.names() {
			err := n.netlink(node, func(h *netlink.Handle) error {
				links, err := linksOf(h)
				for _, l := range links {
					if _, e := h.LinkByIndex(l.Attrs().Index); err == nil {
						err = e
					}
				}
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *Network) netlink(node string, f func(*netlink.Handle) error) error {
	h, err := netlink.NewHandleAt(netns.NsHandle(n.nodes[node].Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("%s: open an rtnetlink socket: %w", node, err)
	}
	defer h.Close()
	if err := f(h); err != nil {
		return fmt.Errorf("%s: %w", node, err)
	}
	return nil
}

func linksOf(h *netlink.Handle) (links []netlink.Link, err error) {
	err = link.Retry(func() error {
		links, err = h.LinkList()
		return err
	})
	return links, err
}

// readSysctls reads, in the node that the thread is in, the sysctls that
// netrig's nodes start with, for each interface too, and the further ones.
func readSysctls(further []string, node string, links []map[string]any) (map[string]string, error) {
	names := slices.Clone(further)
	for _, s := range harness.Baseline(true) {
		p := sysctlPath(s.Name)
		names = append(names, p)
		if before, after, ok := strings.Cut(p, "/conf/default/"); ok {
			for _, l := range links {
				names = append(names, fmt.Sprintf("%s/conf/%s/%s", before, l["ifname"], after))
			}
		}
	}
	values := map[string]string{}
	for _, name := range names {
		value, err := os.ReadFile(filepath.Join("/proc/sys", name))
		switch {
		case errors.Is(err, fs.ErrNotExist): // not in this kernel, or a device without IPv6
			values[name] = none
		case err != nil:
			return nil, fmt.Errorf("%s: read a sysctl: %w", node, err)
		default:
			values[name] = strings.Join(strings.Fields(string(value)), " ")
		}
	}
	return values, nil
}
