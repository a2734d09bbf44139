package wire

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecords(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	long := bytes.Repeat([]byte("x"), 2*maxRecord+1)
	require.NoError(t, w.Send(KindBeat, nil))
	require.NoError(t, w.Send(KindOut, long))
	require.NoError(t, w.SendJSON(KindEnd, End{Status: 3}))
	whole := b.Bytes()

	r := bytes.NewReader(whole)
	k, content, err := Read(r)
	require.NoError(t, err)
	assert.Equal(t, KindBeat, k)
	assert.Empty(t, content)
	var got []byte
	for range 3 { // split, in order
		k, content, err = Read(r)
		require.NoError(t, err)
		assert.Equal(t, KindOut, k)
		got = append(got, content...)
	}
	assert.Equal(t, long, got)
	k, content, err = Read(r)
	require.NoError(t, err)
	assert.Equal(t, KindEnd, k)
	assert.Contains(t, string(content), `"Status":3`)
	_, _, err = Read(r)
	assert.Equal(t, io.EOF, err)

	for _, cut := range []int{3, 5 + 2, len(whole) - 1} {
		r := bytes.NewReader(whole[:cut])
		for err = nil; err == nil; {
			_, _, err = Read(r)
		}
		assert.Equal(t, io.ErrUnexpectedEOF, err, "cut at %d", cut)
	}
	_, _, err = Read(bytes.NewReader([]byte("o\xff\xff\xff\xff")))
	assert.ErrorContains(t, err, "a record of kind 'o' claims 4294967295 bytes")
}
