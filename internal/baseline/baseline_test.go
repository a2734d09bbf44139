package baseline

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netrig/netrig/internal/journal"
)

func run(name, reason string) *journal.Test {
	return &journal.Test{
		Header: journal.Header{Version: journal.Version, Package: "example.org/m/lan", Kernel: "6.12.0"}, Name: name, Outcome: journal.Passed, Reason: reason,
		Times: []journal.Time{{What: "the test", Took: 1}},
	}
}

func alike(a, b *journal.Test) bool { return a.Reason == b.Reason }

func TestWriteAndRead(t *testing.T) {
	header := journal.Header{Version: journal.Version, Package: "example.org/m/lan", Kernel: "6.12.0"}
	f := &journal.Folder{
		Path:      "x",
		Tests:     []*journal.Test{run("TestB", "one"), run("TestA", "one"), run("TestB", "other"), run("TestB", "one")},
		Processes: []*journal.Process{{Header: header, Sysctls: map[string]string{"net.ipv4.ip_forward": "0"}}},
		Systems:   []*journal.System{{Header: header, Name: "debian/trixie", Configuration: map[string]string{"CONFIG_VETH": "m"}}},
	}
	dir := filepath.Join(t.TempDir(), "made")
	file := filepath.Join(dir, "6.12.0"+Extension)
	require.NoError(t, Write(file, f, alike))
	got, err := Read(file)
	require.NoError(t, err)
	var names []string
	for _, j := range got.Tests {
		names = append(names, j.Name+" "+j.Reason)
		assert.Empty(t, j.Times, "they are never the same")
	}
	assert.Equal(t, []string{"TestA one", "TestB one", "TestB one", "TestB other"}, names, "each run, in an order of its own")
	assert.Equal(t, f.Processes, got.Processes)
	assert.Equal(t, f.Systems, got.Systems)
	assert.Equal(t, file, got.Path)

	// The same again is the same, byte for byte.
	first, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, Write(file, got, alike))
	second, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, first, second)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o644))
	files, err := Files(dir)
	require.NoError(t, err)
	assert.Equal(t, []string{file}, files, "and no unfinished one")
	none, err := Files(filepath.Join(dir, "none"))
	assert.NoError(t, err)
	assert.Empty(t, none)
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x"+Extension)
	_, err := Read(file)
	assert.ErrorIs(t, err, os.ErrNotExist)
	for name, c := range map[string]struct {
		text string
		says string
	}{
		"no archive": {"not packed", "it is damaged"},
		"empty":      {"", "holds no journal"},
	} {
		require.NoError(t, os.WriteFile(file, []byte(c.text), 0o644))
		_, err := Read(file)
		assert.ErrorContains(t, err, c.says, name)
		assert.ErrorContains(t, err, file, name)
	}
	old := run("TestA", "")
	old.Version = journal.Version + 1
	require.NoError(t, Write(file, &journal.Folder{Tests: []*journal.Test{old}}, alike))
	_, err = Read(file)
	assert.ErrorContains(t, err, "is no journal of version")
	assert.ErrorContains(t, Write("/proc/none/x", &journal.Folder{}, alike), "make a place for journals")
}
