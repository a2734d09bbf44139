package sandbox

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asRoot prepares a place with a shell script, in namespaces of its own, and
// runs a victim there. Only inside such a place may a test change mounts or
// limits.
func asRoot(t *testing.T, unshare, script string, args ...string) *victim {
	t.Helper()
	needRoot(t)
	need(t, "unshare", "setpriv", "mount", "ip")
	command := append([]string{"unshare"}, strings.Fields(unshare)...)
	command = append(command, "sh", "-ec", script+"\nexec $BECOME \"$@\"", "sh", victimBinary(t))
	v := user("root").program(t, append(command, args...)...)
	require.NoError(t, os.Chmod(v.Dir, 0o777))
	return v
}

const (
	becomeNobody = "BECOME=setpriv --reuid=65534 --regid=65534 --clear-groups"
	dropAll      = "BECOME=setpriv --inh-caps=-all --bounding-set=-all"
)

// Where the kernel says no, the message tells which setting it was, and nothing passes.
func TestForbidden(t *testing.T) {
	for _, tt := range []struct {
		name, script, become string
		want                 []string
	}{
		{"network namespaces", "echo 0 >/proc/sys/user/max_net_namespaces", "", []string{
			"netrig: cannot make a sandbox: ", "no space left on device", "user.max_net_namespaces = 0", "sudo sysctl -w user.max_net_namespaces="}},
		{"PID namespaces", "echo 0 >/proc/sys/user/max_pid_namespaces", "", []string{"user.max_pid_namespaces = 0"}},
		{"user namespaces", "echo 0 >/proc/sys/user/max_user_namespaces", dropAll, []string{
			"user.max_user_namespaces = 0", "sudo sysctl -w user.max_user_namespaces=", "go test -exec sudo ./..."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// These limits are those of the user namespace, not of the machine.
			out, state := asRoot(t, "-Ur", tt.script, "-test.run=^TestPass$").with(tt.become).run()
			assert.Equal(t, 1, state.ExitCode())
			for _, want := range tt.want {
				assert.Contains(t, out, want)
			}
			assert.NotContains(t, out, "PASS")

			out, state = asRoot(t, "-Ur", tt.script, "-test.list=^TestPass$").with(tt.become).run()
			assert.True(t, state.Success(), "a list needs no sandbox")
			assert.Equal(t, "TestPass\n", out)
		})
	}
}

func TestForbiddenInChroot(t *testing.T) {
	script := `mount -t tmpfs t /mnt; mkdir /mnt/r; for d in /*; do
		case $d in /mnt|/run) ;; *) [ -L $d ] && cp -P $d /mnt/r || { [ -d $d ] && mkdir /mnt/r$d && mount --rbind $d /mnt/r$d; } ;; esac; done
		mkdir -p /mnt/r/run; cd /`
	v := asRoot(t, "-m", script, "-test.run=^TestPass$").with("BECOME=chroot --userspec=65534:65534 /mnt/r")
	out, state := v.run()
	assert.Equal(t, 1, state.ExitCode(), out)
	assert.Contains(t, out, "operation not permitted")
	assert.Contains(t, out, "the process is in a chroot")
}

func TestInPlace(t *testing.T) {
	env := envSandbox + "=" + inPlace
	// As documented for debuggers, without root.
	v := user("user").program(t, "unshare", "-Urnmpf", "--mount-proc", victimBinary(t), "-test.run=^TestLook$")
	need(t, "unshare")
	out, state := v.with(env).run()
	assert.True(t, state.Success(), out)
	assert.Contains(t, out, "active=true\n")
	assert.Contains(t, out, "pid=1\n", "the tests are the process that was started")

	out, state = asRoot(t, "-n", "ip link add d0 type veth peer name d1", "-test.run=^TestPass$").with(env).run()
	assert.Equal(t, 1, state.ExitCode(), out)
	assert.Contains(t, out, "has an interface d")
	assert.Contains(t, out, "unshare -Urnmpf --mount-proc dlv test")
}

