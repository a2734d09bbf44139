package wire

import (
	"bytes"
	"testing"
)

// FuzzRead reads records. What can be read can be sent again as it was.
func FuzzRead(f *testing.F) {
	f.Add([]byte{'x', 2, 0, 0, 0, '{', '}'})
	f.Add([]byte{'o', 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{'b', 0, 0, 0, 0, 'o', 1, 0})
	f.Fuzz(func(t *testing.T, said []byte) {
		r := bytes.NewReader(said)
		var again bytes.Buffer
		w := NewWriter(&again)
		for {
			kind, content, err := Read(r)
			if err != nil {
				break
			}
			if err := w.Send(kind, content); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(said, again.Bytes()) {
			t.Fatalf("%x was read as %x", said, again.Bytes())
		}
	})
}
