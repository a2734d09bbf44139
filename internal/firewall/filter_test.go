package firewall

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestDrop(t *testing.T) {
	everywhere(t, func(l *topology) {
		const n = 7
		dropped, passed := l.udp(l.server, 53), l.udp(l.server, 54)
		client := l.udp(l.client, 0)
		for _, hook := range []Hook{Prerouting, Forward, Postrouting} {
			r := l.rule(hook, Drop)
			r.Protocol, r.DestinationPort = "udp", 53
			id := l.add(r)
			for range n {
				l.send(client, l.serverAddr, 53, "0123456789")
			}
			l.send(client, l.serverAddr, 54, "over")
			l.receive(passed)
			counts, err := l.Counters(id)
			require.NoError(l, err)
			header := uint64(20 + 8)
			if l.family == IPv6 {
				header = 40 + 8
			}
			require.Equal(l, []Counter{{n, n * (header + 10)}}, counts, "counted by %s", r)
			l.nothing(dropped)

			l.remove(id)
			l.send(client, l.serverAddr, 53, "again")
			text, _ := l.receive(dropped)
			require.Equal(l, "again", text)
		}
	})
}

func TestDropAtTheEnds(t *testing.T) {
	everywhere(t, func(l *topology) {
		passed, dropped := l.udp(l.gateway, 54), l.udp(l.gateway, 53)
		client := l.udp(l.client, 0)
		in := l.rule(Input, Drop)
		in.In, in.Protocol, in.DestinationPort = "in0", "udp", 53
		id := l.add(in)
		l.send(client, l.inside, 53, "in")
		l.send(client, l.inside, 54, "over")
		l.receive(passed)
		require.EqualValues(l, 1, l.count(id))
		l.nothing(dropped)

		out := l.rule(Output, Drop)
		out.Out, out.Protocol, out.SourcePort = "out0", "udp", 53
		l.add(out)
		_, err := dropped.WriteToUDPAddrPort([]byte("out"), addrPort(l.serverAddr, 1))
		require.ErrorIs(l, err, unix.EPERM)
	})
}

func TestAcceptBeforeDrop(t *testing.T) {
	everywhere(t, func(l *topology) {
		l.tcpServer(l.server, 80)
		l.tcpServer(l.server, 81)
		accept, back, drop := l.rule(Forward, Accept), l.rule(Forward, Accept), l.rule(Forward, Reject)
		accept.Protocol, accept.DestinationPort, accept.States = "tcp", 80, []string{"new"}
		back.States = []string{"established", "related"}
		drop.Protocol, drop.RejectWith = "tcp", TCPReset
		first, second, third := l.add(accept), l.add(back), l.add(drop)
		l.overTCP(l.client, l.serverAddr, 80)
		require.EqualValues(l, 1, l.count(first))
		require.Greater(l, l.count(second), uint64(3))
		require.Zero(l, l.count(third))
		l.refusedWith(unix.ECONNREFUSED, l.client, l.serverAddr, 81)
		require.EqualValues(l, 1, l.count(third))
	})
}

func TestReject(t *testing.T) {
	everywhere(t, func(l *topology) {
		l.tcpServer(l.server, 80)
		prohibited := unix.EHOSTUNREACH
		if l.family == IPv6 {
			prohibited = unix.EACCES
		}
		for with, want := range map[RejectWith]error{
			PortUnreachable: unix.ECONNREFUSED, HostUnreachable: unix.EHOSTUNREACH, NetUnreachable: unix.ENETUNREACH,
			AdminProhibited: prohibited, TCPReset: unix.ECONNREFUSED,
		} {
			for _, hook := range []Hook{Forward, Input} {
				to := l.serverAddr
				if hook == Input {
					to = l.inside
				}
				r := l.rule(hook, Reject)
				r.RejectWith = with
				if with == TCPReset {
					r.Protocol = "tcp"
				}
				id := l.add(r)
				if with == TCPReset {
					l.refusedWith(want, l.client, to, 80)
				} else {
					require.ErrorIs(l, l.errorOverUDP(l.client, to, 80), want, "%s", r)
				}
				require.EqualValues(l, 1, l.count(id), "%s", r)
				l.remove(id)
			}
		}
		l.overTCP(l.client, l.serverAddr, 80)
	})
}

