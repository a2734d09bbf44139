package harness_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netrig/netrig/harness"
	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/try"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

func TestCommandSeesItsNode(t *testing.T) {
	t.Parallel()
	lab, a, b, _ := pair(t)
	assert.Contains(t, a.Run("cat", "/proc/net/dev"), "veth0")
	assert.NotContains(t, a.Run("cat", "/proc/net/dev"), "veth1")
	if _, err := os.Stat("/sys/class/net"); err == nil && sysIsOurs(a) {
		assert.Equal(t, "lo\nveth0\n", a.Run("sh", "-c", "ls /sys/class/net | grep -v -e sit -e tunl -e ip6tnl -e gre -e erspan -e vti"))
	}
	wd, err := os.Getwd()
	require.NoError(t, err)
	assert.Equal(t, wd+"\n", a.Run("pwd"), "a program starts where the test is")

	out, err := a.Command("sh", "-c", "echo out; echo err >&2").CombinedOutput()
	require.NoError(t, err)
	assert.Equal(t, "out\nerr\n", string(out))
	out, err = a.Command("sh", "-c", "echo out; echo err >&2; exit 4").Output()
	assert.Equal(t, "out\n", string(out))
	require.ErrorContains(t, err, "exit status 4")

	// For outside programs each node of the lab has a name, those that come
	// later too.
	harness.RequireProgram(t, "ip", "nsenter")
	assert.Contains(t, a.Run("ip", "-n", "b", "-br", "address"), "192.168.0.2/24")
	lab.Node("late")
	assert.Contains(t, a.Run("ip", "-n", "late", "-br", "link"), "lo")
	assert.Contains(t, a.Run("nsenter", "--net="+b.NetnsPath(), "ip", "-br", "address"), "192.168.0.2/24")
}

// sysIsOurs tells whether a node's /sys could be mounted; some containers
// forbid it, and programs then see the sandbox's.
func sysIsOurs(n *harness.Node) bool {
	return strings.Contains(n.Run("sh", "-c", "ls /sys/class/net"), "veth0")
}

func TestProgramsEndWithTheLab(t *testing.T) {
	t.Parallel()
	var group int
	r := try.Run("lab", func(tb testing.TB) {
		n := harness.New(tb).Node("n")
		// The shell's child outlives the shell in the same group.
		c := n.Command("sh", "-c", "sleep 1000 & echo started; exit 0")
		out, err := c.StdoutPipe()
		assert.NoError(tb, err)
		assert.NoError(tb, c.Start())
		started := make([]byte, 8)
		_, err = io.ReadFull(out, started)
		assert.NoError(tb, err)
		group = c.Process.Pid
		assert.NoError(tb, syscall.Kill(-group, 0), "the group is alive")
	})
	require.False(t, r.Failed, r.Log())
	err := deadline.Poll(linkTimeForTests, "the process group is still there", func() (bool, error) {
		return syscall.Kill(-group, 0) == syscall.ESRCH, nil
	})
	require.NoError(t, err)
}

func TestDialAndListen(t *testing.T) {
	t.Parallel()
	_, a, b, _ := pair(t)
	for _, addr := range []string{"192.168.0.2:80", "[fd00::2]:80"} {
		l, err := b.Listen("tcp", addr)
		require.NoError(t, err)
		go func() {
			c, err := l.Accept()
			if err == nil {
				_, _ = io.WriteString(c, c.RemoteAddr().String())
				c.Close()
			}
		}()
		c, err := a.Dial("tcp", addr)
		require.NoError(t, err)
		said, err := io.ReadAll(c)
		require.NoError(t, err)
		assert.Equal(t, c.LocalAddr().String(), string(said))
		c.Close()
	}
	p, err := b.ListenPacket("udp", "192.168.0.2:53")
	require.NoError(t, err)
	c, err := a.DialFrom(context.Background(), "udp", "192.168.0.1:4000", "192.168.0.2:53")
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
	_, from, err := p.ReadFrom(make([]byte, 9))
	require.NoError(t, err)
	assert.Equal(t, "192.168.0.1:4000", from.String())

	_, err = a.Dial("tcp", "192.168.0.2:81")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.Contains(t, err.Error(), "node a")
	_, err = a.Dial("tcp", "10.0.0.1:80")
	require.ErrorIs(t, err, syscall.ENETUNREACH)
}

