package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ReadPcapng reads a pcapng file, of [Window.WritePcapng] or another's: its
// packets, and the comments of its sections. Interfaces called "node:interface"
// are those of nodes; of others the node has no name. Packets of link layers
// other than Ethernet and raw IP are left out.
//
// Of a file that is cut or damaged it returns what comes before, and an error.
func ReadPcapng(from io.Reader) (Window, []string, error) {
	r := &pcapngReader{from: bufio.NewReader(from), order: binary.LittleEndian}
	var err error
	for err == nil {
		err = r.block()
	}
	if errors.Is(err, io.EOF) {
		err = nil
		if r.blocks == 0 {
			err = errors.New("it is empty")
		}
	}
	if err != nil {
		err = fmt.Errorf("read pcapng, block %d: %w", r.blocks+1, err)
	}
	return NewWindow(r.packets...), r.comments, err
}

type pcapngReader struct {
	from       *bufio.Reader
	order      binary.ByteOrder
	blocks     int
	interfaces []readInterface // of the section
	packets    []*Packet
	comments   []string
}

type readInterface struct {
	node, name string
	link       uint16
	unit       uint64 // ticks of the clock in a second
}

// mostBlock bounds what is taken for the length of a block: a frame has 64 KiB,
// or some more.
const mostBlock = 16 << 20

// block reads one block (draft-ietf-opsawg-pcapng, section 3.1); io.EOF after the
// last.
func (r *pcapngReader) block() error {
	var head [12]byte
	if _, err := io.ReadFull(r.from, head[:1]); err != nil {
		return err // io.EOF
	}
	if _, err := io.ReadFull(r.from, head[1:]); err != nil {
		return errors.New("the file ends within a block")
	}
	kind := r.order.Uint32(head[:])
	if kind == blockSection { // the same in both orders
		switch {
		case binary.LittleEndian.Uint32(head[8:]) == byteOrderMagic:
			r.order = binary.LittleEndian
		case binary.BigEndian.Uint32(head[8:]) == byteOrderMagic:
			r.order = binary.BigEndian
		default:
			return errors.New("it does not say in which order its bytes are")
		}
		r.interfaces = nil
	} else if r.blocks == 0 {
		return errors.New("it does not begin as such a file")
	}
	length := r.order.Uint32(head[4:])
	if length < 12 || length%4 != 0 || length > mostBlock {
		return fmt.Errorf("a block of %d bytes", length)
	}
	body := make([]byte, length-8)
	copy(body, head[8:])
	if _, err := io.ReadFull(r.from, body[4:]); err != nil {
		return errors.New("the file ends within a block")
	}
	if end := r.order.Uint32(body[len(body)-4:]); end != length {
		return fmt.Errorf("a block of %d bytes ends as one of %d", length, end)
	}
	r.blocks++
	return r.take(kind, body[:len(body)-4])
}

func (r *pcapngReader) take(kind uint32, body []byte) error {
	switch kind {
	case blockSection:
		if len(body) < 16 {
			return errors.New("a section header that is cut")
		}
		r.options(body[16:], func(code uint16, value []byte) {
			if code == optComment {
				r.comments = append(r.comments, string(value))
			}
		})
	case blockInterface:
		if len(body) < 8 {
			return errors.New("an interface description that is cut")
		}
		i := readInterface{link: r.order.Uint16(body), unit: 1e6}
		r.options(body[8:], func(code uint16, value []byte) {
			switch {
			case code == optIfName:
				var named bool
				if i.node, i.name, named = strings.Cut(string(value), ":"); !named {
					i.node, i.name = "", i.node
				}
			case code == optIfResolution && len(value) == 1:
				i.unit = clockUnit(value[0])
			}
		})
		r.interfaces = append(r.interfaces, i)
	case blockPacket:
		return r.packet(body)
	}
	return nil
}

// clockUnit is if_tsresol: a negative power of ten, or of two with the highest
// bit set.
func clockUnit(resolution byte) uint64 {
	base, exponent := uint64(10), int(resolution)
	if resolution&0x80 != 0 {
		base, exponent = 2, int(resolution&0x7f)
	}
	unit := uint64(1)
	for range min(exponent, map[uint64]int{10: 18, 2: 62}[base]) {
		unit *= base
	}
	return unit
}

func (r *pcapngReader) packet(body []byte) error {
	if len(body) < 20 {
		return errors.New("a packet that is cut")
	}
	number, kept, length := r.order.Uint32(body), r.order.Uint32(body[12:]), r.order.Uint32(body[16:])
	data := body[20:]
	if uint64(kept) > uint64(len(data)) {
		return fmt.Errorf("a packet of %d bytes in a block with %d", kept, len(data))
	}
	if uint64(number) >= uint64(len(r.interfaces)) {
		return fmt.Errorf("a packet of interface %d, of %d", number, len(r.interfaces))
	}
	i := r.interfaces[number]
	ticks := uint64(r.order.Uint32(body[4:]))<<32 | uint64(r.order.Uint32(body[8:]))
	p := &Packet{
		Node: i.node, Interface: i.name, Index: int(number), Direction: In, position: len(r.packets),
		Time: time.Unix(int64(ticks/i.unit), int64(float64(ticks%i.unit)/float64(i.unit)*1e9+0.5)),
		Data: data[:kept:kept], Length: max(int(length), int(kept)),
	}
	switch i.link {
	case linkEthernet:
	case linkRawIP:
		p.raw, p.EtherType = true, unix.ETH_P_IP
		if kept > 0 && p.Data[0]>>4 == 6 {
			p.EtherType = unix.ETH_P_IPV6
		}
	default:
		return nil
	}
	rest := min(int(kept+3)&^3, len(data))
	r.options(data[rest:], func(code uint16, value []byte) {
		if code == optFlags && len(value) == 4 && r.order.Uint32(value)&3 == 2 {
			p.Direction = Out
		}
	})
	p.decode()
	r.packets = append(r.packets, p)
	return nil
}

// options calls f for each option, as far as they are whole.
func (r *pcapngReader) options(b []byte, f func(code uint16, value []byte)) {
	for len(b) >= 4 {
		code, length := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
		if code == 0 || len(b) < 4+length {
			return
		}
		f(code, b[4:4+length])
		b = b[min(4+(length+3)&^3, len(b)):]
	}
}
