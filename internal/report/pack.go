package report

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/internal/result"
)

// details are what the page unpacks when a test is looked at. Texts that come
// again, as of one packet at several places, stand in a table once, and packets
// are rows of numbers: most of a page would be repetition.
type details struct {
	Explanation string            `json:"explanation,omitempty"`
	Story       string            `json:"story,omitempty"` // where there are no packets
	Topology    string            `json:"topology,omitempty"`
	Ladder      string            `json:"ladder,omitempty"`
	Names       map[string]string `json:"names"` // of addresses
	States      []state           `json:"states"`
	Steps       []step            `json:"steps"`

	Places  []string `json:"places"`  // node:interface
	Strings []string `json:"strings"` // summaries, and frames in base64
	Layers  []layer  `json:"layers"`
	// Packets have: nanoseconds since the first, place, 1 for out, summary, frame,
	// length in bytes, number of the flight, layers.
	Packets []packetRow `json:"packets"`
	Left    int         `json:"left"` // packets that are in the file and not here
}

// packetRow is a packet in numbers.
type packetRow [8]any

// step is a heading among the packets, with what was asked under it.
type step struct {
	Name  string  `json:"name"`
	At    int64   `json:"at"` // nanoseconds since the first packet
	Asked []asked `json:"asked"`
}

type asked struct {
	Text string  `json:"text"`
	Line string  `json:"line"`
	At   int64   `json:"at"`
	Took float64 `json:"ms"`
}

// layer is a protocol of a packet, with names and values of its fields.
type layer struct {
	Name   string      `json:"name"`
	Fields [][2]string `json:"fields"`
}

// mostPackets bounds what the page shows of one lab.
const mostPackets = 50_000

// details puts together what the page shows of a set.
func (s *set) details() *details {
	s.draw()
	d := &details{
		Explanation: s.explanation, Topology: s.topology, Ladder: s.ladder,
		Names: s.namesOf(), States: s.states(), Packets: []packetRow{},
	}
	packets := s.packets.Packets()
	if len(packets) == 0 {
		d.Story = s.story
	}
	if len(packets) > mostPackets {
		d.Left = len(packets) - mostPackets
		packets = packets[:mostPackets]
	}
	zero := s.test.Began
	if len(packets) > 0 {
		zero = packets[0].Time
	}
	d.steps(s.test.Steps, zero)
	d.packets(packets, capture.NewWindow(packets...), zero)
	return d
}

func (d *details) steps(steps []result.Step, zero time.Time) {
	for _, from := range steps {
		to := step{Name: from.Name, At: from.Began.Sub(zero).Nanoseconds()}
		for _, a := range from.Asked {
			text := fmt.Sprintf("%s %s %s", a.Verb.Verb, a.From, a.To)
			for i, name := range []string{"outcome", "state", "said by", "ttl", "mtu", "server saw"} {
				if v := a.Saw[name]; v != "" {
					text += map[bool]string{true: ": ", false: ", "}[i < 2]
					if i >= 2 {
						text += name + " "
					}
					text += v
				}
			}
			to.Asked = append(to.Asked, asked{text, a.Line, a.Began.Sub(zero).Nanoseconds(), a.Took})
		}
		d.Steps = append(d.Steps, to)
	}
}

func (d *details) packets(packets []*capture.Packet, window capture.Window, zero time.Time) {
	places, texts, layers, flights := table[string]{}, table[string]{}, table[string]{}, table[*capture.Flight]{}
	for _, p := range packets {
		var of []int
		for _, l := range p.Layers() {
			one := layer{Name: l.Name}
			for _, f := range l.Fields {
				one.Fields = append(one.Fields, [2]string{f.Name, f.Value})
			}
			of = append(of, layers.number(fmt.Sprint(one), func() { d.Layers = append(d.Layers, one) }))
		}
		text := func(text string) int {
			return texts.number(text, func() { d.Strings = append(d.Strings, text) })
		}
		out := 0
		if p.Direction == capture.Out {
			out = 1
		}
		d.Packets = append(d.Packets, packetRow{
			p.Time.Sub(zero).Nanoseconds(),
			places.number(p.Where(), func() { d.Places = append(d.Places, p.Where()) }),
			out, text(p.Summary(capture.Names{})), text(base64.StdEncoding.EncodeToString(p.Data)), p.Length,
			flights.number(window.Follow(p), func() {}), of,
		})
	}
}

// table numbers values in the order in which they come.
type table[T comparable] map[T]int

// number is the number of a value; of one that is new, after add was called.
func (t table[T]) number(value T, add func()) int {
	n, known := t[value]
	if !known {
		n = len(t)
		t[value] = n
		add()
	}
	return n
}

// pack is a value as the page unpacks it: JSON, gzip, base64.
func pack(what any) (string, error) {
	raw, err := json.Marshal(what)
	if err != nil {
		return "", err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := z.Write(raw); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(packed.Bytes()), nil
}