// coverProc makes the kernel refuse a new /proc to an ordinary user, as many
// containers do: parts of the old one are covered.
const coverProc = "mount --make-rprivate /; mount --bind /dev/null /proc/uptime"

// Without a PID namespace the tests run all the same, and what they start is
// found and killed.
func TestWithoutProc(t *testing.T) {
	need(t, "setsid", "sleep")
	out, state := asRoot(t, "-m", coverProc, "-test.run=^TestPlace$").
		with(becomeNobody, "VICTIM_SCRIPT=readlink /proc/self/ns/pid").run()
	require.True(t, state.Success(), out)
	assert.Equal(t, 1, strings.Count(out, "going on without a PID namespace"), out)

	for _, k := range killings {
		t.Run(k.stage+" "+k.signal.String(), func(t *testing.T) {
			k.try(t, asRoot(t, "-m", coverProc, "-test.run=^TestDaemon$").with(becomeNobody))
		})
	}
	for then, ends := range map[string]string{"pass": "exit status 0", "panic": "exit status 2", "kill": "signal: killed"} {
		v := asRoot(t, "-m", coverProc, "-test.run=^TestDaemon$", "-test.timeout=300ms").with(becomeNobody, "VICTIM_THEN="+then)
		start := time.Now()
		out, state := v.run()
		v.requireGone()
		assert.Equal(t, ends, state.String(), out)
		assert.Less(t, time.Since(start), 5*time.Second)
	}
}

// A process that the outside had before is not the sandbox's to kill.
func TestWithoutProcSparesOthers(t *testing.T) {
	need(t, "sleep", "kill")
	script := coverProc + `; sleep 1000 </dev/null >/dev/null 2>&1 & echo sleeper $!`
	v := asRoot(t, "-m", script, "-test.run=^TestPass$").with(becomeNobody)
	out, state := v.run()
	require.True(t, state.Success(), out)
	left := v.processes()
	require.Len(t, left, 1, "%v", left)
	assert.Equal(t, "sleep", left[0].comm)
}

// Working, temporary and program directories in /run stay usable, and so does a
// resolv.conf there; the rest of /run is out of sight.
func TestKeptInRun(t *testing.T) {
	script := `mount --make-rprivate /; mount -t tmpfs t /run; mount -t tmpfs e /etc
		mkdir -p /run/user/1/work /run/user/1/other /run/store/bin /run/systemd/resolve /run/secret
		ln -s /run/store /run/current; touch /run/systemd/resolve/socket
		printf '#!/bin/sh\necho a program\n' >/run/store/bin/prog; chmod 755 /run/store/bin/prog
		echo nameserver 192.0.2.1 >/run/systemd/resolve/stub-resolv.conf
		ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
		chmod -R 777 /run/user; cd /run/user/1/work; export PATH=/run/current/bin:$PATH TMPDIR=/run/user/1/other`
	look := `set -e; pwd; /bin/pwd; prog; cat /etc/resolv.conf; ls -A /run /run/systemd/resolve; echo kept >here; echo kept >$TMPDIR/there`
	for _, become := range []string{"", becomeNobody} {
		after := "\n\"$@\" && cat /run/user/1/work/here /run/user/1/other/there && ls /run/secret; exit\n"
		v := asRoot(t, "-m", script+strings.Replace(after, `"$@"`, `$BECOME "$@"`, 1), "-test.run=^TestPlace$", "-test.coverprofile=").
			with(become, "VICTIM_SCRIPT="+look)
		out, state := v.run()
		require.True(t, state.Success(), out)
		assert.Equal(t, `/run/user/1/work
/run/user/1/work
a program
nameserver 192.0.2.1
/run:
current
lock
store
systemd
user

/run/systemd/resolve:
stub-resolv.conf
PASS
kept
kept
`, out)
	}
}
