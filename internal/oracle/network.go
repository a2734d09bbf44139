// Package oracle compares a network that the harness built with the same
// network typed as commands of iproute2 and iptables, field by field of what
// these programs themselves say of it.
//
// What is compared is everything that they print, except what allowed.go lists
// with its reason.
package oracle

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/ns"
)

// Network is one of the two that are compared: namespaces by their names.
type Network struct {
	nodes map[string]*ns.Namespace
	// sysctls are those that were set, as paths below /proc/sys, by node.
	sysctls map[string][]string
}

// OfLab is the network of a lab, for as long as the lab stands.
func OfLab(lab *harness.Lab) (*Network, error) {
	n := &Network{nodes: map[string]*ns.Namespace{}, sysctls: map[string][]string{}}
	for _, node := range lab.All() {
		if err := n.open(node.Name(), node.NetnsPath()); err != nil {
			n.Close()
			return nil, err
		}
		n.sysctls[node.Name()] = node.SysctlsSet()
	}
	return n, nil
}

func (n *Network) open(name, path string) error {
	space, err := ns.Open(path)
	if err != nil {
		return fmt.Errorf("node %s: %w", name, err)
	}
	n.nodes[name] = space
	return nil
}

// Close lets go of the namespaces.
func (n *Network) Close() {
	for _, space := range n.nodes {
		space.Close()
	}
	n.nodes = nil
}

// names are the nodes' names in order.
func (n *Network) names() []string {
	var names []string
	for name := range n.nodes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Run runs a program in a node, with input on its standard input, and returns
// what it printed. The iptables programs are those of the nf_tables variant,
// which the harness's backend "iptables" and the scripts use too.
func (n *Network) Run(node, input, program string, args ...string) ([]byte, error) {
	space := n.nodes[node]
	if space == nil {
		return nil, fmt.Errorf("there is no node %s", node)
	}
	ctx, cancel := deadline.Context(programPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, nftVariant(program), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader([]byte(input)), &stdout, &stderr
	// A child is in the namespace of the thread that starts it.
	err := space.Do(cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w\n%s", node, cmd, err, stderr.Bytes())
	}
	return stdout.Bytes(), nil
}