// A connection without traffic sends nothing by itself, at neither end.
func TestConnectionsKeepStill(t *testing.T) {
	t.Parallel()
	_, a, b, _ := pair(t)
	l, err := b.Listen("tcp", "192.168.0.2:80")
	require.NoError(t, err)
	called, err := a.Dial("tcp", "192.168.0.2:80")
	require.NoError(t, err)
	defer called.Close()
	accepted, err := l.Accept()
	require.NoError(t, err)
	defer accepted.Close()
	for _, c := range []net.Conn{called, accepted} {
		raw, err := c.(*net.TCPConn).SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) {
			on, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
			require.NoError(t, err)
			assert.Zero(t, on, "SO_KEEPALIVE")
		}))
	}
}

func TestServerRemembersItsCallers(t *testing.T) {
	t.Parallel()
	_, a, b, _ := pair(t)
	s := b.Serve("tcp", ":80")
	c, err := a.Dial("tcp", "192.168.0.2:80")
	require.NoError(t, err)
	defer c.Close()
	ctx, cancel := deadline.Context(linkTimeForTests)
	defer cancel()
	peer, err := s.WaitPeer(ctx, 0)
	require.NoError(t, err)
	assert.Equal(t, c.LocalAddr().String(), peer.String())
	s.Close()
	_, err = a.Dial("tcp", "192.168.0.2:80")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestRelay(t *testing.T) {
	t.Parallel()
	_, a, b, _ := pair(t)
	s := b.Serve("tcp", "192.168.0.2:80")
	r := b.Relay("tcp", "192.168.0.2:22", "192.168.0.2:80")
	c, err := a.Dial("tcp", "192.168.0.2:22")
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "through")
	require.NoError(t, err)
	// One side has said all: the other still gets its answer, and then the end.
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	said, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Equal(t, "through", string(said))
	assert.Equal(t, c.LocalAddr().String(), r.Peers()[0].String())
	assert.Equal(t, "192.168.0.2", s.Peers()[0].Addr().String(), "the relay called")

	// A target that does not listen: the caller is hung up on.
	s.Close()
	c, err = a.Dial("tcp", "192.168.0.2:22")
	require.NoError(t, err)
	defer c.Close()
	said, err = io.ReadAll(c)
	require.NoError(t, err)
	assert.Empty(t, said)

	// A call that is still open, or still being made, does not hold the lab up.
	open := b.Serve("tcp", "192.168.0.2:81")
	b.Relay("tcp", "192.168.0.2:23", open.Addr().String())
	b.Relay("tcp", "192.168.0.2:24", "192.168.0.9:80")
	for _, port := range []string{"23", "24"} {
		c, err = a.Dial("tcp", "192.168.0.2:"+port)
		require.NoError(t, err)
		defer c.Close()
	}
}

