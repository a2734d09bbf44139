//go:build machine

package matrix

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// module makes a module with a package whose tests write a file when they run.
func module(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"go.mod":             "module example.org/m\n\ngo 1.26\n",
		"lan/lan_test.go":    "package lan\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestA(t *testing.T) { os.WriteFile(\"ran\", nil, 0o644) }\nfunc TestB(t *testing.T) {}\nfunc BenchmarkA(b *testing.B) {}\n",
		"none/none.go":       "package none\n",
		"wan/wan_test.go":    "package wan_test\n\nimport \"testing\"\n\nfunc TestC(t *testing.T) {}\n",
		"bad/broken_test.go": "package bad\n\nfunc {\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

func TestBuild(t *testing.T) {
	dir := module(t)
	t.Chdir(dir)
	tests := func(c Config) (names []string, err error) {
		all, err := build(context.Background(), &c, t.TempDir())
		for _, b := range all {
			for _, name := range b.tests {
				names = append(names, b.name+"."+name)
			}
		}
		return names, err
	}
	names, err := tests(Config{Packages: []string{"./lan", "./wan", "./none"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"lan.TestA", "lan.TestB", "wan.TestC"}, names)
	assert.NoFileExists(t, filepath.Join(dir, "lan", "ran"), "they are listed, not run")

	names, err = tests(Config{Packages: []string{"./lan", "./wan"}, Run: "TestA|TestC/sub", Skip: "C$"})
	require.NoError(t, err)
	assert.Equal(t, []string{"lan.TestA"}, names)

	_, err = tests(Config{Packages: []string{"./lan"}, Run: "TestNo"})
	assert.ErrorContains(t, err, `no test in ./lan matches (-run "TestNo", -skip "")`)
	_, err = tests(Config{Packages: []string{"./bad"}})
	assert.ErrorContains(t, err, "broken_test.go:3")
	_, err = tests(Config{Packages: []string{"./missing"}})
	assert.ErrorContains(t, err, "./missing")
}