func TestPolicy(t *testing.T) {
	everywhere(t, func(l *topology) {
		server, gateway := l.udp(l.server, 53), l.udp(l.gateway, 53)
		client := l.udp(l.client, 0)
		watch := l.rule(Prerouting, Count)
		watch.Protocol, watch.Destination = "udp", l.serverNet
		seen := l.add(watch)

		for range 2 {
			before := l.count(seen)
			require.NoError(l, l.Policy(l.family, Forward, Drop))
			l.send(client, l.serverAddr, 53, "no")
			l.send(client, l.inside, 53, "over") // not forwarded, so not concerned
			l.receive(gateway)
			require.Equal(l, before+1, l.count(seen))
			l.nothing(server)
			require.Contains(l, listOf(l, l), "-t filter -P FORWARD DROP")

			// Rules come and go without touching the policy.
			accept := l.rule(Forward, Accept)
			accept.Source = l.clientNet
			id := l.add(accept)
			l.overUDP(l.client, l.serverAddr, 53, server)
			l.remove(id)
			l.send(client, l.serverAddr, 53, "no")
			l.send(client, l.inside, 53, "over")
			l.receive(gateway)
			l.nothing(server)

			require.NoError(l, l.Policy(l.family, Forward, Accept))
			l.overUDP(l.client, l.serverAddr, 53, server)
			require.NotContains(l, listOf(l, l), "-t filter -P FORWARD DROP")
		}
	})
}

func TestNoTrack(t *testing.T) {
	everywhere(t, func(l *topology) {
		server := l.udp(l.server, 53)
		tracked, untracked := l.rule(Forward, Count), l.rule(Forward, Count)
		tracked.Protocol, tracked.States = "udp", []string{"new"}
		untracked.Protocol, untracked.States = "udp", []string{"untracked"}
		noTrack := l.rule(Prerouting, NoTrack)
		noTrack.Protocol, noTrack.DestinationPort = "udp", 53
		news, others := l.add(tracked), l.add(untracked)
		id := l.add(noTrack)
		l.overUDP(l.client, l.serverAddr, 53, server)
		require.Equal(l, []uint64{1, 0, 1}, []uint64{l.count(id), l.count(news), l.count(others)})
		l.remove(id)
		l.overUDP(l.client, l.serverAddr, 53, server)
		require.Equal(l, []uint64{1, 1}, []uint64{l.count(news), l.count(others)})
	})
}

// Of two equal rules, each has its own counter and goes by itself.
func TestEqualRules(t *testing.T) {
	everywhere(t, func(l *topology) {
		server := l.udp(l.server, 53)
		r := l.rule(Forward, Count)
		r.Protocol, r.DestinationPort = "udp", 53
		ids := []ID{l.add(r)}
		l.overUDP(l.client, l.serverAddr, 53, server)
		ids = append(ids, l.add(r))
		l.overUDP(l.client, l.serverAddr, 53, server)
		ids = append(ids, l.add(r))
		require.Equal(l, []uint64{2, 1, 0}, []uint64{l.count(ids[0]), l.count(ids[1]), l.count(ids[2])})
		all, err := l.Counters(ids[2], ids[0], ids[1])
		require.NoError(l, err)
		require.Equal(l, []uint64{0, 2, 1}, []uint64{all[0].Packets, all[1].Packets, all[2].Packets}, "in the order that was asked for")
		l.remove(ids[1])
		require.Equal(l, []uint64{2, 0}, []uint64{l.count(ids[0]), l.count(ids[2])})
		_, err = l.Counters(ids[0], ids[1])
		require.ErrorIs(l, err, errNotAdded)
		require.ErrorIs(l, l.Remove(ids[1]), errNotAdded)
		l.remove(ids[0])
		l.overUDP(l.client, l.serverAddr, 53, server)
		require.EqualValues(l, 1, l.count(ids[2]))
		l.remove(ids[2])
		l.overUDP(l.client, l.serverAddr, 53, server)
	})
}
