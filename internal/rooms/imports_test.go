// Package rooms holds the test of which package may import which
// (docs/design.md, "The rooms").
package rooms

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/netrig/netrig/"

// allowed are the packages of this module that a package may import outside of
// its tests. Data goes one way: nothing later reaches back.
var allowed = map[string][]string{
	"assert":              {"capture", "harness", "internal/deadline", "internal/explain"},
	"capture":             {"internal/ns"},
	"cmd/netrig":          {"internal/bisect", "internal/compare", "internal/hostconfig", "internal/journal", "internal/kernels", "internal/matrix", "internal/report", "internal/vm", "internal/vm/guest"},
	"harness":             {"capture", "internal/deadline", "internal/drops", "internal/explain", "internal/firewall", "internal/github", "internal/journal", "internal/ladder", "internal/limit", "internal/link", "internal/ns", "internal/result", "internal/sandbox", "internal/topology", "internal/try"},
	"internal/baseline":   {"internal/journal"},
	"internal/bisect":     {"internal/compare", "internal/journal"},
	"internal/compare":    {"internal/baseline", "internal/journal"},
	"internal/deadline":   {"internal/ns"},
	"internal/document":   {"internal/explain", "internal/journal", "internal/topology"},
	"internal/draw":       {},
	"internal/drops":      {},
	"internal/explain":    {"capture"},
	"internal/firewall":   {"internal/deadline", "internal/ns"},
	"internal/github":     {},
	"internal/hostconfig": {"internal/vm/wire"},
	"internal/journal":    {"capture", "internal/limit"},
	"internal/kernels":    {},
	"internal/ladder":     {"capture", "internal/draw", "internal/explain"},
	"internal/limit":      {},
	"internal/link":       {"internal/ns"},
	"internal/matrix":     {"internal/baseline", "internal/compare", "internal/hostconfig", "internal/journal", "internal/kernels", "internal/vm"},
	"internal/ns":         {},
	"internal/oracle":     {"harness", "internal/deadline", "internal/link", "internal/ns", "internal/sandbox"},
	"internal/planted":    {},
	"internal/report":     {"capture", "internal/explain", "internal/journal", "internal/ladder", "internal/result", "internal/topology"},
	"internal/result":     {"internal/explain", "internal/journal"},
	"internal/sandbox":    {"internal/testflag"},
	"internal/testflag":   {},
	"internal/topology":   {"capture", "internal/draw", "internal/explain"},
	"internal/trial":      {},
	"internal/try":        {},
	"internal/vm":         {"internal/hostconfig", "internal/kernels", "internal/testflag", "internal/vm/wire"},
	"internal/vm/guest":   {"internal/kernels", "internal/vm/wire"},
	"internal/vm/wire":    {},
}

// seams are libraries that only these packages may know, so that another can
// take their place (docs/dependencies.md).
var seams = map[string][]string{
	"github.com/cavaliergopher/cpio":     {"internal/vm"},
	"github.com/chromedp/cdproto/cdp":    {},
	"github.com/chromedp/chromedp":       {},
	"github.com/cilium/ebpf":             {"internal/drops"},
	"github.com/cilium/ebpf/asm":         {"internal/drops"},
	"github.com/cilium/ebpf/btf":         {"internal/drops"},
	"github.com/cilium/ebpf/link":        {"internal/drops"},
	"github.com/go-ping/ping":            {"assert"},
	"github.com/google/gopacket":         {"capture"},
	"github.com/google/gopacket/layers":  {"capture"},
	"github.com/google/nftables":         {"internal/firewall"},
	"github.com/klauspost/compress/zstd": {"internal/baseline", "internal/kernels"},
	"github.com/knqyf263/go-deb-version": {"internal/kernels"},
	"github.com/ti-mo/conntrack":         {"harness"},
	"github.com/urfave/cli/v3":           {"cmd/netrig"},
	"github.com/ulikunitz/xz":            {"internal/kernels"},
}

func TestImports(t *testing.T) {
	seen := 0
	err := filepath.WalkDir("../..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel("../..", file)
		require.NoError(t, err)
		if entry.IsDir() && (entry.Name() == "testdata" || name == "internal/tools" || name == "out" || strings.HasPrefix(entry.Name(), ".") && name != ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		seen++
		from := path.Dir(filepath.ToSlash(name))
		may, known := allowed[from]
		require.True(t, known, "%s: the package is not in the table of rooms: add it here and in docs/design.md", name)
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, i := range f.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			require.NoError(t, err)
			if own, ok := strings.CutPrefix(imported, module); ok {
				assert.True(t, slices.Contains(may, own) || strings.HasPrefix(own, from+"/"), "%s must not import %s", name, own)
			}
			if at, ok := seams[imported]; ok {
				assert.Contains(t, at, from, "%s must not import %s", name, imported)
			}
		}
		return nil
	})
	require.NoError(t, err)
	assert.Greater(t, seen, 50, "the files are found at all")
}
