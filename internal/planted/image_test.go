//go:build machine

package planted

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// image is a kernel without its packing, an ELF file, in which code can be
// changed. qemu starts that too, by the entry that CONFIG_PVH gives it.
type image struct {
	bytes   []byte
	symbols map[string]uint64 // by name: /proc/kallsyms of a machine without kaslr
}

// unpackImage takes the ELF file out of a bzImage
// (Documentation/arch/x86/boot.rst: setup_sects, payload_offset and
// payload_length; the size of what is packed is at its end).
func unpackImage(file string) (*image, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	begin := (int(b[0x1f1])+1)*512 + int(binary.LittleEndian.Uint32(b[0x248:]))
	payload := b[begin : begin+int(binary.LittleEndian.Uint32(b[0x24c:]))]
	size := binary.LittleEndian.Uint32(payload[len(payload)-4:])
	out, err := unpackLZ4(payload[:len(payload)-4], int(size))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: these tests want a kernel packed by LZ4, such as bookworm's", file, err)
	}
	return &image{bytes: out}, nil
}

// readSymbols takes the addresses from the text of /proc/kallsyms.
func (i *image) readSymbols(text []byte) error {
	i.symbols = map[string]uint64{}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) != 3 { // four: it is of a module
			continue
		}
		at, err := strconv.ParseUint(f[0], 16, 64)
		if err != nil {
			return err
		}
		i.symbols[f[2]] = at
	}
	return nil
}

func (i *image) clone() *image { return &image{bytes.Clone(i.bytes), i.symbols} }

// code is the code of a function, up to a length; to write there changes it.
func (i *image) code(function string, length int) ([]byte, error) {
	at, ok := i.symbols[function]
	if !ok {
		return nil, fmt.Errorf("the kernel has no function %s", function)
	}
	f, err := elf.NewFile(bytes.NewReader(i.bytes))
	if err != nil {
		return nil, err
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && at >= p.Vaddr && at+uint64(length) <= p.Vaddr+p.Filesz {
			from := p.Off + at - p.Vaddr
			return i.bytes[from : from+uint64(length)], nil
		}
	}
	return nil, fmt.Errorf("%s is at %#x, in no segment of the image", function, at)
}

// entry is the offset of a function's own code: the kernel's tracer has the 5
// bytes before (call __fentry__), which it checks and rewrites.
func entry(code []byte) (int, error) {
	at := 0
	if bytes.HasPrefix(code, []byte{0xf3, 0x0f, 0x1e, 0xfa}) { // endbr64
		at = 4
	}
	if code[at] != 0xe8 && !bytes.HasPrefix(code[at:], []byte{0x0f, 0x1f, 0x44, 0x00, 0x00}) {
		return 0, fmt.Errorf("it begins by % x, and not by the call of the tracer", code[:8])
	}
	return at + 5, nil
}

// returns makes a function do nothing but return a value.
func (i *image) returns(function string, value int32) error {
	code, err := i.code(function, 32)
	if err != nil {
		return err
	}
	at, err := entry(code)
	if err != nil {
		return fmt.Errorf("%s: %w", function, err)
	}
	copy(code[at:], returning(value))
	return nil
}

// returning is code: mov eax, value; ret.
func returning(value int32) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte{0xb8}, uint32(value)), 0xc3)
}

// replace changes bytes of a function, which must be there once.
func (i *image) replace(function string, length int, before, after []byte) error {
	code, err := i.code(function, length)
	if err != nil {
		return err
	}
	return replaceOnce(function, code, before, after)
}

func replaceOnce(function string, code, before, after []byte) error {
	if n := bytes.Count(code, before); n != 1 || len(before) != len(after) {
		return fmt.Errorf("% x is %d times in %s, want once", before, n, function)
	}
	copy(code[bytes.Index(code, before):], after)
	return nil
}

// module is a kernel module's file, in which code can be changed.
type module struct{ bytes []byte }

// signed ends a module's file that is signed; before it stand 12 bytes, of which
// the last four are the signature's length (module_signature.h).
const signed = "~Module signature appended~\n"

// unsign takes the signature away: the kernel loads modules without one, and
// rejects those with a wrong one.
func (m *module) unsign() error {
	rest, ok := bytes.CutSuffix(m.bytes, []byte(signed))
	if !ok {
		return nil
	}
	if len(rest) < 12 {
		return fmt.Errorf("the module's signature is damaged")
	}
	length := int(binary.BigEndian.Uint32(rest[len(rest)-4:]))
	if length > len(rest)-12 {
		return fmt.Errorf("the module's signature is damaged: it claims %d bytes", length)
	}
	m.bytes = rest[:len(rest)-12-length]
	return nil
}

// code is the code of a function of the module. The kernel writes addresses into
// a module's code when it loads it: where it would is left alone (relocated).
func (m *module) code(function string) (code []byte, relocated map[int]bool, err error) {
	f, err := elf.NewFile(bytes.NewReader(m.bytes))
	if err != nil {
		return nil, nil, err
	}
	all, err := f.Symbols()
	if err != nil {
		return nil, nil, err
	}
	for _, s := range all {
		if s.Name != function || elf.ST_TYPE(s.Info) != elf.STT_FUNC {
			continue
		}
		from := f.Sections[s.Section].Offset + s.Value
		relocated = map[int]bool{}
		for _, r := range f.Sections {
			if r.Type != elf.SHT_RELA || int(r.Info) != int(s.Section) {
				continue
			}
			table, err := r.Data()
			if err != nil {
				return nil, nil, err
			}
			for ; len(table) >= 24; table = table[24:] { // Elf64_Rela (elf(5))
				at := int(binary.LittleEndian.Uint64(table)) - int(s.Value)
				for i := range 4 {
					relocated[at+i] = true
				}
			}
		}
		return m.bytes[from : from+s.Size], relocated, nil
	}
	return nil, nil, fmt.Errorf("the module has no function %s", function)
}

// returns is as that of an image.
func (m *module) returns(function string, value int32) error {
	code, relocated, err := m.code(function)
	if err != nil {
		return err
	}
	at, err := entry(code)
	if err != nil {
		return fmt.Errorf("%s: %w", function, err)
	}
	for i := range 6 {
		if relocated[at+i] {
			return fmt.Errorf("%s: the kernel writes an address there", function)
		}
	}
	copy(code[at:], returning(value))
	return nil
}

// replace is as that of an image.
func (m *module) replace(function string, before, after []byte) error {
	code, _, err := m.code(function)
	if err != nil {
		return err
	}
	return replaceOnce(function, code, before, after)
}
