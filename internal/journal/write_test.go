package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWriteAndRead(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "not", "there")
	w, err := NewWriter(folder)
	require.NoError(t, err)

	one := w.Test("TestRouter/IPv4")
	one.Outcome = Passed
	one.Labs = []*Lab{{Timers: "fast", Steps: []*Step{{Verbs: []Verb{{Verb: "Reachable", From: "ns0", Saw: map[string]string{"ttl": "63"}}}}}}}
	require.NoError(t, w.Write(one))
	require.NoError(t, w.Write(one), "a second run keeps the first")
	p := w.Process()
	p.Sysctls = map[string]string{"net.ipv4.ip_default_ttl": "64"}
	require.NoError(t, w.Write(p))

	f, err := Read(folder)
	require.NoError(t, err)
	require.Len(t, f.Tests, 2)
	assert.Equal(t, one, f.Tests[0])
	assert.Equal(t, one, f.Tests[1])
	assert.Equal(t, []*Process{p}, f.Processes)
	assert.True(t, strings.HasSuffix(one.Package, "internal/journal"), one.Package)
	assert.NotEmpty(t, one.Kernel)
}

// Many at once, of the same test too: nothing is lost, half written or left.
func TestWriteAtOnce(t *testing.T) {
	folder := t.TempDir()
	const writers, runs = 4, 25
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			w, err := NewWriter(folder)
			assert.NoError(t, err)
			for range runs {
				assert.NoError(t, w.Write(w.Test("TestSame")))
			}
		})
	}
	all.Wait()
	f, err := Read(folder)
	require.NoError(t, err)
	assert.Len(t, f.Tests, writers*runs)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, entries, writers*runs, "no temporary file is left")
}

func TestFileNames(t *testing.T) {
	assert.Equal(t, "scenarios.TestX_a_b", fileName("scenarios.TestX/a b"))
	long := strings.Repeat("x", 300)
	assert.Less(t, len(fileName(long+"a")), 210)
	assert.NotEqual(t, fileName(long+"a"), fileName(long+"b"))
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"nothing":         {"", "holds no journal of a test: make some with `NETRIG_JOURNAL="},
		"damaged":         {`{"version":2,"te`, "is damaged"},
		"another version": {`{"version":99,"test":"TestX"}`, "no journal of version 2, but of version 99: run the tests again"},
		"something else":  {`{"version":2}`, "names no test"},
	} {
		folder := t.TempDir()
		if c.content != "" {
			require.NoError(t, os.WriteFile(filepath.Join(folder, "a.json"), []byte(c.content), 0o600))
		}
		_, err := Read(folder)
		assert.ErrorContains(t, err, c.want, name)
	}
	_, err := Read(filepath.Join(t.TempDir(), "missing"))
	assert.ErrorContains(t, err, "no such file")
}

func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := NewWriter(filepath.Join(file, "folder"))
	assert.ErrorContains(t, err, Variable+": the folder of the journals can't be made")
}

func TestSortNumbersThoseOfOneName(t *testing.T) {
	object := func(state string) Object {
		return Object{Kind: Connection, Name: "tcp a > b", Fields: map[string]string{"state": state}}
	}
	one, other := []Object{object("CLOSE"), object("TIME_WAIT")}, []Object{object("TIME_WAIT"), object("CLOSE")}
	Sort(one)
	Sort(other)
	assert.Equal(t, one, other, "whatever their order was")
	assert.Equal(t, "tcp a > b #2", one[1].Name)
	assert.Equal(t, "tcp a > b", one[0].Name, fmt.Sprint(one))
}
