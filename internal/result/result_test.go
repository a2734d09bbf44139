package result

import (
	"os"
	"testing"

	"github.com/netrig/netrig/internal/journal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The files of a test's labs stand beside one another, each set by its number.
func TestPlaces(t *testing.T) {
	folder := t.TempDir()
	for number := 1; number <= 11; number++ {
		p, err := NewPlace(folder)
		require.NoError(t, err)
		assert.Equal(t, number, p.Number)
		require.NoError(t, p.Finish(&Test{Header: journal.Header{Version: Version}, Name: "TestX"}))
	}
	for path, want := range map[string]struct {
		number int
		name   string
	}{
		"/x/story.txt": {1, "story.txt"}, "/x/story-2.txt": {2, "story.txt"}, "/x/lab-11.pcapng": {11, "lab.pcapng"},
		"/x/before-after.txt": {1, "before-after.txt"}, "/x/a-1.txt": {1, "a-1.txt"}, "/x/-2.txt": {1, "-2.txt"},
	} {
		p, name := PlaceOf(path)
		assert.Equal(t, want.number, p.Number, path)
		assert.Equal(t, want.name, name, path)
		assert.Equal(t, path, p.Path(name), "and back")
	}
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, files, 22, "nothing else is left: %v", files)

	_, err = NewPlace(folder + "/none")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A link that somebody has put there is not followed.
func TestNoLinkIsFollowed(t *testing.T) {
	folder, elsewhere := t.TempDir(), t.TempDir()+"/precious"
	require.NoError(t, os.WriteFile(elsewhere, []byte("precious"), 0o600))
	p, err := NewPlace(folder)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(elsewhere, p.Path(PacketsFile)))
	require.ErrorIs(t, p.Write(PacketsFile, []byte("x")), unix.ELOOP)
	content, err := os.ReadFile(elsewhere)
	require.NoError(t, err)
	assert.Equal(t, "precious", string(content))
}
