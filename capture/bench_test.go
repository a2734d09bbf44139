package capture

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkRecording is what a lab of three nodes pays: attaching the first
// node, which takes a thread, each further one, and the end. One recording
// follows the other at once, so that threads that end are in the way of those
// that start, as in a package of short tests.
func BenchmarkRecording(b *testing.B) {
	var hosts []*host
	for _, name := range []string{"a", "b", "c"} {
		hosts = append(hosts, newHost(b, name))
	}
	var first, more, end time.Duration
	for b.Loop() {
		r := New()
		start := time.Now()
		attach(b, r, hosts[0])
		one := time.Now()
		attach(b, r, hosts[1:]...)
		all := time.Now()
		r.Close()
		first += one.Sub(start)
		more += all.Sub(one) / 2
		end += time.Since(all)
	}
	b.ReportMetric(float64(first.Nanoseconds())/float64(b.N), "ns/first")
	b.ReportMetric(float64(more.Nanoseconds())/float64(b.N), "ns/further")
	b.ReportMetric(float64(end.Nanoseconds())/float64(b.N), "ns/close")
}

func BenchmarkDrainEmpty(b *testing.B) { benchmarkDrain(b, 0) }

func BenchmarkDrain10(b *testing.B) { benchmarkDrain(b, 10) }

func benchmarkDrain(b *testing.B, packets int) {
	h, far := pair(b)
	far.listenUDP("10.0.0.2:9")
	r := recording(b, h, far)
	conn := h.udp("10.0.0.2:9")
	var drains time.Duration
	for b.Loop() {
		for range packets / 2 { // each is seen twice
			send(b, conn, "x")
		}
		start := time.Now()
		if err := r.Drain(); err != nil {
			b.Fatal(err)
		}
		drains += time.Since(start)
	}
	b.ReportMetric(float64(drains.Nanoseconds())/float64(b.N), "ns/drain")
}

func BenchmarkSettle(b *testing.B) {
	h, far := pair(b)
	r := recording(b, h, far)
	for b.Loop() {
		if err := r.Settle(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead is how fast packets are read that are queued already, in a
// socket's queue and in a ring.
func BenchmarkRead(b *testing.B) {
	b.Run("socket", func(b *testing.B) { benchmarkRead(b) })
	b.Run("ring", func(b *testing.B) { benchmarkRead(b, Ring(1<<20), Keep(128, 128)) })
}

func benchmarkRead(b *testing.B, options ...Option) {
	h, far := pair(b)
	far.listenUDP("10.0.0.2:9")
	r := New(options...)
	defer r.Close()
	attach(b, r, h)
	conn := h.udp("10.0.0.2:9")
	const queued = 1000
	var reading time.Duration
	for b.Loop() {
		release := hold(r.taps[0])
		for range queued {
			send(b, conn, "x")
		}
		release()
		start := time.Now()
		require.NoError(b, r.Drain())
		reading += time.Since(start)
	}
	require.Empty(b, r.Dropped())
	b.ReportMetric(float64(reading.Nanoseconds())/(queued*float64(b.N)), "ns/packet")
}

// BenchmarkBulk is how fast TCP runs through recorded nodes.
func BenchmarkBulk(b *testing.B) {
	h, far := pair(b)
	r := New()
	defer r.Close()
	attach(b, r, h, far)
	var listener net.Listener
	require.NoError(b, far.ns.Do(func() (err error) {
		listener, err = net.Listen("tcp4", "10.0.0.2:80")
		return err
	}))
	defer listener.Close()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			_, _ = io.Copy(io.Discard, conn) // ends with the client
			conn.Close()
		}
	}()
	var client net.Conn
	require.NoError(b, h.ns.Do(func() (err error) {
		client, err = net.Dial("tcp4", "10.0.0.2:80")
		return err
	}))
	defer client.Close()
	piece := make([]byte, 1<<20)
	b.SetBytes(int64(len(piece)))
	for b.Loop() {
		if _, err := client.Write(piece); err != nil {
			b.Fatal(err)
		}
	}
	lost := 0
	for _, d := range r.Dropped() {
		lost += d.Packets
	}
	b.ReportMetric(float64(lost), "lost")
}
