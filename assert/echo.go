package assert

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/netrig/netrig/capture"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

var noAddr netip.Addr

// echo asks by an ICMP echo on a raw socket of its own, which go-ping's
// can't be set up as: size, TTL, don't fragment, source, interface, and the
// ICMP errors that come back.
type echo struct {
	*socket
	id, seq int
	payload []byte
}

func newEcho(p *probe) (*echo, error) {
	proto := unix.IPPROTO_ICMP
	if p.target.addr.Is6() {
		proto = unix.IPPROTO_ICMPV6
	}
	s, err := p.open(unix.SOCK_RAW, proto)
	if err != nil {
		return nil, err
	}
	return echoThrough(s), nil
}

// echoThrough is an echo by a socket that is there.
func echoThrough(s *socket) *echo {
	e := &echo{socket: s, payload: make([]byte, s.probe.size)}
	random := make([]byte, 2+len(e.payload))
	_, _ = rand.Read(random) // never fails (crypto/rand)
	e.id = int(binary.BigEndian.Uint16(random))
	// Random, so that nothing else in the lab is taken for this echo.
	copy(e.payload, random[2:])
	return e
}

func (e *echo) send() error {
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: e.id, Seq: e.seq, Data: e.payload}}
	if e.probe.target.addr.Is6() {
		m.Type = ipv6.ICMPTypeEchoRequest // the kernel fills in the checksum (RFC 3542, 3.1)
	}
	raw, err := m.Marshal(nil)
	if err != nil {
		return fmt.Errorf("write an echo request: %w", err)
	}
	return unix.Sendto(e.fd, raw, 0, e.to)
}

func (e *echo) answer(d time.Duration) (answer, bool) {
	buf := e.space()
	for until := time.Now().Add(d); ; {
		if !e.readable(time.Until(until)) {
			return answer{}, false
		}
		for {
			raw, from, ttl, err := e.receive(buf)
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			if err != nil {
				if c, known := causeOfErrno(err); known {
					return answer{cause: c, at: time.Now()}, true
				}
				break
			}
			if a, ok := e.judge(raw, from, ttl); ok {
				return a, true
			}
		}
		if time.Now().After(until) {
			return answer{}, false
		}
	}
}

// judge tells whether an ICMP message is about this echo.
func (e *echo) judge(raw []byte, from netip.Addr, ttl int) (answer, bool) {
	version, number := 4, unix.IPPROTO_ICMP
	if e.probe.target.addr.Is6() {
		version, number = 6, unix.IPPROTO_ICMPV6
	}
	m, err := icmp.ParseMessage(number, raw)
	if err != nil {
		return answer{}, false
	}
	if body, ok := m.Body.(*icmp.Echo); ok {
		reply := m.Type == ipv4.ICMPTypeEchoReply || m.Type == ipv6.ICMPTypeEchoReply
		if reply && body.ID == e.id && body.Seq == e.seq && bytes.Equal(body.Data, e.payload) && from.WithZone("") == e.probe.target.addr.WithZone("") {
			return answer{cause: Reached, ttl: ttl, at: time.Now()}, true
		}
		return answer{}, false
	}
	if len(raw) < 8 || !e.quotedIn(raw[8:], version) {
		return answer{}, false
	}
	mtu := int(binary.BigEndian.Uint32(raw[4:8])) // ICMPv6: 32 bits; ICMP: the lower 16 (RFC 1191)
	c, ok := causeOfICMP(version, raw[0], raw[1], from, mtu)
	return answer{cause: c, at: time.Now()}, ok
}

// quotedIn tells whether an ICMP error's quote is this echo request.
func (e *echo) quotedIn(quote []byte, version int) bool {
	header := 40
	if version == 4 {
		if len(quote) < 20 {
			return false
		}
		header = int(quote[0]&0x0f) * 4
	}
	if len(quote) < header+8 {
		return false
	}
	return int(binary.BigEndian.Uint16(quote[header+4:])) == e.id && int(binary.BigEndian.Uint16(quote[header+6:])) == e.seq
}

func (e *echo) request() capture.Match {
	return echoMatch(e.probe, capture.EchoRequest, capture.Out, e.id, e.seq, e.payload)
}

func (e *echo) reply() capture.Match {
	return echoMatch(e.probe, capture.EchoReply, capture.In, e.id, e.seq, e.payload)
}

// echoMatch matches an echo at its sender: by its identifier, which NAT may
// change elsewhere, and by the beginning of its payload. Of a large one that
// is in the first fragment, or in what was kept of a long frame.
func echoMatch(p *probe, kind capture.Kind, d capture.Direction, id, seq int, payload []byte) capture.Match {
	const enough = 16
	i, s := uint16(id), uint16(seq)
	return capture.Match{
		Node: p.node.Name(), Kind: kind, Direction: d, ICMPID: &i, ICMPSeq: &s,
		Payload: payload[:min(len(payload), enough)],
	}
}
