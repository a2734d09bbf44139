package explain

import (
	"net/netip"
	"testing"

	"github.com/netrig/netrig/capture"
	"github.com/stretchr/testify/assert"
)

// What rules do to marks and addresses is read from their words.
func TestWhatRulesSet(t *testing.T) {
	for text, want := range map[string]uint32{
		"ip n c: meta mark set 0x2":                                           2,
		"ip n c: tcp dport 80 meta mark set meta mark & 0xfffffff2 | 0x2":     0xf2,
		"ip n c: meta mark set meta mark ^ 0xff":                              0x0f,
		"-t mangle -A PREROUTING -j MARK --set-xmark 0x2/0xf":                 0xf2,
		"-t mangle -A PREROUTING -j MARK --set-xmark 0x2/0xffffffff -m other": 2,
	} {
		change, sets := Rule{Text: text}.setsMark()
		if assert.True(t, sets, text) && assert.NotNil(t, change, text) {
			assert.Equal(t, want, change(0xf0), text)
		}
	}
	for text, want := range map[string]bool{
		"ip n c: meta mark set ct mark": true, "-A PREROUTING -j CONNMARK --restore-mark": true, "ip n c: meta mark set ": true, "-j MARK --set-xmark x": true,
		"ip n c: ct mark set meta mark": false, "ip n c: meta mark 0x2 drop": false,
	} {
		change, sets := Rule{Text: text}.setsMark()
		assert.Nil(t, change, text)
		assert.Equal(t, want, sets, text)
	}
	for _, c := range []struct{ text, field, want string }{
		{"ip n c: ip daddr set 10.0.0.1", "daddr", "10.0.0.1"},
		{"ip n c: ip daddr 10.0.0.9 ip saddr set 10.0.0.1 ip daddr set 10.0.0.2", "saddr", "10.0.0.1"},
		{"ip n c: ip daddr 10.0.0.9 ip saddr set 10.0.0.1 ip daddr set 10.0.0.2", "daddr", "10.0.0.2"},
		{"bridge n c: ether daddr set 02:00:00:00:00:01", "ether daddr", "02:00:00:00:00:01"},
		{"bridge n c: ether daddr set 02:00:00:00:00:01", "daddr", ""},
		{`bridge nat PREROUTING: xt target "dnat" to 02:00:00:00:00:01`, "ether daddr", "02:00:00:00:00:01"},
		{"ip n c: ip daddr 10.0.0.1 drop", "daddr", ""},
	} {
		assert.Equal(t, c.want, Rule{Text: c.text}.written(c.field), c.text)
	}
}

// A socket at the right port is told only with what keeps a packet from it.
func TestChoosySockets(t *testing.T) {
	p := &capture.Packet{Node: "server", Interface: "eth0", Direction: capture.In, Src: clientAddr, SrcPort: 1000, Dst: serverAddr, DstPort: 53}
	at := netip.MustParseAddrPort
	for _, c := range []struct {
		l    Listener
		want string
	}{
		{Listener{Addr: at("0.0.0.0:53"), Device: "lo"}, "is bound to lo"},
		{Listener{Addr: at("0.0.0.0:53"), Device: "eth0"}, ""},
		{Listener{Addr: at("10.0.2.2:53"), Peer: at("10.0.9.9:7")}, "is connected to 10.0.9.9:7, and takes from nobody else; it came from 10.0.1.2:1000"},
		{Listener{Addr: at("10.0.2.2:53"), Peer: at("10.0.1.2:1000")}, ""},
		{Listener{Addr: at("[::ffff:10.0.2.2]:53"), Peer: at("[::ffff:10.0.1.2]:1000")}, ""},
		{Listener{Addr: at("[::]:54"), Device: "lo"}, ""},
		{Listener{Addr: at("10.0.2.3:53"), Device: "lo"}, ""},
	} {
		v, r := Verdict{Seen: p}, &reasoner{Facts: network()}
		r.choosy(&v, r.Node("server"), c.l)
		if c.want == "" {
			assert.Empty(t, v.Cause, "%+v", c.l)
		} else if assert.Len(t, v.Cause, 1, "%+v", c.l) {
			assert.Contains(t, v.Cause[0], c.want)
		}
	}
}

// A mark whose route nobody saw taken is not blamed for the end of a packet.
func TestDoubtfulMark(t *testing.T) {
	f := network()
	router := f.Node("router")
	router.Policy = []PolicyRule{{Text: "100: from all fwmark 0x2 lookup 9", Mark: 2, Mask: 0xffffffff}}
	router.Rules = []Rule{{Text: "ip n c: meta mark set 0x2", Hooks: []string{"prerouting"}}}
	ask := f.Ask
	f.Ask = func(node string, q Query) Route {
		if q.Mark == 2 {
			return Route{Type: "unicast", Device: "left", Gateway: netip.MustParseAddr("10.0.1.9"), Text: "10.0.2.2 via 10.0.1.9 dev left"}
		}
		return ask(node, q)
	}
	q := Query{To: serverAddr, From: clientAddr, In: "left"}
	r := &reasoner{Case: Case{From: "client", Target: serverAddr}, Facts: f}
	assert.Equal(t, "right", r.way(router, q).Device, "no packet speaks for it")
	assert.Empty(t, r.aside)

	router.Rules[0].Counted, router.Rules[0].Moved = true, 1
	r = &reasoner{Case: Case{From: "client", Target: serverAddr}, Facts: f}
	assert.Equal(t, "left", r.way(router, q).Device, "its counter does")
	assert.Len(t, r.aside, 2)
	assert.Contains(t, r.aside[0], "the rule 100: from all fwmark 0x2 lookup 9 selects it")
}