func TestNamesAndHTTP(t *testing.T) {
	t.Parallel()
	_, a, b, _ := pair(t)
	serveDNS(t, b, "192.168.0.2:53", map[string][4]byte{"web.test.": {192, 168, 0, 2}})
	l, err := b.Listen("tcp", "192.168.0.2:80")
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Host+" "+r.RemoteAddr)
	})}
	go func() { _ = server.Serve(l) }()

	_, err = a.Resolver().LookupHost(context.Background(), "web.test")
	require.Error(t, err, "a node without a name server knows no names")

	a.UseResolver("192.168.0.2")
	addrs, err := a.Resolver().LookupHost(context.Background(), "web.test")
	require.NoError(t, err)
	assert.Equal(t, []string{"192.168.0.2"}, addrs)
	_, err = a.Resolver().LookupHost(context.Background(), "other.test")
	var notFound *net.DNSError
	require.ErrorAs(t, err, &notFound)

	reply, err := a.HTTPClient().Get("http://web.test/")
	require.NoError(t, err)
	body, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	reply.Body.Close()
	assert.True(t, strings.HasPrefix(string(body), "web.test 192.168.0.1:"), "%s", body)

	if _, err := os.Stat("/etc/resolv.conf"); err == nil {
		before, err := os.ReadFile("/etc/resolv.conf")
		require.NoError(t, err)
		assert.Contains(t, a.Run("cat", "/etc/resolv.conf"), "nameserver 192.168.0.2\n")
		a.UseResolver("192.168.0.9")
		assert.Contains(t, a.Run("cat", "/etc/resolv.conf"), "nameserver 192.168.0.9\n")
		after, err := os.ReadFile("/etc/resolv.conf")
		require.NoError(t, err)
		assert.Equal(t, string(before), string(after), "the sandbox's own is untouched")
	}
}

// serveDNS answers questions for the addresses of the names given, and that
// the others do not exist.
func serveDNS(t *testing.T, n *harness.Node, at string, names map[string][4]byte) {
	t.Helper()
	c, err := n.ListenPacket("udp", at)
	require.NoError(t, err)
	go func() {
		buf := make([]byte, 1500)
		for {
			size, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:size]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			answer := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RCode: dnsmessage.RCodeNameError}, Questions: m.Questions}
			if a, ok := names[q.Name.String()]; ok {
				answer.RCode = dnsmessage.RCodeSuccess
				if q.Type == dnsmessage.TypeA {
					answer.Answers = []dnsmessage.Resource{{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
						Body:   &dnsmessage.AResource{A: a},
					}}
				}
			}
			if raw, err := answer.Pack(); err == nil {
				_, _ = c.WriteTo(raw, from)
			}
		}
	}()
}

// Waiting in a goroutine, and attributes of one's own, are as with exec.Cmd.
func TestCommandsAreLikeAnyOther(t *testing.T) {
	t.Parallel()
	r := try.Run("lab", func(tb testing.TB) {
		n := harness.New(tb).Node("n")
		c := n.Command("sleep", "1000")
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		assert.NoError(tb, c.Start())
		go func() { _ = c.Wait() }()
		d := n.Command("sleep", "1000")
		d.SysProcAttr = &syscall.SysProcAttr{}
		assert.NoError(tb, d.Start())
	})
	require.False(t, r.Failed, r.Log())
}

// A dead name server is passed over.
func TestSecondNameServer(t *testing.T) {
	t.Parallel()
	_, a, b, _ := pair(t)
	serveDNS(t, b, "192.168.0.2:53", map[string][4]byte{"web.test.": {192, 168, 0, 2}})
	a.UseResolver("192.168.0.77", "192.168.0.2")
	addrs, err := a.LookupHost(context.Background(), "web.test")
	require.NoError(t, err)
	assert.Equal(t, []string{"192.168.0.2"}, addrs)
	_, err = a.LookupHost(context.Background(), "other.test")
	require.ErrorContains(t, err, "192.168.0.2")
}

// A look-up whose server never answers ends with its context, not with the
// time-outs of package net.
func TestLookupEndsWithItsContext(t *testing.T) {
	t.Parallel()
	_, a, b, _ := pair(t)
	silent, err := b.ListenPacket("udp", "192.168.0.2:53")
	require.NoError(t, err)
	a.UseResolver("192.168.0.2")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _, _ = silent.ReadFrom(make([]byte, 512)) // the question is there
		cancel()
	}()
	start := time.Now()
	_, err = a.LookupHost(ctx, "web.test")
	require.Error(t, err)
	assert.Less(t, time.Since(start), deadline.Of(time.Second), "a server may take two")
}
