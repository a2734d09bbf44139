package vm

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/netrig/netrig/internal/vm/wire"
)

func TestReturns(t *testing.T) {
	tmp := wire.Return{Dir: os.TempDir(), First: "netrig-*"}
	for _, tt := range []struct {
		args []string
		env  []string
		want []wire.Return
	}{
		{nil, nil, []wire.Return{{Dir: "/src/lan"}, tmp}},
		{[]string{"-test.coverprofile=/w/b001/_cover_.out", "-test.gocoverdir=/w/b001/gocoverdir"}, nil,
			[]wire.Return{{Dir: "/src/lan"}, tmp, {Dir: "/w/b001"}, {Dir: "/w/b001/gocoverdir"}}},
		{[]string{"-test.artifacts", "-test.outputdir=/out", "--test.cpuprofile=cpu.out", "-test.trace=sub/trace"}, nil,
			[]wire.Return{{Dir: "/src/lan"}, tmp, {Dir: "/out"}, {Dir: "/out/sub"}}},
		{[]string{"-test.memprofile=mem.out", "--", "-test.outputdir=/not"}, []string{"GOCOVERDIR=/data"},
			[]wire.Return{{Dir: "/src/lan"}, tmp, {Dir: "/data"}}},
	} {
		c := &Config{Dir: "/src/lan", Args: append([]string{"lan.test"}, tt.args...), Env: tt.env}
		assert.Equal(t, tt.want, returns(c), tt.args)
	}
}

func TestInsideEnv(t *testing.T) {
	got := insideEnv([]string{"PATH=/mine", "HOME=/home/me", "LD_PRELOAD=x", "XDG_CACHE_HOME=x", "NETRIG_SANDBOX=inplace", "GOMAXPROCS=2", "UPDATE=1"}, 256)
	assert.Equal(t, []string{wire.Path, "HOME=/root", "TMPDIR=" + os.TempDir(), "GOMEMLIMIT=42MiB", "NETRIG_REQUIRE=1", "GOMAXPROCS=2", "UPDATE=1"}, got)
	got = insideEnv([]string{"NETRIG_REQUIRE=0", "GOMEMLIMIT=1GiB"}, 256)
	assert.NotContains(t, got, "NETRIG_REQUIRE=1")
	assert.NotContains(t, got, "GOMEMLIMIT=42MiB", "the caller knows better")
}

// The journals' folder comes back too, whether it was named from / or from the
// package's directory.
func TestReturnsJournals(t *testing.T) {
	for value, want := range map[string]string{"/tmp/before": "/tmp/before", "out/before": "/src/lan/out/before"} {
		c := &Config{Args: []string{"lan.test"}, Dir: "/src/lan", Env: []string{"NETRIG_JOURNAL=" + value}}
		assert.Equal(t, want, c.journals())
		assert.Contains(t, returns(c), wire.Return{Dir: want, Stream: true})
	}
	assert.Empty(t, (&Config{}).journals())
}
