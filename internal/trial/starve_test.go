package trial

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"testing"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// famine is a thing that there is not enough of.
type famine struct {
	name string
	// through is the command that runs the victim with less of it.
	through []string
	// says is what the victim prints when it has not enough: the limit by name,
	// and what to do.
	says string
	// enough: it may also have had enough.
	enough bool
	// alone has it run as a user who has no other process on the machine.
	alone bool
}

// starve runs a victim through a command until its end. It ends in time, says
// what it lacks in words of ours, and leaves nothing behind.
func (f famine) starve(t *testing.T, who user, do string) {
	t.Helper()
	machine := primed(t, who)
	v := who.victim(t, do)
	if f.alone {
		v.beAlone()
	}
	program, err := exec.LookPath(f.through[0])
	require.NoError(t, err)
	v.Path, v.Args = program, append(append([]string{}, f.through...), v.Args...)
	v.start()
	v.readAll() // fails after 30 s, scaled
	err = v.Wait()
	text := v.log()
	if f.enough && err == nil {
		v.requireNothingLeft(machine, time.Now(), false)
		return
	}
	require.Error(t, err, "%s: it had enough\n%s", f.name, text)
	require.Regexp(t, f.says, text, f.name)
	require.NotRegexp(t, ours, text)
	v.requireStarved(machine)
}

// beAlone makes the victim's user one that nobody else is.
func (v *victim) beAlone() {
	v.t.Helper()
	id := uint32(40_000 + os.Getpid()%20_000)
	v.SysProcAttr.Credential = &syscall.Credential{Uid: id, Gid: id}
	require.NoError(v.t, os.Chown(v.Dir, int(id), int(id)))
}

// ours is how a panic begins, and what else is a mistake of the program. When
// the runtime itself has no thread or memory left it ends with a "fatal error"
// of other words, and shows every goroutine.
var ours = regexp.MustCompile(`(?m)^(panic: |fatal error: (concurrent|all goroutines|sync))`)

// requireStarved is requireNothingLeft of a victim that saves what it can, for
// the one who looks into it: any of the files of a failure.
func (v *victim) requireStarved(machine state) {
	v.t.Helper()
	for _, name := range list(v.Dir) {
		if strings.HasPrefix(name, "netrig-TestVictim") {
			for _, file := range list(filepath.Join(v.Dir, name)) {
				require.Contains(v.t, append([]string{"explain.txt"}, failureFiles...), file)
			}
			require.NoError(v.t, os.RemoveAll(filepath.Join(v.Dir, name)))
		}
	}
	v.requireNothingLeft(machine, time.Now(), false)
}

func prlimit(option string, n int) []string {
	return []string{"prlimit", fmt.Sprintf("--%s=%d:%d", option, n, n)}
}

// With too few descriptors, of any number, a test fails with the limit's name.
func TestStarvedOfDescriptors(t *testing.T) {
	need(t, "prlimit")
	for _, who := range users() {
		for _, n := range []int{5, 9, 31, 34, 37, 42, 50, 75} {
			t.Run(fmt.Sprint(who, " ", n), func(t *testing.T) {
				f := famine{name: "descriptors", through: prlimit("nofile", n), says: "ulimit -n"}
				f.starve(t, who, "crowd=25")
			})
		}
	}
}

// Threads and processes of an ordinary user are counted, root's are not. Below
// what the sandbox refuses, and now and then above, the Go runtime ends the
// process by itself: then it is said which limit is near.
func TestStarvedOfThreads(t *testing.T) {
	need(t, "prlimit")
	if os.Geteuid() != 0 {
		// All that this user runs counts, and comes and goes; also with too little for
		// a process to begin, of which the Go runtime tells.
		for _, room := range []int{30, 60} {
			f := famine{name: "threads", through: prlimit("nproc", threadsOf(t)+room), says: "ulimit -u|pthread_create failed|newosproc", enough: true}
			f.starve(t, "user", "crowd=10")
		}
		return
	}
	for _, n := range []int{39, 40, 44, 50, 60} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			f := famine{name: "threads", through: prlimit("nproc", n), says: "ulimit -u = ", enough: n > 39}
			f.alone = true
			f.starve(t, "user", "crowd=10")
		})
	}
}

// threadsOf is how many threads this user has, as far as /proc shows them.
func threadsOf(t *testing.T) (n int) {
	t.Helper()
	for _, name := range list("/proc") {
		var st unix.Stat_t
		dir := filepath.Join("/proc", name, "task")
		if unix.Stat(dir, &st) == nil && int(st.Uid) == os.Geteuid() {
			n += len(list(dir))
		}
	}
	return n
}

// Without address space the Go runtime ends the process: refused at once where
// it could not even start, else told by the limit's name.
func TestStarvedOfMemory(t *testing.T) {
	need(t, "prlimit")
	if raceDetector {
		t.Skip("the race detector wants terabytes of addresses, and says so in its own words where it gets none")
	}
	for _, who := range users() {
		for _, mb := range []int{1500, 2040} {
			t.Run(fmt.Sprint(who, " ", mb, " MB of addresses"), func(t *testing.T) {
				says := `ulimit -v = \d+: there are too few KB`
				if mb < 2000 {
					// Where the kernel has put what is mapped first leaves the Go runtime,
					// now and then, without room for its first 4 MB, before a line of netrig's runs.
					says += `|runtime: out of memory: cannot allocate`
				}
				f := famine{name: "memory", through: prlimit("as", mb<<20), says: says}
				f.starve(t, who, "crowd=10")
			})
		}
	}
}

