package capture

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"strings"
)

// PcapngOption adds something to a file.
type PcapngOption func(*pcapng)

// Comment adds a comment to the file, as the name of the test that it is of.
func Comment(text string) PcapngOption {
	return func(f *pcapng) { f.comments = append(f.comments, text) }
}

// CommentPackets adds to each packet the comment that f has for it, none if
// that is empty.
func CommentPackets(f func(*Packet) string) PcapngOption {
	return func(file *pcapng) { file.packetComment = f }
}

// WritePcapng drains, and writes everything that was recorded as a pcapng
// file; see [Window.WritePcapng]. Gaps of the recording are told in comments.
func (r *Recording) WritePcapng(w io.Writer, o ...PcapngOption) error {
	for _, d := range r.Dropped() {
		o = append(o, Comment(d.String()))
	}
	return r.All().WritePcapng(w, o...)
}

// WritePcapng writes the window as a pcapng file
// (draft-ietf-opsawg-pcapng), for Wireshark and tshark: with an interface
// "node:interface" for each that was seen, the direction of each packet, and
// times in nanoseconds.
func (w Window) WritePcapng(to io.Writer, o ...PcapngOption) error {
	out := bufio.NewWriter(to)
	f := &pcapng{w: out, interfaces: map[pcapngInterface]uint32{}}
	for _, set := range o {
		set(f)
	}
	f.section()
	for _, p := range w.all() {
		f.packet(p)
	}
	if err := out.Flush(); err != nil { // a bufio.Writer keeps its first error
		return fmt.Errorf("write pcapng: %w", err)
	}
	return nil
}

// pcapng writes one section. Numbers are little-endian; the section header
// tells so.
type pcapng struct {
	w             *bufio.Writer
	comments      []string
	packetComment func(*Packet) string
	interfaces    map[pcapngInterface]uint32
}

type pcapngInterface struct {
	node, name string
	link       uint16
}

var le = binary.LittleEndian

// Types of blocks and options, and link types, by the draft's sections 4 and 3.5
// and its registry of link types.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 6

	byteOrderMagic = 0x1a2b3c4d

	optComment      = 1
	optUserApp      = 4 // section header
	optOS           = 3 // section header
	optIfName       = 2 // interface description
	optIfResolution = 9 // interface description
	optFlags        = 2 // enhanced packet

	linkEthernet = 1
	linkRawIP    = 101
)

func (f *pcapng) section() {
	b := le.AppendUint32(nil, byteOrderMagic)
	b = le.AppendUint16(b, 1) // version 1.0
	b = le.AppendUint16(b, 0)
	b = le.AppendUint64(b, ^uint64(0)) // length not told
	for _, text := range f.comments {
		b = option(b, optComment, []byte(text))
	}
	b = option(b, optOS, []byte(runtime.GOOS+"/"+runtime.GOARCH))
	b = option(b, optUserApp, []byte("netrig"))
	f.block(blockSection, b)
}

// number gives the interface's number in the section, and describes it first
// if it is new.
func (f *pcapng) number(p *Packet) uint32 {
	i := pcapngInterface{p.Node, p.Interface, linkEthernet}
	if p.raw {
		i.link = linkRawIP
	}
	number, known := f.interfaces[i]
	if known {
		return number
	}
	number = uint32(len(f.interfaces))
	f.interfaces[i] = number
	b := le.AppendUint16(nil, i.link)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(b, 0) // no limit on the length
	b = option(b, optIfName, []byte(p.Where()))
	b = option(b, optIfResolution, []byte{9}) // 10^-9 seconds
	f.block(blockInterface, b)
	return number
}

func (f *pcapng) packet(p *Packet) {
	number := f.number(p)
	at := uint64(p.Time.UnixNano())
	b := le.AppendUint32(make([]byte, 0, len(p.Data)+64), number)
	b = le.AppendUint32(b, uint32(at>>32))
	b = le.AppendUint32(b, uint32(at))
	b = le.AppendUint32(b, uint32(len(p.Data)))
	b = le.AppendUint32(b, uint32(p.Length))
	b = pad(append(b, p.Data...), len(p.Data))
	flags := uint32(1) // inbound
	if p.Direction == Out {
		flags = 2
	}
	b = option(b, optFlags, le.AppendUint32(nil, flags))
	if f.packetComment != nil {
		if text := f.packetComment(p); text != "" {
			b = option(b, optComment, []byte(text))
		}
	}
	f.block(blockPacket, b)
}

// block writes a block, whose body ends in options.
func (f *pcapng) block(kind uint32, body []byte) {
	body = le.AppendUint32(body, 0) // end of options
	size := uint32(len(body) + 12)
	var head [8]byte
	le.PutUint32(head[:], kind)
	le.PutUint32(head[4:], size)
	// Errors stay in the bufio.Writer, for its Flush.
	_, _ = f.w.Write(head[:])
	_, _ = f.w.Write(body)
	_, _ = f.w.Write(le.AppendUint32(nil, size))
}

// option appends an option. One is at most 65,535 bytes long.
func option(b []byte, code uint16, value []byte) []byte {
	if len(value) > 0xffff {
		value = []byte(strings.ToValidUTF8(string(value[:0xffff]), ""))
	}
	b = le.AppendUint16(b, code)
	b = le.AppendUint16(b, uint16(len(value)))
	return pad(append(b, value...), len(value))
}

// pad fills up to a multiple of four what was n bytes long.
func pad(b []byte, n int) []byte {
	for ; n%4 != 0; n++ {
		b = append(b, 0)
	}
	return b
}
