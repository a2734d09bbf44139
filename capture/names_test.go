package capture

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
)

// Interfaces are called what they were called when the packet passed.
func TestNames(t *testing.T) {
	a, b := newHost(t, "a"), newHost(t, "b")
	r := New()
	defer r.Close()
	tap, err := r.Attach("a", a.ns)
	require.NoError(t, err)
	attach(t, r, b)
	b.sysctl("net/ipv4/conf/all/arp_ignore", "8") // no answers

	// Both appear after the attach.
	connect(a, "temporary", "10.0.0.1/24", b, "veth1", "10.0.0.2/24")
	inject := func(name string) { a.inject(name, samples(t)["echo reply"]) }
	rename := func(from, to string) {
		link := a.byName(from)
		require.NoError(t, a.link.LinkSetDown(link))
		require.NoError(t, a.link.LinkSetName(link, to))
		a.up(to)
		require.Eventually(t, func() bool { return a.byName(to).Attrs().OperState == netlink.OperUp }, 5*time.Second, time.Millisecond)
	}
	inject("temporary")
	settle(t, r)
	rename("temporary", "eth0")
	inject("eth0")
	settle(t, r)
	tap.Rename(a.byName("eth0").Attrs().Index, "wan")
	inject("eth0") // the kernel does not know yet
	settle(t, r)
	rename("eth0", "wan")
	inject("wan")
	require.NoError(t, a.link.LinkDel(a.byName("wan"))) // both ends vanish
	tap.Learn(777, "not there yet")
	settle(t, r)

	var seen []string
	for _, p := range r.All().Find(Match{Kind: EchoReply}) {
		seen = append(seen, p.Where())
	}
	assert.ElementsMatch(t, []string{"a:temporary", "b:veth1", "a:eth0", "b:veth1", "a:wan", "b:veth1", "a:wan", "b:veth1"}, seen)
	assert.Equal(t, "not there yet", tap.names.of(777))
}

// Announcements that were lost are made up for by asking.
func TestNamesAfterLoss(t *testing.T) {
	a, b := pair(t)
	r := recording(t, a, b)
	b.listenUDP("10.0.0.2:9")
	conn := a.udp("10.0.0.2:9")
	send(t, conn, "one")
	require.NoError(t, r.Drain())
	link := a.byName("veth0")
	for i := range 500 { // more than the netlink socket holds
		require.NoError(t, a.link.LinkSetAlias(link, fmt.Sprint("alias ", i)))
	}
	require.NoError(t, a.link.LinkSetDown(link))
	require.NoError(t, a.link.LinkSetName(link, "renamed"))
	a.up("renamed")
	a.neighbour("renamed", "10.0.0.2", b.mac("veth1"))
	require.Eventually(t, func() bool { return a.byName("renamed").Attrs().OperState == netlink.OperUp }, 5*time.Second, time.Millisecond)
	send(t, conn, "two")
	require.NoError(t, r.Drain())
	out := r.All().Find(Match{Node: "a", Direction: Out})
	require.Len(t, out, 2)
	assert.Equal(t, "a:veth0", out[0].Where())
	assert.Equal(t, "a:renamed", out[1].Where())
}
