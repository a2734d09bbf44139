package kernels

import (
	"bufio"
	"compress/gzip"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Suffix of the modules' files in the cache. They are packed by zstd, whatever
// the distribution uses: a machine gets hundreds, holds them in its memory, and
// loads few; and zstd is the fastest to unpack.
const Suffix = ".ko.zst"

func pack(b []byte) []byte {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // only the options can be wrong
	}
	return w.EncodeAll(b, nil)
}

// Unpack is the content of a module's file.
func Unpack(b []byte) ([]byte, error) {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.DecodeAll(b, nil)
}

// decompress reads what was packed by xz, zstd or gzip, told by its first
// bytes and not by a name; anything else is read as it is.
func decompress(r io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	magic, err := b.Peek(6)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case hasMagic(magic, "\xfd7zXZ\x00"):
		x, err := xz.NewReader(b)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(x), nil
	case hasMagic(magic, "\x28\xb5\x2f\xfd"):
		z, err := zstd.NewReader(b)
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case hasMagic(magic, "\x1f\x8b"):
		return gzip.NewReader(b)
	default:
		return io.NopCloser(b), nil
	}
}
