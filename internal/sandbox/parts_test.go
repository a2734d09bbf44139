package sandbox

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestOrder(t *testing.T) {
	for _, o := range []order{{3, true, "4026531840"}, {1023, false, "1"}} {
		got, err := parseOrder(o.String())
		require.NoError(t, err)
		assert.Equal(t, o, got)
	}
	for _, wrong := range []string{"first,", "first,3", "first,3,true", "first,3,true,", "first,x,true,1", "first,3,perhaps,1", "first,3,true,1,1"} {
		_, err := parseOrder(wrong)
		assert.ErrorContains(t, err, wrong)
	}
}

// A process that only has the variable, from a user or from a parent's
// environment, must end before it mounts anything.
func TestOrderOfSomebodyElse(t *testing.T) {
	pair := func(kind int) int {
		ends, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		t.Cleanup(func() { unix.Close(ends[0]); unix.Close(ends[1]) })
		return ends[0]
	}
	file, err := os.Open("/dev/null")
	require.NoError(t, err)
	defer file.Close()
	own := mountNamespace()
	for says, o := range map[string]order{
		"descriptor 9999 is no socket":             {9999, false, "1"},
		"is no socket":                             {int(file.Fd()), false, "1"},
		"is another socket":                        {pair(unix.SOCK_STREAM), false, "1"},
		"not the first process of a PID":           {pair(unix.SOCK_SEQPACKET), true, "1"},
		"mount namespace that it was started from": {pair(unix.SOCK_SEQPACKET), false, own},
	} {
		assert.ErrorContains(t, o.check(), says)
	}
	assert.NoError(t, order{pair(unix.SOCK_SEQPACKET), false, "1"}.check())
}

func TestReport(t *testing.T) {
	for _, r := range []report{{reportEnd, 0x8b, ""}, {reportFailed, 1, "mount /proc"}} {
		got, ok := parseReport(r.marshal())
		assert.True(t, ok)
		assert.Equal(t, r, got)
	}
	long := report{reportFailed, 1, strings.Repeat("x", 2*maxReport)}
	assert.Len(t, long.marshal(), maxReport)
	_, ok := parseReport(nil)
	assert.False(t, ok, "the other side is gone")
}

func TestWithEnv(t *testing.T) {
	assert.Equal(t,
		[]string{"A=1", "NETRIG_SANDBOXES=3", "NETRIG_SANDBOX=x"},
		withEnv([]string{"A=1", "NETRIG_SANDBOX=y", "NETRIG_SANDBOXES=3"}, envSandbox, "x"))
}

func TestParentOf(t *testing.T) {
	for stat, want := range map[string]int{
		"17 (sh) S 16 17 17 0 -1": 16,
		"17 (a) (b) ) R 2 9 9":    2,
		"17 (x":                   0,
		"":                        0,
	} {
		assert.Equal(t, want, parentOf(stat), stat)
	}
}

func TestTopMounts(t *testing.T) {
	info := `22 1 254:0 / / rw - ext4 /dev/vda rw
24 22 0:21 / /sys rw - sysfs sysfs rw
25 24 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw
26 25 0:23 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw
27 24 0:24 / /sys/fs/cgroup2 rw - cgroup2 cgroup2 rw
28 24 0:24 / /sys/a\040b rw - tmpfs t rw
29 22 0:25 / /system rw - tmpfs t rw
30 24 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw
`
	assert.Equal(t, []string{"/sys/fs/cgroup", "/sys/fs/cgroup2", "/sys/a b"}, topMounts(info, "/sys"))
}

func TestWantedInRun(t *testing.T) {
	for _, tt := range []struct {
		name      string
		env, args []string
		cwd       string
		want      []string
	}{
		{"nothing", []string{"PATH=/usr/bin:/bin", "TMPDIR=/tmp", "OTHER=/run/x"}, []string{"/tmp/x.test", "-test.v"}, "/home", nil},
		{"everywhere", []string{"PATH=/run/wrappers/bin:/bin:/run/current-system/sw/bin", "TMPDIR=/run/user/1/tmp", "HOME=/var/run/home"}, nil, "/run/user/1/work",
			[]string{"/run/current-system/sw/bin", "/run/home", "/run/user/1/tmp", "/run/user/1/work", "/run/wrappers/bin"}},
		{"parents are enough", []string{"TMPDIR=/run/user/1"}, []string{"/run/user/1/b/x.test", "-test.coverprofile=/run/user/10/c"}, "/run/user/1/b",
			[]string{"/run/user/1", "/run/user/10"}},
		{"not all of /run", []string{"TMPDIR=/run", "HOME=/run/../run/"}, []string{"/run/x"}, "/run", []string{"/run/x"}},
	} {
		assert.Equal(t, tt.want, wantedInRun(tt.env, tt.args, tt.cwd), tt.name)
	}
}

func TestJudgeInPlace(t *testing.T) {
	assert.NoError(t, judgeInPlace([]string{"lo"}))
	assert.NoError(t, judgeInPlace([]string{"lo", "tunl0", "sit0"}), "these come with modules")
	assert.ErrorContains(t, judgeInPlace([]string{"lo", "eth0"}), "eth0")
	assert.ErrorContains(t, judgeInPlace([]string{"lo", "eth0"}), "unshare -Urnmpf --mount-proc dlv test")
}

func TestRequireAll(t *testing.T) {
	for value, want := range map[string]bool{"1": true, "0": false, "": false} {
		t.Setenv(envRequire, value)
		assert.Equal(t, want, RequireAll(), value)
		assert.Empty(t, wrongRequire(), value)
	}
	t.Setenv(envRequire, "true")
	assert.False(t, RequireAll())
	assert.Equal(t, `NETRIG_REQUIRE="true" asks for nothing: only NETRIG_REQUIRE=1 does; tests may skip`, wrongRequire())
	out, state := user("").program(t, victimBinary(t), "-test.run=^TestPass$").with(envRequire + "=true").run()
	assert.True(t, state.Success(), out)
	assert.Equal(t, 1, strings.Count(out, "netrig: "+wrongRequire()+"\n"), out)
}

// Unless somebody runs these tests in a sandbox, they are outside.
func TestActive(t *testing.T) {
	assert.Equal(t, os.Getenv(envSandbox) == mountNamespace(), Active())
}

// BenchmarkMain compares a victim without tests in a sandbox and without one.
func BenchmarkMain(b *testing.B) {
	for name, env := range map[string]string{"sandbox": "", "direct": mountNamespace()} {
		b.Run(name, func(b *testing.B) {
			binary := victimBinary(b)
			for b.Loop() {
				v := user("").program(b, binary, "-test.run=^$").with(envSandbox + "=" + env)
				if out, state := v.run(); !state.Success() {
					b.Fatal(out)
				}
			}
		})
	}
}
