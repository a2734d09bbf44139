package capture

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// fuzzWindow makes packets of bytes that a fuzzer chose: for each a byte that
// says where and in which direction it was seen, one for how much of it was
// kept, one for its length, and its frame.
func fuzzWindow(data []byte) Window {
	var packets []*Packet
	for at := 0; len(data) >= 3 && at < 200; at++ {
		where, cut, length := data[0], int(data[1]), min(int(data[2]), len(data)-3)
		frame := data[3 : 3+length]
		data = data[3+length:]
		p := &Packet{
			Node: string('a' + rune(where&3)), Interface: "eth" + string('0'+rune(where>>2&1)), Index: int(where >> 2 & 1),
			Direction: In, Time: epoch.Add(time.Duration(at/2) * time.Microsecond), Data: frame[:max(0, length-cut%32)], Length: length,
			raw: where&0x40 != 0, unfinished: where&0x20 != 0, position: at,
		}
		if where&8 != 0 {
			p.Direction = Out
		}
		if p.raw && len(p.Data) > 0 {
			p.EtherType = map[byte]uint16{4: 0x800, 6: 0x86dd}[p.Data[0]>>4]
		}
		p.decode()
		packets = append(packets, p)
	}
	return NewWindow(packets...)
}

// FuzzFollow takes stretches of garbage through all that is done with a
// recording: following, telling, matching, writing. Nothing panics, and every
// packet is in one flight.
func FuzzFollow(f *testing.F) {
	all := samples(f)
	var mixed []byte
	for _, data := range all {
		if len(data) > 255 {
			continue
		}
		one := append([]byte{8, 0, byte(len(data))}, data...)
		two := append([]byte{1, 3, byte(len(data))}, data...)
		mixed = append(append(mixed, one...), two...)
		f.Add(append(one, two...))
	}
	f.Add(mixed)
	f.Fuzz(func(t *testing.T, data []byte) {
		w := fuzzWindow(data)
		_ = w.String()
		in := 0
		for _, flight := range w.Flights() {
			in += len(flight.Hops)
			_ = flight.String()
			m := Match{Kind: flight.First().Kind, Src: flight.First().Src, TTL: flight.First().TTL}
			if diff := m.Diff(flight.First()); len(diff) > 0 {
				t.Fatalf("%v differs from itself: %v", flight.First(), diff)
			}
		}
		if in != w.Len() {
			t.Fatalf("%d packets are in flights, of %d", in, w.Len())
		}
		if err := w.WritePcapng(io.Discard, CommentPackets((*Packet).Reason)); err != nil {
			t.Fatal(err)
		}
		for _, p := range w.Packets() {
			if line := p.String(); strings.Contains(line, "%!") || strings.Contains(line, "\n") {
				t.Fatalf("the line of a packet is %q", line)
			}
			_, _, _ = p.Housekeeping(), p.Cut(), p.Decoded()
		}
	})
}

// FuzzReadPcapng reads recordings that somebody else wrote, or cut, or made up.
// What could be read can be told, and written again.
func FuzzReadPcapng(f *testing.F) {
	var whole bytes.Buffer
	for _, data := range samples(f) {
		p := &Packet{Node: "ns0", Interface: "eth0", Index: 1, Direction: Out, Time: epoch, Data: data, Length: len(data)}
		p.decode()
		if err := NewWindow(p).WritePcapng(&whole); err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(whole.Bytes()))
		whole.Reset()
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		w, _, err := ReadPcapng(bytes.NewReader(data))
		if err != nil && err.Error() == "" {
			t.Fatal("the error is empty")
		}
		_ = w.String()
		for _, p := range w.Packets() {
			_ = p.Layers()
		}
	})
}
