package capture

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	inject("temporary")
	settle(t, r)
	a.rename("temporary", "eth0")
	inject("eth0")
	settle(t, r)
	tap.Rename(a.byName("eth0").Attrs().Index, "wan")
	inject("eth0") // the kernel does not know yet
	settle(t, r)
	a.rename("eth0", "wan")
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
	a.rename("veth0", "renamed")
	a.neighbour("renamed", "10.0.0.2", b.mac("veth1"))
	send(t, conn, "two")
	require.NoError(t, r.Drain())
	out := r.All().Find(Match{Node: "a", Direction: Out})
	require.Len(t, out, 2)
	assert.Equal(t, "a:veth0", out[0].Where())
	assert.Equal(t, "a:renamed", out[1].Where())
}

// Where names are told, nothing else is listened to, until it is asked for.
func TestNamesTold(t *testing.T) {
	for _, threads := range []bool{false, true} {
		t.Run(map[bool]string{false: "direct", true: "threads"}[threads], func(t *testing.T) {
			if threads {
				onThreads(t)
			}
			a, b := pair(t)
			r := New(NamesTold())
			defer r.Close()
			tap, err := r.Attach("a", a.ns)
			require.NoError(t, err)
			inject := func(name string) {
				a.inject(name, samples(t)["echo reply"])
				settle(t, r)
			}
			b.sysctl("net/ipv4/conf/all/arp_ignore", "8") // no answers
			inject("veth0")
			a.rename("veth0", "untold")
			inject("untold")
			tap.Rename(a.byName("untold").Attrs().Index, "untold")
			inject("untold")
			require.NoError(t, tap.Listen(a.ns))
			require.NoError(t, tap.Listen(a.ns), "once more is no error")
			a.rename("untold", "heard")
			inject("heard")
			var seen []string
			for _, p := range r.All().Find(Match{Kind: EchoReply}) {
				seen = append(seen, p.Where())
			}
			assert.Equal(t, []string{"a:veth0", "a:veth0", "a:untold", "a:heard"}, seen)
			r.Close()
			require.NoError(t, tap.Listen(a.ns), "nor after the end")
		})
	}
}
