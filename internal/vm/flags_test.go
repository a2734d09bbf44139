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
	c := &Config{Dir: "/src/lan", Args: []string{"lan.test"}, Stream: []string{"/kept/"}}
	assert.Equal(t, []wire.Return{{Dir: "/src/lan"}, tmp, {Dir: "/kept", Stream: true}}, returns(c))
}

func TestWithoutTestLog(t *testing.T) {
	assert.Equal(t, []string{"-test.v", "--", "-test.testlogfile=mine"}, withoutTestLog([]string{"-test.testlogfile=x", "-test.v", "--", "-test.testlogfile=mine"}))
}

func TestInsideEnv(t *testing.T) {
	got := insideEnv([]string{"PATH=/mine", "HOME=/home/me", "LD_PRELOAD=x", "XDG_CACHE_HOME=x", "NETRIG_SANDBOX=inplace", "GOMAXPROCS=2", "UPDATE=1"}, 256)
	assert.Equal(t, []string{insidePath, "HOME=/root", "TMPDIR=" + os.TempDir(), "GOMEMLIMIT=42MiB", "NETRIG_REQUIRE=1", "GOMAXPROCS=2", "UPDATE=1"}, got)
	got = insideEnv([]string{"NETRIG_REQUIRE=0", "GOMEMLIMIT=1GiB"}, 256)
	assert.NotContains(t, got, "NETRIG_REQUIRE=1")
	assert.NotContains(t, got, "GOMEMLIMIT=42MiB", "the caller knows better")
}
