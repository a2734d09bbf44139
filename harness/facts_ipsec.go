package harness

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/netrig/netrig/internal/explain"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// addIPsec adds the counters of IPsec, which a kernel without it does not have.
func (n *Node) addIPsec(counters Counters) {
	if counters == nil {
		return
	}
	var raw []byte
	err := n.space.Do(func() (err error) {
		raw, err = os.ReadFile("/proc/thread-self/net/xfrm_stat")
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		return err
	})
	n.must(err, "read the counters of IPsec")
	counters.addPairs(string(raw))
}

// hasIPsec tells whether IPsec has stopped packets in the node. Only then are its
// policies asked for: the question itself could have the kernel load a module.
func hasIPsec(counters Counters) bool {
	for name, v := range counters {
		if v > 0 && strings.HasPrefix(name, "Xfrm") {
			return true
		}
	}
	return false
}

// ipsecFacts are the node's policies of IPsec, each with the states that it lacks.
func (n *Node) ipsecFacts() []explain.IPsecPolicy {
	var policies []netlink.XfrmPolicy
	var states []netlink.XfrmState
	err := n.space.Do(func() (err error) {
		if policies, err = netlink.XfrmPolicyList(unix.AF_UNSPEC); err == nil {
			states, err = netlink.XfrmStateList(unix.AF_UNSPEC)
		}
		return err
	})
	n.must(err, "list the policies of IPsec")
	var all []explain.IPsecPolicy
	for _, p := range policies {
		all = append(all, ipsecPolicy(p, states))
	}
	return all
}

func ipsecPolicy(p netlink.XfrmPolicy, states []netlink.XfrmState) explain.IPsecPolicy {
	e := explain.IPsecPolicy{
		Direction: strings.TrimPrefix(p.Dir.String(), "dir "), Blocks: p.Action == netlink.XFRM_POLICY_BLOCK, Wraps: len(p.Tmpls) > 0,
		From: prefixOf(p.Src), To: prefixOf(p.Dst),
	}
	words := []string{"src", p.Src.String(), "dst", p.Dst.String()}
	if p.Proto != 0 {
		words = append(words, "proto", p.Proto.String())
	}
	words = append(words, p.Dir.String())
	if e.Blocks {
		words = append(words, "action block")
	}
	for _, t := range p.Tmpls {
		text := fmt.Sprintf("src %s dst %s proto %s mode %s", t.Src, t.Dst, t.Proto, t.Mode)
		if t.Reqid != 0 {
			text += fmt.Sprintf(" reqid %d", t.Reqid)
		}
		words = append(words, "tmpl "+text)
		if t.Optional == 0 && !hasState(t, states) {
			e.Missing = append(e.Missing, text)
		}
	}
	e.Text = strings.Join(words, " ")
	return e
}

// hasState tells whether there is a state that serves a template (xfrm_state_ok of
// net/xfrm/xfrm_policy.c). One without a key waits for somebody to make it, and is
// none yet.
func hasState(t netlink.XfrmPolicyTmpl, states []netlink.XfrmState) bool {
	for _, s := range states {
		if s.Spi != 0 && s.Proto == t.Proto && s.Mode == t.Mode && (t.Reqid == 0 || s.Reqid == t.Reqid) &&
			(unset(t.Dst) || s.Dst.Equal(t.Dst)) && (unset(t.Src) || s.Src.Equal(t.Src)) {
			return true
		}
	}
	return false
}

func unset(a net.IP) bool { return a == nil || a.IsUnspecified() }
