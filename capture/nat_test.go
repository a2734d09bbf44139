package capture

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	mdlayher "github.com/mdlayher/netlink"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// nat forwards UDP port 80 of the host to to:port, and masquerades everything.
func (h *host) nat(to string, port uint16) {
	h.Helper()
	conn, err := nftables.New(nftables.WithNetNSFd(h.ns.Fd()), nftables.WithSockOptions(func(c *mdlayher.Conn) error {
		return c.SetDeadline(time.Now().Add(10 * time.Second)) // without nf_tables Flush would wait forever
	}))
	require.NoError(h, err)
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "nat"})
	chain := func(name string, hook *nftables.ChainHook, priority *nftables.ChainPriority, rule ...expr.Any) {
		c := conn.AddChain(&nftables.Chain{Name: name, Table: table, Type: nftables.ChainTypeNAT, Hooknum: hook, Priority: priority})
		conn.AddRule(&nftables.Rule{Table: table, Chain: c, Exprs: rule})
	}
	chain("in", nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest,
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_UDP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(80)},
		&expr.Immediate{Register: 1, Data: net.ParseIP(to).To4()},
		&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(port)},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 2})
	chain("out", nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource, &expr.Masq{})
	if err := conn.Flush(); errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPROTONOSUPPORT) {
		h.Skipf("the kernel has no NAT (nf_tables, nft_nat, nft_masq): %v", err)
	} else {
		require.NoError(h, err)
	}
}

// The kernel's own NAT rewrites source, destination and both ports; the flight
// is found all the same, there, back, and of the error.
func TestFollowKernelNAT(t *testing.T) {
	a, router, b := newHost(t, "a"), newHost(t, "router"), newHost(t, "b")
	connect(a, "veth0", "10.0.1.1/24", router, "veth1", "10.0.1.2/24")
	connect(router, "veth2", "10.0.2.1/24", b, "veth3", "10.0.2.2/24")
	router.sysctl("net/ipv4/ip_forward", "1")
	router.sysctl("net/ipv4/conf/veth1/forwarding", "1")
	router.sysctl("net/ipv4/conf/veth2/forwarding", "1")
	router.nat("10.0.2.2", 8080)
	r := recording(t, a, router, b)
	server := b.listenUDP("10.0.2.2:8080")
	conn := a.udp("10.0.1.2:80")
	require.NoError(t, server.SetDeadline(time.Now().Add(10*time.Second)))
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))

	send(t, conn, "question")
	buf := make([]byte, 100)
	_, from, err := server.ReadFrom(buf)
	require.NoError(t, err)
	require.Equal(t, "10.0.2.1", from.(*net.UDPAddr).IP.String(), "masqueraded")
	_, err = server.WriteTo([]byte("answer"), from)
	require.NoError(t, err)
	_, err = conn.Read(buf)
	require.NoError(t, err)

	require.NoError(t, server.Close())
	send(t, conn, "too late")
	_, err = conn.Read(buf)
	require.ErrorIs(t, err, unix.ECONNREFUSED)
	settle(t, r)

	all := r.All()
	flight := func(m Match) (hops []string) {
		for _, p := range all.Follow(all.First(m)).Hops {
			hops = append(hops, fmt.Sprintf("%s %s>%s", p.Where(), p.Src, p.Dst))
		}
		return hops
	}
	there := []string{"a:veth0 10.0.1.1>10.0.1.2", "router:veth1 10.0.1.1>10.0.1.2", "router:veth2 10.0.2.1>10.0.2.2", "b:veth3 10.0.2.1>10.0.2.2"}
	back := []string{"b:veth3 10.0.2.2>10.0.2.1", "router:veth2 10.0.2.2>10.0.2.1", "router:veth1 10.0.1.2>10.0.1.1", "a:veth0 10.0.1.2>10.0.1.1"}
	assert.Equal(t, there, flight(Match{Payload: []byte("question")}), "%s", all)
	assert.Equal(t, back, flight(Match{Payload: []byte("answer")}), "%s", all)
	assert.Equal(t, back, flight(Match{Kind: DestinationUnreachable, Node: "b"}), "%s", all)

	end := all.First(Match{Kind: DestinationUnreachable, Node: "a"})
	require.NotNil(t, end)
	quoted, ok := end.Quoted()
	require.True(t, ok)
	assert.Empty(t, Match{Kind: UDP, Src: addr("10.0.1.1"), Dst: addr("10.0.1.2"), DstPort: 80, Payload: []byte("too late")}.Diff(quoted),
		"the quote is translated back")
}
