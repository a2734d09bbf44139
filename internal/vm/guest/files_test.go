package guest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netrig/netrig/internal/vm/wire"
)

// stream is where records go.
type stream struct {
	mu sync.Mutex
	bytes.Buffer
	arrived chan struct{} // a file's content
}

func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if wire.Kind(b[0]) == wire.KindData {
		defer func() { s.arrived <- struct{}{} }()
	}
	return s.Buffer.Write(b)
}

// What is streamed comes while the tests run, once and whole, and takes no memory
// any more; the rest comes at the end.
func TestHomeward(t *testing.T) {
	streamed, others := t.TempDir(), t.TempDir()
	put := func(dir, name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		return file
	}
	old := put(others, "old", "as it was")
	s := &stream{arrived: make(chan struct{}, 10)}
	h := newHomeward(wire.NewWriter(s), []wire.Return{{Dir: others}, {Dir: streamed, Stream: true}})
	unfinished, whole := put(streamed, ".writing-1", "not whole"), put(streamed, "a.json", "whole")
	later := put(others, "new", "of the end")
	<-s.arrived
	require.NoError(t, h.rest())

	got := map[string]string{}
	var name string
	for {
		kind, content, err := wire.Read(&s.Buffer)
		if err != nil {
			break
		}
		if kind == wire.KindFile {
			var head wire.File
			require.NoError(t, json.Unmarshal(content, &head))
			name = head.Path
			assert.NotContains(t, got, name, "each once")
			got[name] = ""
			continue
		}
		got[name] += string(content)
	}
	assert.Equal(t, map[string]string{whole: "whole", later: "of the end", unfinished: "not whole"}, got)
	assert.NotContains(t, got, old)
	info, err := os.Stat(whole)
	require.NoError(t, err)
	assert.Zero(t, info.Size(), "its memory is free")
}
