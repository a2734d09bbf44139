package report

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/netrig/netrig/internal/result"
	"github.com/stretchr/testify/require"
)

// FuzzReport reads the files of a test that somebody has cut or changed. There is
// a page whatever they say.
func FuzzReport(f *testing.F) {
	dir := f.TempDir()
	f.Add([]byte(`{"version":1,"package":"p","test":"TestX","outcome":"fail","steps":[{"name":"s","asked":[{"verb":"Reachable","saw":{"ttl":"64"}}]}]}`),
		[]byte(`{"Version":1,"Nodes":[{"Name":"a","Links":[{"Name":"eth0","Peer":"b:eth0","Master":"br0"}]},{"Name":"a"}]}`),
		[]byte(`{"Version":1,"States":[{"Step":"built","Facts":{"Nodes":null}}]}`))
	f.Add([]byte(`{"version":9,"steps":[null,{}],"interfaces":[{}]}`), []byte(`{"Facts":null}`), []byte(`{"States":[{}]}`))
	f.Add([]byte(`{`), []byte(``), []byte(`[]`))
	f.Fuzz(func(t *testing.T, test, state, steps []byte) {
		for name, text := range map[string][]byte{result.TestFile: test, result.StateFile: state, result.StepsFile: steps, result.StoryFile: test} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
		}
		sets, denied, err := read(dir)
		require.NoError(t, err)
		require.Empty(t, denied)
		var page bytes.Buffer
		require.NoError(t, write(&page, sets, nil))
		require.Contains(t, page.String(), "</html>")
	})
}
