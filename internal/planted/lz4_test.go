package planted

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lz4Magic begins the form in which kernels are packed (the "legacy frame" of
// LZ4's description: blocks of up to 8 MB, each with its length before it).
const lz4Magic = 0x184c2102

var errLZ4 = errors.New("the LZ4 data is damaged")

// unpackLZ4 unpacks a legacy frame of the size given.
func unpackLZ4(b []byte, size int) ([]byte, error) {
	if len(b) < 4 || binary.LittleEndian.Uint32(b) != lz4Magic {
		return nil, errLZ4
	}
	out := make([]byte, 0, size)
	for b = b[4:]; len(out) < size; {
		if len(b) < 4 {
			return nil, errLZ4
		}
		n := int(binary.LittleEndian.Uint32(b))
		if b = b[4:]; n > len(b) {
			return nil, errLZ4
		}
		start := len(out)
		var err error
		if out, err = unpackBlock(out, start, b[:n]); err != nil {
			return nil, err
		}
		b = b[n:]
	}
	if len(out) != size {
		return nil, errLZ4
	}
	return out, nil
}

// unpackBlock appends a block: literals, then a copy of what was written before,
// over and over. What is copied lies after start.
func unpackBlock(out []byte, start int, b []byte) ([]byte, error) {
	length := func(n int) int { // 15 means that more follows
		for more := n == 15; more; {
			if len(b) == 0 {
				return -1
			}
			n += int(b[0])
			more = b[0] == 255
			b = b[1:]
		}
		return n
	}
	for len(b) > 0 {
		token := b[0]
		b = b[1:]
		literals := length(int(token >> 4))
		if literals < 0 || literals > len(b) {
			return nil, errLZ4
		}
		out, b = append(out, b[:literals]...), b[literals:]
		if len(b) == 0 {
			return out, nil // the last one has no copy
		}
		if len(b) < 2 {
			return nil, errLZ4
		}
		back := int(binary.LittleEndian.Uint16(b))
		b = b[2:]
		n := length(int(token & 15))
		if n < 0 || back == 0 || back > len(out)-start {
			return nil, errLZ4
		}
		for range n + 4 {
			out = append(out, out[len(out)-back])
		}
	}
	return out, nil
}

func TestUnpackLZ4(t *testing.T) {
	frame := func(block ...byte) []byte {
		b := binary.LittleEndian.AppendUint32(nil, lz4Magic)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(block)))
		return append(b, block...)
	}
	// "abc", 7 bytes from 3 back, and the last literal.
	got, err := unpackLZ4(frame(0x33, 'a', 'b', 'c', 3, 0, 0x10, '!'), 11)
	require.NoError(t, err)
	assert.Equal(t, "abcabcabca!", string(got))
	// A length of more than 15.
	got, err = unpackLZ4(frame(append([]byte{0xf0, 1}, "0123456789abcdef"...)...), 16)
	require.NoError(t, err)
	assert.Equal(t, "0123456789abcdef", string(got))
	for _, damaged := range [][]byte{nil, frame(0x33, 'a'), frame(0x13, 'a', 2, 0), frame(0x13, 'a', 0, 0), frame(0xf0), frame(0x10, 'a')[:9]} {
		_, err := unpackLZ4(damaged, 11)
		assert.Error(t, err, "%x", damaged)
	}
}