// A cgroup that gives too little memory, or too few processes: whatever the
// kernel kills, the limit is named, and the rest is gone too.
func TestStarvedByCgroup(t *testing.T) {
	need(t, "sh")
	for _, c := range []struct {
		controller, v1, v2, value, do, says string
	}{
		{"memory", "memory.limit_in_bytes", "memory.max", "300000000", "hog", `memory\.(max|limit_in_bytes) = \d+ of the cgroup .*: so far \d+ processes of it were killed`},
		{"pids", "pids.max", "pids.max", "22", "crowd=60", `pids\.max = 22 of the cgroup .*: so far \d+ processes or threads were refused|raise .ulimit -u., .*pids\.max|pids\.max of the cgroup`},
	} {
		t.Run(c.controller, func(t *testing.T) {
			dir, file := cgroup(t, c.controller, c.v1, c.v2)
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(c.value), 0o644))
			if c.controller == "memory" {
				for _, swap := range []string{"memory.swap.max", "memory.memsw.limit_in_bytes"} {
					_ = os.WriteFile(filepath.Join(dir, swap), []byte("0"), 0o644) // there need not be one
				}
			}
			f := famine{name: c.controller, says: c.says,
				through: []string{"sh", "-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, dir}}
			f.starve(t, "root", c.do)
		})
	}
}

// cgroup makes a cgroup that has a controller, and goes at the end. A test that
// may make none is skipped.
func cgroup(t *testing.T, controller, v1, v2 string) (dir, file string) {
	t.Helper()
	for _, at := range []struct{ parent, file string }{{"/sys/fs/cgroup/" + controller, v1}, {"/sys/fs/cgroup", v2}} {
		dir := filepath.Join(at.parent, fmt.Sprintf("netrig-trial-%d-%s", os.Getpid(), controller))
		if _, err := os.Stat(at.parent + "/cgroup.procs"); err != nil || os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			require.NoError(t, deadline.Poll(limit, "a cgroup is still in use", func() (bool, error) {
				err := os.Remove(dir)
				return err == nil || os.IsNotExist(err), nil
			}))
		})
		if _, err := os.Stat(filepath.Join(dir, at.file)); err == nil {
			return dir, at.file
		}
	}
	t.Skipf("this kernel, or its user, gives no cgroup with the controller %s", controller)
	return "", ""
}

// The namespaces of a user namespace are counted apart: there they can run out
// without anybody else's.
func TestStarvedOfNamespaces(t *testing.T) {
	need(t, "unshare", "sh")
	for _, who := range users() {
		for _, n := range []int{0, 1, 2, 3, 5, 8} {
			t.Run(fmt.Sprint(who, " ", n), func(t *testing.T) {
				f := famine{name: "namespaces", says: `user\.max_net_namespaces`,
					through: []string{"unshare", "--user", "--map-root-user", "sh", "-c", fmt.Sprintf(`echo %d >/proc/sys/user/max_net_namespaces && exec "$0" "$@"`, n)}}
				f.starve(t, who, "crowd=10")
			})
		}
	}
}

// smallDisk runs a command where TMPDIR is a file system of some KB, and tells
// which files on it are not whole.
const smallDisk = `mount -t tmpfs -o size=%dk,mode=1777 tmpfs "$TMPDIR" && "$@"
status=$?
echo "left on the disk: "$(find "$TMPDIR" -type f | while read -r file; do
	case $(tail -c 2 "$file") in
	*[a-z0-9\)}]) [ "${file%%.pcapng}" = "$file" ] || echo "$file" ;;
	*) echo "$file" ;;
	esac
done)
umount "$TMPDIR"
exit $status`

// A disk that has no room for the files of a failed test: the failure is told as
// ever, the folder and the way out with it, and no half file is left.
func TestStarvedOfDisk(t *testing.T) {
	need(t, "unshare", "sh", "mount", "find")
	for _, kb := range []int{4, 16} {
		t.Run(fmt.Sprint(kb, " KB"), func(t *testing.T) {
			f := famine{name: "disk", says: `(?s)on purpose.*could not be saved, or not all: .*no space left on device.*TMPDIR.*left on the disk: *(\n|\z)`,
				through: []string{"unshare", "--user", "--map-root-user", "--mount", "sh", "-c", fmt.Sprintf(smallDisk, kb), "sh"}}
			f.starve(t, users()[0], "fatal@close@1")
		})
	}
}

// The journal is told apart: without room for it the test fails.
func TestStarvedOfDiskForJournals(t *testing.T) {
	need(t, "unshare", "sh", "mount")
	f := famine{name: "disk", says: `write a journal into .*no space left on device.*write elsewhere: NETRIG_JOURNAL`,
		through: []string{"unshare", "--user", "--map-root-user", "--mount", "sh", "-c", fmt.Sprintf(`export NETRIG_JOURNAL="$TMPDIR/journals"; `+smallDisk, 8), "sh"}}
	f.starve(t, users()[0], "labs=1")
}

// What the trials of this file look for, they see.
func TestTracesAreSeen(t *testing.T) {
	for _, text := range []string{"x\npanic: y", "fatal error: all goroutines are asleep - deadlock!", "fatal error: concurrent map writes"} {
		require.Regexp(t, ours, text)
	}
	require.NotRegexp(t, ours, "runtime: failed to create new OS thread\nfatal error: newosproc")

}
